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
import { i32, put16, put32, u16, viewOf } from './bytes.ts'
import { add, addView, checksum, finish, fold, gain, patch, replace32 } from './checksum.ts'

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
  return wellFormed(bytes, at, end) && fits(bytes, at, end) && checksumOk(bytes, at)
}

/** Does the packet, as long as it says it is, end there or before? */
function fits(bytes: Uint8Array, at: number, end: number): boolean {
  const total = totalLength(bytes, at)
  return total >= headerLength(bytes, at) && total <= end - at
}

/**
 * As `valid`, of a DataView. Whatever is asked of every packet at every hop has a form that ends in `In`, which reads
 * words: an address is one load then, and not four with three shifts.
 */
export function validIn(view: DataView, at: number, end: number): boolean {
  if (end - at < HEADER) return false
  const first = view.getUint8(at)
  if (first !== 0x45) return first >> 4 === 4 && validOptions(view, at, end)
  const total = view.getUint16(at + TOTAL_LENGTH)
  return total >= HEADER && total <= end - at && fold(fixedSumIn(view, at)) === 0xffff
}

function validOptions(view: DataView, at: number, end: number): boolean {
  const header = (view.getUint8(at) & 15) * 4
  const total = totalLengthIn(view, at)
  if (header < HEADER || total < header || total > end - at) return false
  return fold(addView(0, view, at, header)) === 0xffff
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

/** The sum of the twenty bytes that every header has, of swapped bytes: it is right if the other is (RFC 1071 section 2 (B)). */
function fixedSumIn(view: DataView, at: number): number {
  const a = view.getInt32(at, true)
  const b = view.getInt32(at + 4, true)
  const c = view.getInt32(at + 8, true)
  const d = view.getInt32(at + 12, true)
  const e = view.getInt32(at + 16, true)
  const low = (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff) + (e & 0xffff)
  return low + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16) + (e >>> 16)
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

export function headerLengthIn(view: DataView, at: number): number {
  return (view.getUint8(at) & 15) * 4
}

export function totalLengthIn(view: DataView, at: number): number {
  return view.getUint16(at + TOTAL_LENGTH)
}

/** In bytes. */
export function fragmentOffsetIn(view: DataView, at: number): number {
  return (view.getUint16(at + FRAGMENT) & 0x1fff) * 8
}

/** One piece of several, be it the first. */
export function isFragmentIn(view: DataView, at: number): boolean {
  return (view.getUint16(at + FRAGMENT) & 0x3fff) !== 0
}

export function protocolIn(view: DataView, at: number): number {
  return view.getUint8(at + PROTOCOL)
}

export function sourceIn(view: DataView, at: number): Ipv4 {
  return view.getInt32(at + SOURCE) as Ipv4
}

export function destinationIn(view: DataView, at: number): Ipv4 {
  return view.getInt32(at + DESTINATION) as Ipv4
}

/** One less, with the checksum patched. */
export function decrementTtl(view: DataView, at: number): void {
  const before = view.getUint16(at + TTL)
  view.setUint16(at + TTL, before - 0x100)
  patch(view, at + CHECKSUM, gain(before, before - 0x100))
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
  writeIn(viewOf(bytes), at, total, from, to, proto, timeToLive, service, id, fragment)
}

/** As `write`, into a DataView. */
export function writeIn(
  view: DataView,
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
  const first = 0x4500 | (service & 0xff)
  const length = total & 0xffff
  const number = id & 0xffff
  const middle = ((timeToLive & 0xff) << 8) | (proto & 0xff)
  const addresses = (from >>> 16) + (from & 0xffff) + (to >>> 16) + (to & 0xffff)
  view.setInt32(at, (first << 16) | length)
  view.setInt32(at + IDENTIFICATION, (number << 16) | fragment)
  view.setInt32(at + TTL, (middle << 16) | finish(first + length + number + fragment + middle + addresses))
  view.setInt32(at + SOURCE, from)
  view.setInt32(at + DESTINATION, to)
}
