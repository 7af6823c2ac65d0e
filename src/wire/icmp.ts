/**
 * ICMP (RFC 792):
 *
 *    0      1      2          4          6        8
 *   ┌──────┬──────┬──────────┬──────────┬────────┬──────────────────────┐
 *   │ type │ code │ checksum │ id / 0   │ seq/mtu│ data / quoted packet │
 *   └──────┴──────┴──────────┴──────────┴────────┴──────────────────────┘
 */
import type { Ipv4 } from './address.ts'
import { i32, put16, u16 } from './bytes.ts'
import { add, checksum, fold } from './checksum.ts'

export const HEADER = 8
export const CHECKSUM = 2
export const IDENTIFIER = 4
const SEQUENCE = 6

export const ECHO_REPLY = 0
export const DESTINATION_UNREACHABLE = 3
export const SOURCE_QUENCH = 4
export const REDIRECT = 5
export const ECHO_REQUEST = 8
export const TIME_EXCEEDED = 11
export const PARAMETER_PROBLEM = 12
export const TIMESTAMP = 13
export const TIMESTAMP_REPLY = 14
/** A request and a reply: identifier, sequence number, and three times of 32 bits (originate, receive, transmit). */
export const TIMESTAMP_LENGTH = 20
/** Address masks (RFC 950). */
export const MASK_REQUEST = 17
export const MASK_REPLY = 18
/** The last type of RFC 792 and RFC 950 (NR_ICMP_TYPES). */
export const LAST_TYPE = 18
export const EXTENDED_ECHO = 42
export const EXTENDED_ECHO_REPLY = 43

/** Codes of destination unreachable (RFC 792, RFC 1122, RFC 1812). */
export const NET_UNREACHABLE = 0
export const HOST_UNREACHABLE = 1
export const PROTOCOL_UNREACHABLE = 2
export const PORT_UNREACHABLE = 3
export const FRAGMENTATION_NEEDED = 4
export const HOST_PROHIBITED = 10
export const COMMUNICATION_PROHIBITED = 13

/** Code of a redirect: for this destination alone. */
export const REDIRECT_HOST = 1

/** Of a redirect: the better gateway. */
export function gateway(bytes: Uint8Array, at: number): Ipv4 {
  return i32(bytes, at + IDENTIFIER) as Ipv4
}

export function checksumOk(bytes: Uint8Array, at: number, end: number): boolean {
  return fold(add(0, bytes, at, end - at)) === 0xffff
}

/** Long enough, and the checksum is right. */
export function valid(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= HEADER && checksumOk(bytes, at, end)
}

export function type(bytes: Uint8Array, at: number): number {
  return bytes[at]
}

export function code(bytes: Uint8Array, at: number): number {
  return bytes[at + 1]
}

/** Of an echo. */
export function identifier(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + IDENTIFIER)
}

/** Of an echo. */
export function sequence(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + SEQUENCE)
}

/** Of fragmentation needed (RFC 1191 section 4). */
export function nextHopMtu(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + SEQUENCE)
}

/** The types that report an error and quote a packet: never answered with another error (RFC 1122, 3.2.2). */
export function isError(icmpType: number): boolean {
  return (
    icmpType === DESTINATION_UNREACHABLE ||
    icmpType === REDIRECT ||
    icmpType === TIME_EXCEEDED ||
    icmpType === PARAMETER_PROBLEM ||
    icmpType === SOURCE_QUENCH
  )
}

/** Writes the header of a message whose data already stands behind it, up to `end`, and the checksum of all. */
export function write(
  bytes: Uint8Array,
  at: number,
  end: number,
  icmpType: number,
  icmpCode: number,
  id: number,
  seq: number,
): void {
  bytes[at] = icmpType
  bytes[at + 1] = icmpCode
  put16(bytes, at + CHECKSUM, 0)
  put16(bytes, at + IDENTIFIER, id)
  put16(bytes, at + SEQUENCE, seq)
  put16(bytes, at + CHECKSUM, checksum(bytes, at, end - at))
}
