/** Checksums of a captured frame computed anew, where the frame is whole: IPv4's, and TCP's, UDP's and ICMP's in it. */
import type { Ipv4 } from '../wire/address.ts'
import { i32, put16, u16 } from '../wire/bytes.ts'
import { add, checksum, finish, pseudoHeader } from '../wire/checksum.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Headers } from '../wire/headers.ts'
import * as ipv4 from '../wire/ipv4.ts'

/** Where each protocol has its checksum. */
const places = new Map<number, number>([
  [ipv4.IPPROTO_ICMP, 2],
  [ipv4.IPPROTO_TCP, 16],
  [ipv4.IPPROTO_UDP, 6],
])

/** The Ethernet frame stands at 0 and is `length` bytes long. */
export function fixSums(bytes: Uint8Array, { ip, vlans }: Headers, length: number): void {
  if (ip === null || ip.version !== 4) return
  const at = ethernet.HEADER + vlans.length * ethernet.TAG
  const header = (bytes[at] & 15) * 4
  const total = u16(bytes, at + 2)
  if (header < ipv4.HEADER || total < header || at + total > length) return
  put16(bytes, at + ipv4.CHECKSUM, 0)
  put16(bytes, at + ipv4.CHECKSUM, checksum(bytes, at, header))
  const place = places.get(ip.protocol)
  const size = total - header
  if (place === undefined || size < place + 2 || ip.moreFragments || ip.fragmentOffset > 0) return
  const field = at + header + place
  // A UDP datagram may do without.
  if (ip.protocol === ipv4.IPPROTO_UDP && u16(bytes, field) === 0) return
  put16(bytes, field, 0)
  const source = i32(bytes, at + ipv4.SOURCE) as Ipv4
  const destination = i32(bytes, at + ipv4.DESTINATION) as Ipv4
  const pseudo = ip.protocol === ipv4.IPPROTO_ICMP ? 0 : pseudoHeader(source, destination, ip.protocol, size)
  const sum = finish(add(pseudo, bytes, at + header, size))
  put16(bytes, field, sum === 0 && ip.protocol === ipv4.IPPROTO_UDP ? 0xffff : sum)
}
