/**
 * The IPv4 header (RFC 791 section 3.1):
 *
 *    0       1       2               4               6
 *   ┌───┬───┬───────┬───────────────┬───────────────┬───┬───────────┐
 *   │ 4 │ihl│  tos  │ total length  │ identification│flg│ offset    │
 *   ├───┴───┼───────┼───────────────┼───────────────┴───┴───────────┤
 *   │  ttl  │ proto │   checksum    │            source             │ 8..16
 *   ├───────┴───────┴───────────────┼───────────────────────────────┘
 *   │          destination          │ 16..20, then options up to 4 × ihl
 *   └───────────────────────────────┘
 */
import type { Ipv4 } from './address.ts'
import { i32, put16, put32, u16 } from './bytes.ts'
import { add, checksum, finish, fold, replace16, replace32 } from './checksum.ts'

/** Bytes without options. */
export const HEADER = 20
export const DEFAULT_TTL = 64
export const SOURCE = 12
export const DESTINATION = 16
const TOS = 1
export const TOTAL_LENGTH = 2
export const IDENTIFICATION = 4
export const FRAGMENT = 6
export const TTL = 8
const PROTOCOL = 9
export const CHECKSUM = 10

/** Protocol numbers (IANA), as in.h names them. */
export const IPPROTO_ICMP = 1
export const IPPROTO_TCP = 6
export const IPPROTO_UDP = 17

/** Don't fragment, in the 16-bit flags-and-offset field. */
export const DF = 0x4000
/** More fragments. */
export const MF = 0x2000

/** Version, header length, total length and header checksum are right. */
export function valid(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < HEADER || bytes[at] >> 4 !== 4) return false
  const header = headerLength(bytes, at)
  const total = totalLength(bytes, at)
  if (header < HEADER || total < header || total > end - at) return false
  const sum = fixedSum(bytes, at)
  return fold(header === HEADER ? sum : add(sum, bytes, at + HEADER, header - HEADER)) === 0xffff
}

/** Is it IPv4, with a header that is all there? Only what is not `valid` need be asked. */
export function wellFormed(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < HEADER || bytes[at] >> 4 !== 4) return false
  const header = headerLength(bytes, at)
  return header >= HEADER && header <= end - at
}

/** The checksum of a well-formed header. */
export function checksumOk(bytes: Uint8Array, at: number): boolean {
  return fold(add(0, bytes, at, headerLength(bytes, at))) === 0xffff
}

/** The sum of the twenty bytes that every header has, written out: it is taken at every hop. */
function fixedSum(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] +
      bytes[at + 2] +
      bytes[at + 4] +
      bytes[at + 6] +
      bytes[at + 8] +
      bytes[at + 10] +
      bytes[at + 12] +
      bytes[at + 14] +
      bytes[at + 16] +
      bytes[at + 18]) <<
      8) +
    bytes[at + 1] +
    bytes[at + 3] +
    bytes[at + 5] +
    bytes[at + 7] +
    bytes[at + 9] +
    bytes[at + 11] +
    bytes[at + 13] +
    bytes[at + 15] +
    bytes[at + 17] +
    bytes[at + 19]
  )
}

export function headerLength(bytes: Uint8Array, at: number): number {
  return (bytes[at] & 15) * 4
}

export function tos(bytes: Uint8Array, at: number): number {
  return bytes[at + TOS]
}

export function totalLength(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + TOTAL_LENGTH)
}

export function identification(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + IDENTIFICATION)
}

/** Flags and offset together: `DF`, `MF`, and the offset in units of eight bytes in the low 13 bits. */
export function fragmentField(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + FRAGMENT)
}

export function isFragment(bytes: Uint8Array, at: number): boolean {
  return (u16(bytes, at + FRAGMENT) & 0x3fff) !== 0
}

/** In bytes. */
export function fragmentOffset(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at + FRAGMENT) & 0x1fff) * 8
}

export function dontFragment(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + FRAGMENT] & 0x40) !== 0
}

export function ttl(bytes: Uint8Array, at: number): number {
  return bytes[at + TTL]
}

export function protocol(bytes: Uint8Array, at: number): number {
  return bytes[at + PROTOCOL]
}

export function source(bytes: Uint8Array, at: number): Ipv4 {
  return i32(bytes, at + SOURCE) as Ipv4
}

export function destination(bytes: Uint8Array, at: number): Ipv4 {
  return i32(bytes, at + DESTINATION) as Ipv4
}

/** One less, with the checksum patched. */
export function decrementTtl(bytes: Uint8Array, at: number): void {
  const before = u16(bytes, at + TTL)
  put16(bytes, at + TTL, before - 0x100)
  replace16(bytes, at + CHECKSUM, before, before - 0x100)
}

/** With the header checksum patched; the transport's checksum is the caller's. */
export function setSource(bytes: Uint8Array, at: number, address: Ipv4): void {
  replace32(bytes, at + CHECKSUM, i32(bytes, at + SOURCE), address)
  put32(bytes, at + SOURCE, address)
}

/** With the header checksum patched; the transport's checksum is the caller's. */
export function setDestination(bytes: Uint8Array, at: number, address: Ipv4): void {
  replace32(bytes, at + CHECKSUM, i32(bytes, at + DESTINATION), address)
  put32(bytes, at + DESTINATION, address)
}

/** With the header checksum recomputed. */
export function setLengthAndFragment(bytes: Uint8Array, at: number, total: number, fragment: number): void {
  put16(bytes, at + TOTAL_LENGTH, total)
  put16(bytes, at + FRAGMENT, fragment)
  put16(bytes, at + CHECKSUM, 0)
  put16(bytes, at + CHECKSUM, checksum(bytes, at, headerLength(bytes, at)))
}

/** A header without options. `fragment` is `DF`, 0, or an offset in units of eight bytes with or without `MF`. */
export function write(
  bytes: Uint8Array,
  at: number,
  total: number,
  from: Ipv4,
  to: Ipv4,
  proto: number,
  timeToLive: number,
  service: number,
  id: number,
  fragment: number,
): void {
  bytes[at] = 0x45
  bytes[at + TOS] = service
  put16(bytes, at + TOTAL_LENGTH, total)
  put16(bytes, at + IDENTIFICATION, id)
  put16(bytes, at + FRAGMENT, fragment)
  bytes[at + TTL] = timeToLive
  bytes[at + PROTOCOL] = proto
  put16(bytes, at + CHECKSUM, 0)
  put32(bytes, at + SOURCE, from)
  put32(bytes, at + DESTINATION, to)
  put16(bytes, at + CHECKSUM, finish(fixedSum(bytes, at)))
}
