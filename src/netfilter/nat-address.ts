/** Which of several addresses NAT takes: find_best_ips_proto's hash, so that a client keeps its address. */
import type { Ipv4 } from '../wire/address.ts'

const INITIAL = 0xdeadbeef

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** An address as a little-endian machine reads its four bytes. */
function swapped(address: number): number {
  return (address << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | (address >>> 24)
}

/**
 * Bob Jenkins's lookup3 over four words of which the last three are zero: the union of an IPv4 and an IPv6 address
 * that a tuple keeps (jhash2 in linux/jhash.h).
 */
function hashOfWords(word: number, initial: number): number {
  let a = (INITIAL + 16 + initial + word) | 0
  let b = (INITIAL + 16 + initial) | 0
  let c = b
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
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  return ((c ^ b) - rotate(b, 24)) >>> 0
}

/** The address of low…high for a flow from source to destination; `persistent`: for the source alone. */
export function chooseAddress(low: Ipv4, high: Ipv4, source: Ipv4, destination: Ipv4, persistent: boolean): Ipv4 {
  const size = (high >>> 0) - (low >>> 0) + 1
  if (size <= 1) return low
  const hash = hashOfWords(swapped(source), persistent ? 0 : swapped(destination))
  return ((low >>> 0) + Math.floor((hash * size) / 4_294_967_296)) as Ipv4
}
