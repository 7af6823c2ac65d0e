/** Packets with addresses that cannot be true (net/ipv4/route.c), and what the kernel's log says of them: log_martians. */
import type { NetDevice } from '../link/device.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { type KernelLog, LogLevel } from '../link/kernel-log.ts'
import { ANY, BROADCAST, formatIpv4, type Ipv4, isLoopback, isMulticast } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { InetDevice } from './inet-device.ts'

/** What makes an address a martian's. */
export const Martian = {
  NONE: 0,
  SOURCE: 1,
  DESTINATION: 2,
  LOOPBACK_SOURCE: 3,
  LOOPBACK_DESTINATION: 4,
  /** The source is our own. */
  OURS: 5,
  /** Answers would leave by another device (rp_filter). */
  ELSEWHERE: 6,
} as const
export type Martian = (typeof Martian)[keyof typeof Martian]

/** What no route is asked about (ip_route_input_slow). */
export function martian(source: Ipv4, destination: Ipv4, inet: InetDevice): Martian {
  if (isMulticast(source) || source === BROADCAST) return Martian.SOURCE
  if (destination === BROADCAST) return Martian.NONE
  if (source === ANY) return destination === ANY ? Martian.NONE : Martian.SOURCE
  if (destination === ANY) return Martian.DESTINATION
  if (inet.routeLocalnet) return Martian.NONE
  if (isLoopback(destination)) return Martian.LOOPBACK_DESTINATION
  return isLoopback(source) ? Martian.LOOPBACK_SOURCE : Martian.NONE
}

export function martianReason(which: Martian): DropReason {
  switch (which) {
    case Martian.DESTINATION:
      return DropReason.MartianDestination
    case Martian.LOOPBACK_SOURCE:
      return DropReason.LoopbackSource
    case Martian.LOOPBACK_DESTINATION:
      return DropReason.LoopbackDestination
    case Martian.OURS:
      return DropReason.OwnSource
    case Martian.ELSEWHERE:
      return DropReason.ReversePath
    default:
      return DropReason.MartianSource
  }
}

/** ip_handle_martian_source, and what ip_route_input_slow says of destinations. The frame is lent. */
export function logMartian(log: KernelLog, frame: Frame, device: NetDevice, which: Martian): void {
  if (!log.allows()) return
  const { bytes, network } = frame
  const from = formatIpv4(ipv4.source(bytes, network))
  const to = formatIpv4(ipv4.destination(bytes, network))
  if (which === Martian.DESTINATION || which === Martian.LOOPBACK_DESTINATION) {
    return log.print(LogLevel.WARNING, `IPv4: martian destination ${to} from ${from}, dev ${device.name}`)
  }
  log.print(LogLevel.WARNING, `IPv4: martian source ${to} from ${from}, on dev ${device.name}`)
  const header: string[] = []
  for (let at = network - ethernet.HEADER; at < network; at++) header.push(bytes[at].toString(16).padStart(2, '0'))
  log.print(LogLevel.WARNING, `ll header: 00000000: ${header.join(' ')}`)
}
