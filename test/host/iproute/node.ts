/**
 * A node as Flannel leaves it, and one of its pods:
 *
 *   pod eth0 ── vethpod (port of cni0) │ cni0 10.244.1.1/24, flannel.1 10.244.1.0/32, eth0 192.168.14.11/24 ── gateway
 */
import { expect } from 'vitest'
import { iprouteCommands } from '../../../src/host/commands/iproute.ts'
import type { Place } from '../../../src/host/place.ts'
import { Bridge } from '../../../src/link/bridge.ts'
import { Veth } from '../../../src/link/veth.ts'
import { Netns } from '../../../src/net/netns.ts'
import { route } from '../../../src/net/route.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import { VxlanDevice } from '../../../src/tunnel/vxlan.ts'
import { macOf, parseCidr, parseIpv4, parseMac } from '../../../src/wire/address.ts'
import { Box, type Said } from '../box.ts'

export class Node extends Box {
  readonly node
  readonly pod: Netns
  readonly podPlace: Place
  readonly gateway: Netns
  readonly bridge: Bridge
  readonly tunnel: VxlanDevice

  constructor() {
    super(new Map(Object.entries(iprouteCommands)))
    const { world } = this
    this.node = this.machine('node1')
    this.gateway = new Netns(world, 'gateway')
    const { netns } = this.node

    const [eth0, other] = Veth.pair(
      world,
      'eth0',
      parseMac('52:54:c0:a8:0e:0b'),
      'p-node1',
      parseMac('52:54:c0:a8:0e:01'),
    )
    netns.adopt(eth0)
    this.gateway.adopt(other)
    netns.addAddress(eth0, parseIpv4('192.168.14.11'), 24)
    this.gateway.addAddress(other, parseIpv4('192.168.14.1'), 24)
    this.gateway.setUp(other)
    netns.setUp(eth0)
    netns.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4('192.168.14.1'), device: eth0 }))

    const vtep = { netns, vni: 1, local: parseIpv4('192.168.14.11'), device: eth0, port: 8472, learning: false }
    this.tunnel = new VxlanDevice(world, 'flannel.1', macOf(0x06, 0xf1, parseIpv4('10.244.1.0')), vtep)
    netns.adopt(this.tunnel)
    netns.addAddress(this.tunnel, parseIpv4('10.244.1.0'), 32, null)
    netns.setUp(this.tunnel)

    this.bridge = new Bridge(world, 'cni0', macOf(0x0a, 0x58, parseIpv4('10.244.1.1')))
    this.bridge.mtu = 1450
    netns.adopt(this.bridge)
    netns.addAddress(this.bridge, parseIpv4('10.244.1.1'), 24)
    netns.setUp(this.bridge)

    this.pod = new Netns(world, 'pod', netns)
    const address = parseIpv4('10.244.1.2')
    const [inside, outside] = Veth.pair(
      world,
      'eth0',
      macOf(0x0a, 0x58, address),
      'vethpod',
      macOf(0xfe, 0x58, address),
    )
    for (const end of [inside, outside]) end.mtu = 1450
    this.pod.adopt(inside)
    netns.adopt(outside)
    this.bridge.attach(outside).hairpin = true
    this.pod.addAddress(inside, address, 24)
    this.pod.setUp(inside)
    netns.setUp(outside)
    this.pod.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4('10.244.1.1'), device: inside }))
    this.podPlace = this.node.addPlace('pod', this.pod, {
      hostname: 'pod',
      programs: new Map(Object.entries(iprouteCommands)),
    })
  }

  /** Runs one command without a shell; words are split at spaces. */
  async run(line: string, place: Place = this.node.place, stdin = ''): Promise<Said> {
    let out = ''
    let err = ''
    const io = { out: (text: string) => void (out += text), err: (text: string) => void (err += text), stdin }
    const began = this.world.scheduler.now
    const code = await this.runner.until(place.spawn(line.split(' '), io).exit)
    return { code, out, err, took: this.world.scheduler.now - began }
  }

  /** What a command prints when all is well. */
  async prints(line: string, place: Place = this.node.place): Promise<string> {
    const said = await this.run(line, place)
    expect(said.err, line).toBe('')
    expect(said.code, line).toBe(0)
    return said.out
  }

  /** How a command fails: `2 RTNETLINK answers: File exists`. */
  async fails(line: string, place: Place = this.node.place): Promise<string> {
    const said = await this.run(line, place)
    expect(said.out, line).toBe('')
    return `${said.code} ${said.err.trimEnd()}`
  }

  /** One echo request of the pod to an address, and time for the answer. */
  async ping(from: Netns, to: string): Promise<void> {
    const socket = Sockets.of(from).icmp()
    socket.broadcast = true
    socket.echo(7, 1, new Uint8Array(56), parseIpv4(to))
    await this.runner.runFor(1e9)
    socket.close()
  }
}
