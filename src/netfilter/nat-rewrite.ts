/**
 * NAT's hands: it changes one address and one port (or ICMP identifier) in place and patches every checksum that
 * covers them (RFC 1624), as nf_nat_proto.c does.
 */
import type { Ipv4 } from '../wire/address.ts'
import { put16, u16 } from '../wire/bytes.ts'
import { replace16, replace32 } from '../wire/checksum.ts'
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
export function rewrite(
  bytes: Uint8Array,
  network: number,
  end: number,
  manip: Manip,
  address: Ipv4,
  port: number,
): void {
  const before = manip === Manip.SOURCE ? ipv4.source(bytes, network) : ipv4.destination(bytes, network)
  if (ipv4.fragmentOffset(bytes, network) === 0) {
    const at = network + ipv4.headerLength(bytes, network)
    rewriteTransport(bytes, at, end, ipv4.protocol(bytes, network), manip, before, address, port)
  }
  if (before === address) return
  if (manip === Manip.SOURCE) ipv4.setSource(bytes, network, address)
  else ipv4.setDestination(bytes, network, address)
}

function rewriteTransport(
  bytes: Uint8Array,
  at: number,
  end: number,
  protocol: number,
  manip: Manip,
  before: Ipv4,
  address: Ipv4,
  port: number,
): void {
  if (end - at < 8) return
  if (protocol === IPPROTO_ICMP) {
    if (port >= 0 && inverseIcmpType(bytes[at]) >= 0) patch16(bytes, at + icmp.IDENTIFIER, port, at + icmp.CHECKSUM)
    return
  }
  let sum = -1
  if (protocol === IPPROTO_TCP) sum = end - at >= tcp.HEADER ? at + tcp.CHECKSUM : -1
  else if (protocol === IPPROTO_UDP) sum = u16(bytes, at + udp.CHECKSUM) !== 0 ? at + udp.CHECKSUM : -1
  else return
  const field = at + (manip === Manip.SOURCE ? udp.SOURCE_PORT : udp.DESTINATION_PORT)
  if (port >= 0) patch16(bytes, field, port, sum)
  if (sum < 0) return
  if (before !== address) replace32(bytes, sum, before, address)
  if (protocol === IPPROTO_UDP && u16(bytes, sum) === 0) put16(bytes, sum, 0xffff)
}

/** `sum` is where the checksum stands; negative when there is none to patch. */
function patch16(bytes: Uint8Array, at: number, value: number, sum: number): void {
  const old = u16(bytes, at)
  if (old === value) return
  put16(bytes, at, value)
  if (sum >= 0) replace16(bytes, sum, old, value)
}
