/** Any bytes into a running node: nothing throws, and no frame is left behind. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nodeRules } from '../../src/kube/proxy-rules.ts'
import { Bridge } from '../../src/link/bridge.ts'
import type { NetDevice } from '../../src/link/device.ts'
import { Veth } from '../../src/link/veth.ts'
import { installBridgeFilter } from '../../src/net/br-netfilter.ts'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { VxlanDevice } from '../../src/tunnel/vxlan.ts'
import { macOf, parseIpv4 } from '../../src/wire/address.ts'
import * as tcp from '../../src/wire/tcp.ts'
import { alice, bob, inVxlan, payload, ping, type Station, tcpFrame, udpFrame } from '../support/packets.ts'
import { join, mac, newWorld } from './network.ts'

const web: Station = { mac: mac(1), address: parseIpv4('10.96.0.80') }
const peer: Station = { mac: mac(2), address: parseIpv4('192.168.14.1') }

/** A node with rules, a bridge, a tunnel and a pod; frames are thrown at it from the pod's side and from the wire. */
function node() {
  const world = newWorld()
  const netns = new Netns(world, 'node')
  const outside = new Netns(world, 'outside')
  Sockets.of(netns)
  netns.sysctl.set('net.ipv4.ip_forward', '1')
  const [wire] = join(world, outside, '192.168.14.1/24', netns, '192.168.14.11/24')
  const eth0 = netns.devices.get('eth0') as NetDevice
  const local = parseIpv4('192.168.14.11')
  const flannel = new VxlanDevice(world, 'flannel.1', mac(200), {
    netns,
    vni: 1,
    local,
    device: eth0,
    port: 8472,
    learning: true,
  })
  netns.adopt(flannel)
  netns.addAddress(flannel, parseIpv4('10.244.1.0'), 32, null)
  netns.setUp(flannel)
  const cni0 = new Bridge(world, 'cni0', macOf(10, 0x58, parseIpv4('10.244.1.1')))
  installBridgeFilter(netns, cni0)
  netns.adopt(cni0)
  netns.addAddress(cni0, parseIpv4('10.244.1.1'), 24)
  netns.setUp(cni0)
  const pod = new Netns(world, 'pod')
  Sockets.of(pod)
  const [inside, port] = Veth.pair(world, 'eth0', mac(201), 'veth1', mac(202), { delay: 1000 })
  pod.adopt(inside)
  pod.addAddress(inside, parseIpv4('10.244.1.2'), 24)
  pod.setUp(inside)
  netns.adopt(port)
  cni0.attach(port).hairpin = true
  netns.setUp(port)
  const endpoints = [{ address: '10.244.1.2', port: 80, local: true }]
  const service = {
    namespace: 'default',
    name: 'web',
    protocol: 'TCP',
    clusterIP: '10.96.0.80',
    port: 80,
    endpoints,
  } as const
  netns.netfilter.restore(nodeRules([service], { clusterCIDR: '10.244.0.0/16', podCIDR: '10.244.1.0/24' }))
  return { world, doors: [wire, inside] }
}

function inject(target: ReturnType<typeof node>, door: number, bytes: Uint8Array): void {
  const { frames, scheduler } = target.world
  const frame = frames.take(bytes.length)
  frame.bytes.set(bytes, frame.start)
  frame.end = frame.start + bytes.length
  target.doors[door].send(frame)
  scheduler.run(scheduler.now + SECOND / 1000)
}

test('random bytes', () => {
  const target = node()
  fc.assert(
    fc.property(fc.nat(1), fc.uint8Array({ minLength: 1, maxLength: 200 }), (door, bytes) =>
      inject(target, door, bytes),
    ),
    { numRuns: 2000, seed: 7 },
  )
  target.world.scheduler.run(target.world.scheduler.now + 100 * SECOND)
  expect(target.world.frames.inUse).toBe(0)
})

test('real frames with a few bytes changed', () => {
  const target = node()
  const samples = [
    ping(web, alice),
    udpFrame(web, alice, 4000, 53, payload(20)),
    tcpFrame(web, alice, 4000, 80, { sequence: 1, flags: tcp.SYN }),
    inVxlan({ mac: mac(1), address: parseIpv4('192.168.14.11') }, peer, 8472, 1, ping(alice, bob)),
  ]
  const change = fc.record({ at: fc.nat(80), value: fc.nat(255) })
  const scenario = fc.tuple(fc.nat(1), fc.constantFrom(...samples), fc.array(change, { maxLength: 4 }))
  fc.assert(
    fc.property(scenario, ([door, sample, changes]) => {
      const bytes = sample.slice()
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value
      // To the node itself, whatever else it says.
      const station = door === 0 ? [...(target.doors[0] as Veth).peer!.mac] : [10, 0x58, 10, 244, 1, 1]
      bytes.set(station, 0)
      inject(target, door, bytes)
    }),
    { numRuns: 3000, seed: 7 },
  )
  target.world.scheduler.run(target.world.scheduler.now + 100 * SECOND)
  expect(target.world.frames.inUse).toBe(0)
})
