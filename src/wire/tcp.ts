/**
 * TCP (RFC 9293 section 3.1):
 *
 *    0             2             4                           8
 *   ┌─────────────┬─────────────┬───────────────────────────┐
 *   │ source port │ destination │      sequence number      │
 *   ├─────────────┴─────────────┼────┬────┬─────────────────┤
 *   │   acknowledgment number   │off │flag│     window      │ 8..16
 *   ├─────────────┬─────────────┼────┴────┴─────────────────┘
 *   │  checksum   │   urgent    │ 16..20, then options up to 4 × off
 *   └─────────────┴─────────────┘
 */
import type { Ipv4 } from './address.ts'
import { i32, put16, put32, u16 } from './bytes.ts'
import { add, finish, fold, pseudoHeader } from './checksum.ts'
import { IPPROTO_TCP } from './ipv4.ts'

/** Bytes without options. */
export const HEADER = 20
export const SOURCE_PORT = 0
export const DESTINATION_PORT = 2
const SEQUENCE = 4
const ACKNOWLEDGMENT = 8
const OFFSET = 12
const FLAGS = 13
const WINDOW = 14
export const CHECKSUM = 16
const URGENT = 18

export const FIN = 1
export const SYN = 2
export const RST = 4
export const PSH = 8
export const ACK = 16
export const URG = 32
export const ECE = 64
export const CWR = 128

/** Option kinds (IANA). */
export const OPTION_END = 0
export const OPTION_NOP = 1
export const OPTION_MSS = 2
export const OPTION_WINDOW_SCALE = 3
export const OPTION_SACK_PERMITTED = 4
export const OPTION_SACK = 5
export const OPTION_TIMESTAMPS = 8

/** Long enough, with a data offset inside it. The checksum is `checksumOk`'s. */
export function valid(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < HEADER) return false
  const header = headerLength(bytes, at)
  return header >= HEADER && header <= end - at
}

export function sourcePort(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + SOURCE_PORT)
}

export function destinationPort(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + DESTINATION_PORT)
}

/** Signed: compare sequence numbers only with `before` and `after`. */
export function sequence(bytes: Uint8Array, at: number): number {
  return i32(bytes, at + SEQUENCE)
}

/** Signed, as `sequence`. */
export function acknowledgment(bytes: Uint8Array, at: number): number {
  return i32(bytes, at + ACKNOWLEDGMENT)
}

/** Header with options, in bytes. */
export function headerLength(bytes: Uint8Array, at: number): number {
  return (bytes[at + OFFSET] >> 4) * 4
}

export function flags(bytes: Uint8Array, at: number): number {
  return bytes[at + FLAGS]
}

/** As it stands in the segment: not yet scaled. */
export function window(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + WINDOW)
}

export function urgent(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + URGENT)
}

/** `end` is the segment's end: the length is in no field of TCP. */
export function checksumOk(bytes: Uint8Array, at: number, end: number, source: Ipv4, destination: Ipv4): boolean {
  const size = end - at
  return fold(add(pseudoHeader(source, destination, IPPROTO_TCP, size), bytes, at, size)) === 0xffff
}

/** Writes the fixed header; options and data already stand behind it, up to `end`. `header` counts the options. */
export function write(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: number,
  source: Ipv4,
  destination: Ipv4,
  fromPort: number,
  toPort: number,
  seq: number,
  ack: number,
  flagBits: number,
  windowField: number,
): void {
  const payload = add(0, bytes, at + header, end - at - header)
  writeSummed(bytes, at, end, header, source, destination, fromPort, toPort, seq, ack, flagBits, windowField, payload)
}

/** As `write`, for data whose unfolded sum the caller knows. */
export function writeSummed(
  bytes: Uint8Array,
  at: number,
  end: number,
  header: number,
  source: Ipv4,
  destination: Ipv4,
  fromPort: number,
  toPort: number,
  seq: number,
  ack: number,
  flagBits: number,
  windowField: number,
  payload: number,
): void {
  put16(bytes, at + SOURCE_PORT, fromPort)
  put16(bytes, at + DESTINATION_PORT, toPort)
  put32(bytes, at + SEQUENCE, seq)
  put32(bytes, at + ACKNOWLEDGMENT, ack)
  bytes[at + OFFSET] = (header / 4) << 4
  bytes[at + FLAGS] = flagBits
  put16(bytes, at + WINDOW, windowField)
  put16(bytes, at + CHECKSUM, 0)
  put16(bytes, at + URGENT, 0)
  const pseudo = pseudoHeader(source, destination, IPPROTO_TCP, end - at)
  put16(bytes, at + CHECKSUM, finish(add(pseudo + payload, bytes, at, header)))
}

/** Sets URG and the urgent pointer of a segment that was written; 0 sets none. */
export function urge(bytes: Uint8Array, at: number, end: number, source: Ipv4, destination: Ipv4, to: number): void {
  if (to === 0) return
  bytes[at + FLAGS] |= URG
  put16(bytes, at + URGENT, to)
  put16(bytes, at + CHECKSUM, 0)
  const size = end - at
  put16(bytes, at + CHECKSUM, finish(add(pseudoHeader(source, destination, IPPROTO_TCP, size), bytes, at, size)))
}

/** Sequence arithmetic (RFC 9293 section 3.4): is `a` before `b` on the circle of 2^32? */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

/** Is `a` after `b`? */
export function after(a: number, b: number): boolean {
  return ((b - a) | 0) < 0
}
