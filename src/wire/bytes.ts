/**
 * Big-endian integers in raw bytes ("network order"): the one file that does byte arithmetic.
 * Nothing here checks bounds: each protocol's `valid` does that once, at its layer's door.
 */

export function u8(bytes: Uint8Array, at: number): number {
  return bytes[at]
}

export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

/** Signed, so that V8 keeps it as a small integer: compare with other signed values, or use `>>> 0` to print. */
export function i32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** The same bytes by words. Frames have theirs: what is asked of every frame reads that. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
