/** Where a socket's datagrams would go: the answer of ip_route_output_key for connect(2) and sendto(2). */
import type { Errno } from '../net/errno.ts'
import type { Netns } from '../net/netns.ts'
import { ANY, BROADCAST, type Ipv4, LOOPBACK } from '../wire/address.ts'
import * as icmp from '../wire/icmp.ts'
import { IPPROTO_TCP } from '../wire/ipv4.ts'

/** 0.0.0.0 as a destination means this host. */
export function realDestination(destination: Ipv4): Ipv4 {
  return destination === ANY ? LOOPBACK : destination
}

/** Null when there is a way; otherwise what the call returns. What is said to all leaves where the source address is. */
export function routeError(netns: Netns, destination: Ipv4, source: Ipv4 = ANY): Errno | null {
  if (destination === BROADCAST && source !== ANY) return null
  const route = netns.lookup(destination)
  if (route === null) return 'ENETUNREACH'
  if (route.type === 'unreachable') return 'EHOSTUNREACH'
  if (route.type === 'prohibit') return 'EACCES'
  if (route.type === 'blackhole') return 'EINVAL'
  return null
}

/** Is that everybody on a network? Without SO_BROADCAST it may not be sent to. */
export function isBroadcast(netns: Netns, destination: Ipv4): boolean {
  return destination === BROADCAST || netns.lookup(destination)?.type === 'broadcast'
}

/** The address that our packets of this flow carry, see Fib.lookup; ANY when there is no way. */
export function sourceTo(
  netns: Netns,
  destination: Ipv4,
  protocol: number,
  sourcePort: number,
  destinationPort: number,
): Ipv4 {
  const route = netns.lookup(destination, ANY, protocol, sourcePort, destinationPort)
  return route === null ? ANY : netns.sourceFor(route, destination)
}

/** An IPv4 packet is never larger, even where lo's MTU is 65536 (IPV4_MAX_PMTU). */
export const LARGEST_PACKET = 65_535

/** How large a segment's packet may be on its way. */
export function pathMtu(netns: Netns, to: Ipv4, from: Ipv4, toPort: number, fromPort: number): number {
  return Math.min(netns.mtuTo(to, from, IPPROTO_TCP, fromPort, toPort), LARGEST_PACKET)
}

/** Is that fixed, by `mtu lock` or because the path is narrower than min_pmtu? Then packets go without DF (ip_mtu_locked). */
export function pathLocked(netns: Netns, to: Ipv4, from: Ipv4, toPort: number, fromPort: number): boolean {
  const found = netns.lookup(to, from, IPPROTO_TCP, fromPort, toPort)
  return found !== null && (found.mtuLocked || netns.exceptions.get(to)?.mtuLocked === true)
}

// icmp_err_convert of net/ipv4/icmp.c, by code of destination unreachable. EHOSTDOWN and ENONET (7 and 8), which
// no router sends any more, are reported as EHOSTUNREACH.
const errnos: readonly Errno[] = [
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENOPROTOOPT',
  'ECONNREFUSED',
  'EMSGSIZE',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
  'EHOSTUNREACH',
]
const fatal = 0b1110_0111_1100_1100

/** The errno that an ICMP error means. */
export function errnoOf(type: number, code: number): Errno {
  if (type === icmp.PARAMETER_PROBLEM) return 'EPROTO'
  if (type !== icmp.DESTINATION_UNREACHABLE) return 'EHOSTUNREACH'
  return errnos[code] ?? 'EHOSTUNREACH'
}

/** Is it a hard error, which even a socket without IP_RECVERR is told of? */
export function isFatal(type: number, code: number): boolean {
  if (type === icmp.PARAMETER_PROBLEM) return true
  return type === icmp.DESTINATION_UNREACHABLE && code < 16 && ((fatal >> code) & 1) === 1
}
