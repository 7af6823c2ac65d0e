/**
 * NAT's hands: it changes one address and one port (or ICMP identifier) in place and patches every checksum that
 * covers them (RFC 1624), as nf_nat_proto.c does.
 */
import type { Ipv4 } from '../wire/address.ts'
import { gain, patch } from '../wire/checksum.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import { inverseIcmpType } from './tuple.ts'

/** Which half of a packet NAT changes. */
export const Manip = { SOURCE: 0, DESTINATION: 1 } as const
export type Manip = (typeof Manip)[keyof typeof Manip]

/**
 * Writes `address` and `port` (for an ICMP query its identifier) into the packet at `network`. `end` may cut the
 * transport header short, as in the quote of an ICMP error: what is not there is not patched. A port of -1, and
 * the ports of a fragment, stay.
 */
export function rewrite(view: DataView, network: number, end: number, manip: Manip, address: Ipv4, port: number): void {
  const field = network + (manip === Manip.SOURCE ? ipv4.SOURCE : ipv4.DESTINATION)
  const before = view.getInt32(field)
  // The header's checksum covers the address, and so does the transport's, by its pseudo-header.
  const gained = before === address ? 0 : gain(before >>> 16, address >>> 16) + gain(before & 0xffff, address & 0xffff)
  if (ipv4.fragmentOffsetIn(view, network) === 0) {
    const at = network + ipv4.headerLengthIn(view, network)
    if (end - at >= 8) rewriteTransport(view, at, end, ipv4.protocolIn(view, network), manip, gained, port)
  }
  if (before === address) return
  patch(view, network + ipv4.CHECKSUM, gained)
  view.setInt32(field, address)
}

function rewriteTransport(
  view: DataView,
  at: number,
  end: number,
  protocol: number,
  manip: Manip,
  gained: number,
  port: number,
): void {
  if (protocol === IPPROTO_UDP) {
    const sum = at + udp.CHECKSUM
    const unsummed = view.getUint16(sum) === 0
    const more = gained + put(view, at + (manip === Manip.SOURCE ? udp.SOURCE_PORT : udp.DESTINATION_PORT), port)
    if (unsummed || more === 0) return
    patch(view, sum, more)
    if (view.getUint16(sum) === 0) view.setUint16(sum, 0xffff)
  } else if (protocol === IPPROTO_TCP) {
    const more = gained + put(view, at + (manip === Manip.SOURCE ? udp.SOURCE_PORT : udp.DESTINATION_PORT), port)
    if (more !== 0 && end - at >= tcp.HEADER) patch(view, at + tcp.CHECKSUM, more)
  } else if (protocol === IPPROTO_ICMP && inverseIcmpType(view.getUint8(at)) >= 0) {
    const more = put(view, at + icmp.IDENTIFIER, port)
    if (more !== 0) patch(view, at + icmp.CHECKSUM, more)
  }
}

/** Writes a port, unless it is negative, and returns what a sum over it gains. */
function put(view: DataView, at: number, port: number): number {
  if (port < 0) return 0
  const before = view.getUint16(at)
  if (before === port) return 0
  view.setUint16(at, port)
  return gain(before, port)
}
