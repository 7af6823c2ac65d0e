/** Which of several addresses NAT takes: find_best_ips_proto's hash, so that a client keeps its address. */
import type { Ipv4 } from '../wire/address.ts'
import { put32 } from '../wire/bytes.ts'
import { jhash } from './jhash.ts'

/** The union of an IPv4 and an IPv6 address that a tuple keeps: the last three words are zero. And what jhash needs. */
const union = new Uint8Array(16 + 12)

/** The address of low…high for a flow from source to destination; `persistent`: for the source alone. */
export function chooseAddress(low: Ipv4, high: Ipv4, source: Ipv4, destination: Ipv4, persistent: boolean): Ipv4 {
  const size = (high >>> 0) - (low >>> 0) + 1
  if (size <= 1) return low
  put32(union, 0, source)
  // The seed is the address as a little-endian machine reads its four bytes.
  const hash = jhash(union, 16, persistent ? 0 : littleEndian(destination))
  return ((low >>> 0) + Math.floor((hash * size) / 4_294_967_296)) as Ipv4
}

function littleEndian(address: Ipv4): number {
  return (address << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | (address >>> 24)
}
