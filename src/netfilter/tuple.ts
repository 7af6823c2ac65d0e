/**
 * Numbers about tuples (nf_conntrack_tuple): protocol, addresses and ports, one direction of a flow. For ICMP the
 * "source port" is the identifier and the "destination port" is type × 256 + code.
 */
import type { Ipv4 } from '../wire/address.ts'
import { ECHO_REQUEST } from '../wire/icmp.ts'
import { IPPROTO_ICMP } from '../wire/ipv4.ts'

/** Spreads a tuple over 32 bits. */
export function hashOf(
  protocol: number,
  source: Ipv4,
  destination: Ipv4,
  sourcePort: number,
  destinationPort: number,
): number {
  let h = Math.imul(source, 0x9e3779b1) ^ Math.imul(destination, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ ((sourcePort << 16) | destinationPort), 0xc2b2ae35) ^ protocol
  h = Math.imul(h ^ (h >>> 13), 0x27d4eb2f)
  return h ^ (h >>> 16)
}

/** Which ICMP type answers which: echo 8 and 0, timestamp 13 and 14, information 15 and 16, mask 17 and 18; else -1. */
export function inverseIcmpType(type: number): number {
  switch (type) {
    case 8:
      return 0
    case 0:
      return 8
    case 13:
    case 15:
    case 17:
      return type + 1
    case 14:
    case 16:
    case 18:
      return type - 1
    default:
      return -1
  }
}

/** The source port of the turned tuple. An ICMP identifier stays where it is. */
export function turnedSourcePort(protocol: number, sourcePort: number, destinationPort: number): number {
  return protocol === IPPROTO_ICMP ? sourcePort : destinationPort
}

/** The destination port of the turned tuple; for ICMP the answering type. */
export function turnedDestinationPort(protocol: number, sourcePort: number, destinationPort: number): number {
  if (protocol !== IPPROTO_ICMP) return sourcePort
  return (inverseIcmpType(destinationPort >> 8) << 8) | (destinationPort & 255)
}

/** Echo, timestamp, information and address mask requests begin a flow. */
export function isRequest(type: number): boolean {
  return type === ECHO_REQUEST || type === 13 || type === 15 || type === 17
}
