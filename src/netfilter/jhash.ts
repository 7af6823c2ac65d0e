/** Bob Jenkins's lookup3 as the kernel has it (linux/jhash.h): NAT's choice of an address, and nft's `jhash`. */

const INITIAL = 0xdeadbeef | 0

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function little(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
}

/** The hash of the first `length` bytes, unsigned. There are twelve zeros behind them. */
export function jhash(bytes: Uint8Array, length: number, seed: number): number {
  let left = length
  let a = (INITIAL + left + seed) | 0
  let b = a
  let c = a
  let at = 0
  while (left > 12) {
    a = (a + little(bytes, at)) | 0
    b = (b + little(bytes, at + 4)) | 0
    c = (c + little(bytes, at + 8)) | 0
    a = ((a - c) | 0) ^ rotate(c, 4)
    c = (c + b) | 0
    b = ((b - a) | 0) ^ rotate(a, 6)
    a = (a + c) | 0
    c = ((c - b) | 0) ^ rotate(b, 8)
    b = (b + a) | 0
    a = ((a - c) | 0) ^ rotate(c, 16)
    c = (c + b) | 0
    b = ((b - a) | 0) ^ rotate(a, 19)
    a = (a + c) | 0
    c = ((c - b) | 0) ^ rotate(b, 4)
    b = (b + a) | 0
    left -= 12
    at += 12
  }
  if (left > 0) {
    a = (a + little(bytes, at)) | 0
    b = (b + little(bytes, at + 4)) | 0
    c = (c + little(bytes, at + 8)) | 0
    c = ((c ^ b) - rotate(b, 14)) | 0
    a = ((a ^ c) - rotate(c, 11)) | 0
    b = ((b ^ a) - rotate(a, 25)) | 0
    c = ((c ^ b) - rotate(b, 16)) | 0
    a = ((a ^ c) - rotate(c, 4)) | 0
    b = ((b ^ a) - rotate(a, 14)) | 0
    c = ((c ^ b) - rotate(b, 24)) | 0
  }
  return c >>> 0
}
