/**
 * The Internet checksum: RFC 1071 to compute it, RFC 1624 to patch it. All sums are one's-complement 16-bit
 * sums in network order; a field holds the complement of the sum.
 */
import type { Ipv4 } from './address.ts'
import { put16, u16 } from './bytes.ts'

/** Adds `length` bytes to an unfolded sum; an odd last byte counts as if a zero followed. */
export function add(sum: number, bytes: Uint8Array, at: number, length: number): number {
  const end = at + length
  let total = sum
  let i = at
  // Eight bytes a step: 1.4 KB takes 0.6 µs instead of 0.9. 64 KiB of 0xffff stays below 2^53 and above 2^31,
  // so the total is kept in 31 bits by folding each step of 8 KiB.
  while (end - i >= 8) {
    const stop = Math.min(end - 7, i + 8192)
    for (; i < stop; i += 8) {
      total +=
        ((bytes[i] + bytes[i + 2] + bytes[i + 4] + bytes[i + 6]) << 8) +
        bytes[i + 1] +
        bytes[i + 3] +
        bytes[i + 5] +
        bytes[i + 7]
    }
    total = (total & 0xffff) + (total >>> 16)
  }
  for (; i + 1 < end; i += 2) total += (bytes[i] << 8) | bytes[i + 1]
  if (i < end) total += bytes[i] << 8
  return total
}

/**
 * As `add`, of bytes that a DataView shows: 1.4 KB takes half the time. The words are added as they lie in memory; a
 * one's-complement sum of swapped bytes is the swapped sum (RFC 1071 section 2 (B)).
 */
export function addView(sum: number, view: DataView, at: number, length: number): number {
  const end = at + length
  const stop = at + (length & ~15)
  let total = 0
  let i = at
  // 64 KiB are 16384 words: each half stays below 2^30.
  for (; i < stop; i += 16) {
    const a = view.getInt32(i, true)
    const b = view.getInt32(i + 4, true)
    const c = view.getInt32(i + 8, true)
    const d = view.getInt32(i + 12, true)
    total +=
      (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16) + (c & 0xffff) + (c >>> 16) + (d & 0xffff) + (d >>> 16)
  }
  const folded = fold(total)
  let rest = sum + (((folded & 0xff) << 8) | (folded >>> 8))
  for (; i + 1 < end; i += 2) rest += view.getUint16(i)
  if (i < end) rest += view.getUint8(i) << 8
  return rest
}

/** Folds a sum to 16 bits. */
export function fold(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16)
  return folded
}

/** The checksum field's value for a sum. */
export function finish(sum: number): number {
  return ~fold(sum) & 0xffff
}

/** The checksum of `length` bytes. */
export function checksum(bytes: Uint8Array, at: number, length: number): number {
  return finish(add(0, bytes, at, length))
}

/** The pseudo-header of TCP and UDP over IPv4 (RFC 9293 section 3.1, RFC 768). */
export function pseudoHeader(source: Ipv4, destination: Ipv4, protocol: number, length: number): number {
  return (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length
}

/** What the sum over a 16-bit field gains when it goes from `before` to `after`: several gains may be added. */
export function gain(before: number, after: number): number {
  return (~before & 0xffff) + after
}

/** Patches the checksum at `at` for what the sum gained (RFC 1624, equation 3). */
export function patch(view: DataView, at: number, gained: number): void {
  view.setUint16(at, ~fold((~view.getUint16(at) & 0xffff) + gained))
}

/** Patches the checksum at `at` for a 16-bit field that went from `before` to `after` (RFC 1624, equation 3). */
export function replace16(bytes: Uint8Array, at: number, before: number, after: number): void {
  put16(bytes, at, ~fold((~u16(bytes, at) & 0xffff) + (~before & 0xffff) + after) & 0xffff)
}

/** Patches the checksum at `at` for a 32-bit field that went from `before` to `after`. */
export function replace32(bytes: Uint8Array, at: number, before: number, after: number): void {
  const sum =
    (~u16(bytes, at) & 0xffff) + (~(before >>> 16) & 0xffff) + (~before & 0xffff) + (after >>> 16) + (after & 0xffff)
  put16(bytes, at, ~fold(sum) & 0xffff)
}
