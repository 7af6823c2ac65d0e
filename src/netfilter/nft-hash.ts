/** `jhash` and `symhash`: one of several by what a flow is (nft_hash.c). */
import { jhash } from './jhash.ts'
import type { HashStep } from './nft-program.ts'
import type { Packet } from './packet.ts'

/** A key has at most 64 bytes. */
const bytes = new Uint8Array(80)

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

/** `jhash`: what the parts hash to. */
export function hashOfParts(registers: Int32Array, step: HashStep): number {
  const length = lay(registers, step)
  bytes.fill(0, length, length + 12)
  return scale(jhash(bytes, length, step.seed), step.modulus) + step.offset
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
