/** Small networks out of real namespaces, and what their interfaces saw, one tcpdump line a frame. */
import type { NetDevice } from '../../src/link/device.ts'
import { Veth } from '../../src/link/veth.ts'
import type { World } from '../../src/link/world.ts'
import type { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { MICROSECOND } from '../../src/sim/scheduler.ts'
import { type Ipv4, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { printFrame } from '../../src/wire/print.ts'
import { mac, testWorld } from '../support/world.ts'

export { mac, testWorld as newWorld }

/** Two devices joined by a cable of 10 µs, each set up in its namespace with an address (`10.0.0.1/24`). */
export function join(world: World, a: Netns, aAddress: string, b: Netns, bAddress: string, names = ['eth0', 'eth0']) {
  const number = a.devices.size + b.devices.size * 7 + world.scheduler.pending
  const ends = Veth.pair(world, names[0], mac(number * 2), names[1], mac(number * 2 + 1), { delay: 10 * MICROSECOND })
  for (const [netns, device, address] of [
    [a, ends[0], aAddress],
    [b, ends[1], bAddress],
  ] as const) {
    const [ip, prefix] = address.split('/')
    netns.adopt(device)
    netns.addAddress(device, parseIpv4(ip), Number(prefix))
    netns.setUp(device)
  }
  return ends
}

export function defaultRoute(netns: Netns, gateway: string): void {
  const via = parseIpv4(gateway)
  const device = netns.lookup(via)?.device ?? null
  netns.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway: via, device }))
}

/** What a device sees from now on, as lines. */
export function watch(device: NetDevice): string[] {
  const lines: string[] = []
  device.tap = (frame) => void lines.push(printFrame(frame.bytes, frame.start, frame.end))
  return lines
}

/** An echo request of 56 bytes, as ping sends it. */
export function ping(from: Netns, to: string, sequence = 1, ttl = 64, size = 56, fragment = ipv4.DF) {
  const destination = parseIpv4(to)
  const found = from.lookup(destination)
  const source = found === null ? (0 as Ipv4) : from.sourceFor(found, destination)
  const frame = from.world.frames.take(size + 8)
  frame.end = frame.start + icmp.HEADER + size
  frame.bytes.fill(0x42, frame.start + icmp.HEADER, frame.end)
  icmp.write(frame.bytes, frame.start, frame.end, icmp.ECHO_REQUEST, 0, 77, sequence)
  return from.send(frame, source, destination, ipv4.IPPROTO_ICMP, ttl, 0, 1, fragment)
}
