/** What is wrong with a packet or its route, and what the sender, the counters and a program are told of it. */
import { DropReason } from '../link/frame.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { Errno } from './errno.ts'
import type { Route } from './route.ts'

/** What is wrong with a header that is not valid, in the order of ip_rcv_core. */
export function headerFault(bytes: Uint8Array, at: number, end: number): DropReason {
  if (!ipv4.wellFormed(bytes, at, end)) return DropReason.IpHeader
  if (!ipv4.checksumOk(bytes, at)) return DropReason.IpChecksum
  return ipv4.totalLength(bytes, at) > end - at ? DropReason.IpTruncated : DropReason.IpHeader
}

export function unroutableReason(found: Route | null): DropReason {
  if (found?.type === 'unreachable') return DropReason.Unreachable
  return found?.type === 'prohibit' ? DropReason.Prohibited : DropReason.NoRoute
}

/** The errno of sending by a route that sends nothing; null when it does send. */
export function refusal(found: Route): Errno | null {
  if (found.type === 'blackhole') return 'EINVAL'
  if (found.type === 'unreachable') return 'EHOSTUNREACH'
  if (found.type === 'prohibit') return 'EACCES'
  return null
}

export function unreachableCode(found: Route | null): number {
  if (found?.type === 'unreachable') return icmp.HOST_UNREACHABLE
  if (found?.type === 'prohibit') return icmp.COMMUNICATION_PROHIBITED
  return icmp.NET_UNREACHABLE
}
