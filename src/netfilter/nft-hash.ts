/** `jhash` and `symhash`: one of several by what a flow is (nft_hash.c, linux/jhash.h). */
import type { HashStep } from './nft-program.ts'
import type { Packet } from './packet.ts'

const INITIAL = 0xdeadbeef | 0
/** A key has at most 64 bytes. */
const bytes = new Uint8Array(80)

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function little(at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
}

/** Writes the parts as the kernel's registers hold them, and says how many bytes that are. */
function lay(registers: Int32Array, { parts }: HashStep): number {
  let length = 0
  let last = 0
  for (let p = 0; p < parts.length; p++) {
    const { at, bytes: size, host } = parts[p]
    for (let i = 0; i < size; i++) {
      const word = registers[at + (i >> 2)]
      const inWord = Math.min(4, size - (i & ~3))
      const place = i & 3
      bytes[length + i] = host ? word >>> (8 * place) : word >>> (8 * (inWord - 1 - place))
    }
    const padded = (size + 3) & ~3
    for (let i = size; i < padded; i++) bytes[length + i] = 0
    last = length + size
    length += padded
  }
  return parts.length === 1 ? last : length
}

function scale(hash: number, modulus: number): number {
  return Math.floor(((hash >>> 0) * modulus) / 4_294_967_296)
}

export function jhash(registers: Int32Array, step: HashStep): number {
  let length = lay(registers, step)
  for (let i = length; i < length + 12 && i < bytes.length; i++) bytes[i] = 0
  let a = (INITIAL + length + step.seed) | 0
  let b = a
  let c = a
  let at = 0
  while (length > 12) {
    a = (a + little(at)) | 0
    b = (b + little(at + 4)) | 0
    c = (c + little(at + 8)) | 0
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
    length -= 12
    at += 12
  }
  if (length > 0) {
    a = (a + little(at)) | 0
    b = (b + little(at + 4)) | 0
    c = (c + little(at + 8)) | 0
    c = ((c ^ b) - rotate(b, 14)) | 0
    a = ((a ^ c) - rotate(c, 11)) | 0
    b = ((b ^ a) - rotate(a, 25)) | 0
    c = ((c ^ b) - rotate(b, 16)) | 0
    a = ((a ^ c) - rotate(c, 4)) | 0
    b = ((b ^ a) - rotate(a, 14)) | 0
    c = ((c ^ b) - rotate(b, 24)) | 0
  }
  return scale(c, step.modulus) + step.offset
}

/** The same for both directions of a flow; which number a flow gets depends on the kernel's secret, and here on none. */
export function symhash(
  { source, destination, bytes: data, transport, end, fragment, protocol }: Packet,
  step: HashStep,
): number {
  let ports = 0
  if (!fragment && end - transport >= 4) {
    ports = ((data[transport] << 8) | data[transport + 1]) ^ ((data[transport + 2] << 8) | data[transport + 3])
  }
  let hash = Math.imul((source ^ destination) + (ports << 8) + protocol, 0x9e3779b1)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  return scale(hash ^ (hash >>> 13), step.modulus) + step.offset
}
