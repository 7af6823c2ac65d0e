/** What a packet's source address may be on the device it came in by (fib_validate_source of net/ipv4/fib_frontend.c). */
import type { NetDevice } from '../link/device.ts'
import { ANY, type Ipv4, isLoopback, LOOPBACK } from '../wire/address.ts'
import type { InetDevice } from './inet-device.ts'
import type { Namespace } from './namespace.ts'

export const SourceIs = {
  FINE: 0,
  /** One of our own addresses, or a broadcast. */
  OURS: 1,
  /** Answers would leave by another device (RFC 3704, rp_filter). */
  ELSEWHERE: 2,
} as const
export type SourceIs = (typeof SourceIs)[keyof typeof SourceIs]

/** `mark` and `tos` are the packet's. */
export function validateSource(
  netns: Namespace,
  inet: InetDevice,
  source: Ipv4,
  destination: Ipv4,
  mark: number,
  tos: number,
): SourceIs {
  const { device, rpFilter } = inet
  if (device === netns.loopback || source === ANY) return SourceIs.FINE
  if (rpFilter === 0) {
    const own = isLoopback(source) ? source === LOOPBACK : netns.isLocal(source)
    return own && !inet.acceptLocal ? SourceIs.OURS : SourceIs.FINE
  }
  const back = netns.fib.reverse(source, destination, inet.srcValidMark ? mark : 0, tos)
  if (back?.type === 'broadcast' || (back?.type === 'local' && !inet.acceptLocal)) return SourceIs.OURS
  if (back === null || (back.type !== 'unicast' && back.type !== 'local')) return SourceIs.ELSEWHERE
  // Strict wants this very device; loose is content with any way there is.
  const here = rpFilter === 2 || back.device === device || back.multipath?.uses(device) === true
  return here ? SourceIs.FINE : SourceIs.ELSEWHERE
}

/** rpfilter_lookup_reverse: is there a way back by this device, or `loose` by any? `own`: our own addresses are good. */
export function answersBy(
  { fib, loopback }: Namespace,
  source: Ipv4,
  destination: Ipv4,
  by: NetDevice,
  mark: number,
  tos: number,
  loose: boolean,
  own: boolean,
): boolean {
  if (by === loopback) return true
  const back = fib.reverse(source, destination, mark, tos)
  if (back === null || (back.type !== 'unicast' && !(back.type === 'local' && own))) return false
  return loose || back.device === by || back.multipath?.uses(by) === true
}
