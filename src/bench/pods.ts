/**
 * Many pods: so many nodes with so many pods each, flannel between them, and UDP between pairs of pods all over the
 * cluster, in both directions. With several nodes the pods of a pair are on different ones.
 */
import { Bridge } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { Veth } from '../link/veth.ts'
import { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { SECOND } from '../sim/scheduler.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'
import { formatIpv4, type Ipv4, type Mac, macOf, parseCidr, parseIpv4 } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Load } from './load.ts'
import { ANYWHERE, BACKEND_PORT, CABLE, node, plug, serve } from './networks.ts'
import { BATCH, datagram, Sink, Source } from './traffic.ts'

const PODS = parseIpv4('10.64.0.0')
const NODES = parseIpv4('192.168.0.1')
const CLIENT_PORT = 40_000
const MTU = 1450

interface Pod {
  readonly netns: Netns
  readonly eth0: NetDevice
  readonly node: number
  readonly address: Ipv4
}

export class Pods implements Load {
  readonly world = new World(1)
  readonly #pods: Pod[] = []
  readonly #gateways: Mac[] = []
  readonly #sinks: Sink[] = []
  readonly #there: Source[] = []
  readonly #back: Source[] = []
  /** Addresses of a node. */
  readonly #block: number
  readonly #prefix: number
  sent = 0
  #next = 0

  constructor(nodes: number, podsEach: number, size: number, flowCache: boolean) {
    this.world.flowCache = flowCache
    this.#prefix = 32 - Math.ceil(Math.log2(podsEach + 3))
    this.#block = 2 ** (32 - this.#prefix)
    const underlay = new Netns(this.world, 'ul')
    const br0 = new Bridge(this.world, 'br0', macOf(2, 9, NODES))
    underlay.adopt(br0)
    underlay.setUp(br0)
    for (let i = 0; i < nodes; i++) this.#node(i, nodes, podsEach, underlay, br0)
    this.#pair(size)
  }

  get received(): number {
    let sum = 0
    for (const sink of this.#sinks) sum += sink.received
    return sum
  }

  get bad(): number {
    let sum = 0
    for (const sink of this.#sinks) sum += sink.bad
    return sum
  }

  /** Each pod asks its gateway, who then knows it, and so do the bridges; then each pair has spoken once. */
  prepare(): void {
    const { scheduler } = this.world
    for (const pod of this.#pods) this.#ask(pod)
    scheduler.run(scheduler.now + SECOND)
    for (let i = 0; i < this.#pods.length; i += BATCH) this.batch()
    scheduler.run(scheduler.now + SECOND)
  }

  batch(): void {
    const { scheduler } = this.world
    const from = this.#next
    for (let i = 0; i < BATCH; i++) this.#there[(from + i) % this.#there.length].send()
    scheduler.run(scheduler.now + 1_000_000)
    for (let i = 0; i < BATCH; i++) this.#back[(from + i) % this.#back.length].send()
    scheduler.run(scheduler.now + 1_000_000)
    this.sent += 2 * BATCH
    this.#next = (from + BATCH) % this.#there.length
  }

  #ask({ eth0, address, node }: Pod): void {
    const frame = this.world.frames.take()
    frame.end = frame.start + ethernet.HEADER + arp.LENGTH
    const to = this.#gateways[node]
    const gateway = (PODS + node * this.#block + 1) as Ipv4
    ethernet.write(frame.bytes, frame.start, to, eth0.mac, ethernet.ETH_P_ARP)
    arp.write(frame.bytes, frame.start + ethernet.HEADER, arp.REQUEST, eth0.mac, address, to, gateway)
    eth0.send(frame)
  }

  #cidr(number: number): string {
    return `${formatIpv4((PODS + number * this.#block) as Ipv4)}/${this.#prefix}`
  }

  #node(number: number, nodes: number, podsEach: number, underlay: Netns, switching: Bridge): void {
    const first = (PODS + number * this.#block) as Ipv4
    const own = macOf(2, 1, first)
    const at = node(this.world, `n${number}`, this.#cidr(number), own, MTU)
    serve(at.netns, formatIpv4((PODS + 2) as Ipv4), { count: 1, mode: 'iptables' })
    this.#gateways.push(own)
    for (let i = 0; i < podsEach; i++) this.#pod(number, (first + 2 + i) as Ipv4, at)
    if (nodes > 1) this.#flannel(number, nodes, at.netns, underlay, switching)
  }

  #pod(number: number, address: Ipv4, at: { netns: Netns; cni0: Bridge }): void {
    const netns = new Netns(this.world, `p${this.#pods.length}`)
    const name = `veth${this.#pods.length}`
    const [eth0, port] = Veth.pair(this.world, 'eth0', macOf(2, 2, address), name, macOf(2, 3, address), CABLE)
    eth0.mtu = MTU
    port.mtu = MTU
    netns.adopt(eth0)
    netns.addAddress(eth0, address, this.#prefix)
    netns.setUp(eth0)
    plug(at, port)
    const gateway = (PODS + number * this.#block + 1) as Ipv4
    netns.main.add(route({ destination: ANYWHERE, gateway, device: eth0 }))
    this.#pods.push({ netns, eth0, node: number, address })
  }

  #flannel(number: number, nodes: number, netns: Netns, underlay: Netns, switching: Bridge): void {
    const local = (NODES + number) as Ipv4
    const [eth0, port] = Veth.pair(this.world, 'eth0', macOf(2, 4, local), `u${number}`, macOf(2, 5, local), CABLE)
    netns.adopt(eth0)
    underlay.adopt(port)
    switching.attach(port)
    underlay.setUp(port)
    netns.addAddress(eth0, local, 16)
    netns.setUp(eth0)
    const options = { netns, vni: 1, local, device: eth0, port: 8472, learning: false }
    const flannel = new VxlanDevice(this.world, 'flannel.1', macOf(2, 6, local), options)
    netns.adopt(flannel)
    netns.addAddress(flannel, (PODS + number * this.#block) as Ipv4, 32, null)
    netns.setUp(flannel)
    for (let other = 0; other < nodes; other++) {
      if (other === number) continue
      const remote = parseCidr(this.#cidr(other))
      const endpoint = macOf(2, 6, (NODES + other) as Ipv4)
      netns.main.add(route({ destination: remote, gateway: remote.network, device: flannel, onlink: true }))
      netns.neighbours.add(flannel, remote.network, endpoint, 'PERMANENT')
      flannel.fdb.add(endpoint, (NODES + other) as Ipv4)
    }
  }

  /** Each pod calls the one half of the cluster further; the answers come from there. */
  #pair(size: number): void {
    const pods = this.#pods
    for (const [i, client] of pods.entries()) {
      const server = pods[(i + (pods.length >> 1)) % pods.length]
      this.#there.push(this.#source(client, server, [CLIENT_PORT, BACKEND_PORT], size))
      this.#back.push(this.#source(server, client, [BACKEND_PORT, CLIENT_PORT], size))
    }
    for (const { netns, eth0, address } of pods) {
      const sink = new Sink(this.world, netns, formatIpv4(address), BACKEND_PORT, CLIENT_PORT)
      this.#sinks.push(sink)
      eth0.receiver = sink
    }
  }

  #source(from: Pod, to: Pod, ports: [number, number], size: number): Source {
    const mac = from.node === to.node ? to.eth0.mac : this.#gateways[from.node]
    return new Source(this.world, from.eth0, datagram(mac, from.eth0.mac, from.address, to.address, ports, size))
  }
}
