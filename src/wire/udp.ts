/**
 * UDP (RFC 768):
 *
 *    0             2             4             6             8
 *   ┌─────────────┬─────────────┬─────────────┬─────────────┬──────┐
 *   │ source port │ destination │   length    │  checksum   │ data │
 *   └─────────────┴─────────────┴─────────────┴─────────────┴──────┘
 */
import type { Ipv4 } from './address.ts'
import { put16, u16 } from './bytes.ts'
import { add, finish, fold, pseudoHeader } from './checksum.ts'
import { IPPROTO_UDP } from './ipv4.ts'

export const HEADER = 8
export const SOURCE_PORT = 0
export const DESTINATION_PORT = 2
export const LENGTH = 4
export const CHECKSUM = 6

/** Long enough for its own length field. The checksum is `checksumOk`'s. */
export function valid(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at >= HEADER && length(bytes, at) >= HEADER && length(bytes, at) <= end - at
}

export function sourcePort(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + SOURCE_PORT)
}

export function destinationPort(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + DESTINATION_PORT)
}

/** Header and data together. */
export function length(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + LENGTH)
}

/** RFC 768: zeros say that the sender made none. */
export function clearChecksum(bytes: Uint8Array, at: number): void {
  put16(bytes, at + CHECKSUM, 0)
}

/** A zero field means that the sender made none. */
export function checksumOk(bytes: Uint8Array, at: number, source: Ipv4, destination: Ipv4): boolean {
  if (u16(bytes, at + CHECKSUM) === 0) return true
  const size = length(bytes, at)
  return fold(add(pseudoHeader(source, destination, IPPROTO_UDP, size), bytes, at, size)) === 0xffff
}

/** Writes the header before data that already stands behind it; a computed zero is sent as 0xffff. */
export function write(
  bytes: Uint8Array,
  at: number,
  end: number,
  source: Ipv4,
  destination: Ipv4,
  fromPort: number,
  toPort: number,
): void {
  const payload = add(0, bytes, at + HEADER, end - at - HEADER)
  writeSummed(bytes, at, end, source, destination, fromPort, toPort, payload)
}

/** As `write`, for data whose unfolded sum the caller knows. */
export function writeSummed(
  bytes: Uint8Array,
  at: number,
  end: number,
  source: Ipv4,
  destination: Ipv4,
  fromPort: number,
  toPort: number,
  payload: number,
): void {
  const size = end - at
  put16(bytes, at + SOURCE_PORT, fromPort)
  put16(bytes, at + DESTINATION_PORT, toPort)
  put16(bytes, at + LENGTH, size)
  const header = fromPort + toPort + size
  const sum = finish(pseudoHeader(source, destination, IPPROTO_UDP, size) + header + payload)
  put16(bytes, at + CHECKSUM, sum === 0 ? 0xffff : sum)
}
