import { expect, test } from 'vitest'
import type { NetDevice } from '../../src/link/device.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { VxlanDevice } from '../../src/tunnel/vxlan.ts'
import { macOf, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { add, fold, pseudoHeader } from '../../src/wire/checksum.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as udp from '../../src/wire/udp.ts'
import { join, newWorld, ping, watch } from '../net/network.ts'

/** Two hosts with a tunnel end point each: 10.9.0.1 ═ (192.168.0.1 ── 192.168.0.2) ═ 10.9.0.2 */
function tunnel(vni = [1, 1]) {
  const world = newWorld()
  const hosts = [new Netns(world, 'h1'), new Netns(world, 'h2')]
  const wires = join(world, hosts[0], '192.168.0.1/24', hosts[1], '192.168.0.2/24')
  const ends = hosts.map((netns, i) => {
    Sockets.of(netns)
    const own = parseIpv4(`192.168.0.${i + 1}`)
    const mac = macOf(6, 0xf1, parseIpv4(`10.9.0.${i + 1}`))
    const device = netns.devices.get('eth0') as NetDevice
    const end = new VxlanDevice(world, 'vx0', mac, {
      netns,
      vni: vni[i],
      local: own,
      device,
      port: 8472,
      learning: false,
    })
    netns.adopt(end)
    netns.addAddress(end, parseIpv4(`10.9.0.${i + 1}`), 32, null)
    netns.setUp(end)
    const peer = parseIpv4(`10.9.0.${2 - i}`)
    const peerMac = macOf(6, 0xf1, peer)
    end.fdb.add(peerMac, parseIpv4(`192.168.0.${2 - i}`))
    netns.neighbours.add(end, peer, peerMac, 'PERMANENT')
    netns.main.add(route({ destination: parseCidr(`10.9.0.${2 - i}`), device: end, scope: 'link' }))
    return end
  })
  return { world, hosts, wires, ends }
}

test('a frame travels inside UDP, 50 bytes longer, and comes out as it went in', () => {
  const { world, hosts, wires, ends } = tunnel()
  const lengths: number[] = []
  wires[0].tap = (frame) => void lengths.push(frame.end - frame.start)
  const inside = watch(ends[1])
  ping(hosts[0], '10.9.0.2')
  world.scheduler.run(SECOND)
  expect(lengths.filter((length) => length > 60)).toEqual([148, 148])
  expect(inside).toEqual([
    'IP 10.9.0.1 > 10.9.0.2: ICMP echo request, id 77, seq 1, length 64',
    'IP 10.9.0.2 > 10.9.0.1: ICMP echo reply, id 77, seq 1, length 64',
  ])
  expect(world.frames.inUse).toBe(0)
})

test('conntrack does not take the outer packet for the inner flow', () => {
  const { world, hosts } = tunnel()
  for (const host of hosts)
    host.netfilter.restore('*filter\n-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n')
  ping(hosts[0], '10.9.0.2')
  world.scheduler.run(SECOND)
  const protocols = [...hosts[0].netfilter.conntrack.list()].map((flow) => flow.original.protocol).sort((a, b) => a - b)
  // One inner echo, and one outer UDP flow for each direction.
  expect(protocols).toEqual([ipv4.IPPROTO_ICMP, ipv4.IPPROTO_UDP, ipv4.IPPROTO_UDP])
  expect(world.frames.inUse).toBe(0)
})

test.each([true, false])('the outer checksum is right, whether the inner one is known to be (%s) or not', (known) => {
  const { world, hosts, wires } = tunnel()
  const sums: number[] = []
  wires[0].tap = (frame) => {
    const at = frame.start + ethernet.HEADER
    if (ipv4.protocol(frame.bytes, at) !== ipv4.IPPROTO_UDP || frame.end - at < 60) return
    const size = frame.end - at - ipv4.HEADER
    const pseudo = pseudoHeader(ipv4.source(frame.bytes, at), ipv4.destination(frame.bytes, at), 17, size)
    sums.push(fold(add(pseudo, frame.bytes, at + ipv4.HEADER, size)))
  }
  const [from, to] = [parseIpv4('10.9.0.1'), parseIpv4('10.9.0.2')]
  for (let size = 0; size < 64; size++) {
    const frame = world.frames.take()
    frame.end = frame.start + udp.HEADER + size
    for (let i = frame.start + udp.HEADER; i < frame.end; i++) frame.bytes[i] = (i * 37 + size) & 255
    udp.write(frame.bytes, frame.start, frame.end, from, to, 4000 + size, 5000)
    const stack = hosts[0].devices.get('vx0') as VxlanDevice
    const send = stack.send.bind(stack)
    stack.send = (sent) => {
      sent.summed = known
      send(sent)
    }
    hosts[0].send(frame, from, to, ipv4.IPPROTO_UDP, 64, 0, 1, 0)
    world.scheduler.run(world.scheduler.now + SECOND / 10)
  }
  // The datagrams, and some answers: nobody listens on port 5000.
  expect(sums.length).toBeGreaterThanOrEqual(64)
  expect(new Set(sums)).toEqual(new Set([0xffff]))
})

test('another VNI is nobody here', () => {
  const { world, hosts, ends } = tunnel([1, 2])
  const inside = watch(ends[1])
  ping(hosts[0], '10.9.0.2')
  world.scheduler.run(SECOND)
  expect(inside).toEqual([])
  expect(world.frames.inUse).toBe(0)
})
