/** The options in EDNS's pseudo-record (RFC 6891 section 6.1.2) as tcpdump prints them. */
import { formatIpv4, type Ipv4 } from './address.ts'
import { i32 } from './bytes.ts'
import { formatIpv6, hex, type PacketText } from './print-text.ts'

const SUBNET = 8

const names = new Map<number, string>([
  [1, 'LLQ'],
  [2, 'UL'],
  [3, 'NSID'],
  [5, 'DAU'],
  [6, 'DHU'],
  [7, 'N3U'],
  [8, 'ECS'],
  [9, 'EXPIRE'],
  [10, 'COOKIE'],
  [11, 'KEEPALIVE'],
  [12, 'PADDING'],
  [13, 'CHAIN'],
  [14, 'KEY-TAG'],
  [16, 'CLIENT-TAG'],
  [17, 'SERVER-TAG'],
])

export function printEdns(out: PacketText, at: number, end: number): void {
  out.text += ' ['
  for (let option = at; option < end; ) {
    if (option > at) out.text += ','
    const code = out.u16(option)
    const length = out.u16(option + 2)
    out.text += names.get(code) ?? `Opt${code}`
    if (length > 0) out.text += ' '
    if (code === SUBNET && length >= 4) out.text += subnetText(out, option + 4, option + 4 + length)
    else for (let i = 0; i < length; i++) out.text += hex(out.u8(option + 4 + i), 2)
    option += 4 + length
  }
  out.text += ']'
}

/** RFC 7871: as much of an address as counts, its length, and the answer's. */
function subnetText(out: PacketText, at: number, end: number): string {
  out.need(at, end - at)
  const family = out.u16(at)
  const address = new Uint8Array(16)
  address.set(out.bytes.subarray(at + 4, Math.min(end, at + 20)))
  const text = family === 1 ? formatIpv4(i32(address, 0) as Ipv4) : formatIpv6(address, 0)
  return `${text}/${out.u8(at + 2)}/${out.u8(at + 3)}`
}
