/** BOOTP and DHCP (RFC 951, RFC 2131) as tcpdump prints them. */
import { printDhcpOptions } from './print-dhcp-options.ts'
import { hex, type PacketText, visible } from './print-text.ts'

const CLIENT = 28
const SNAME = 44
const FILE = 108
const VENDOR = 236
/** In front of the options of RFC 1048 and its successors. */
const COOKIE = 0x63825363

const operations = new Map([
  [1, 'Request'],
  [2, 'Reply'],
])

export function printDhcp(out: PacketText, at: number, length: number): void {
  out.protocol = 'bootp'
  out.text += 'BOOTP/DHCP, '
  const operation = out.u8(at)
  out.text += operations.get(operation) ?? `unknown (0x${hex(operation, 2)})`
  if (operation === 1) {
    const ethernet = out.u8(at + 1) === 1 && out.u8(at + 2) === 6
    if (ethernet) out.text += ` from ${out.mac(at + CLIENT)}`
  }
  out.text += `, length ${length}`
  if (out.verbose === 0) return
  out.need(at, SNAME)
  printFields(out, at)
  printText(out, 'sname', at + SNAME, 64)
  printText(out, 'file', at + FILE, 128)
  const cookie = out.u32(at + VENDOR)
  if (cookie === COOKIE) {
    out.text += `\n\t  Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x${hex(cookie, 8)}`
    printDhcpOptions(out, at + VENDOR + 4)
  } else if (cookie !== 0) out.text += `\n\t  Vendor-#0x${hex(cookie, 8)}`
}

function printFields(out: PacketText, at: number): void {
  const [type, size, hops] = [out.u8(at + 1), out.u8(at + 2), out.u8(at + 3)]
  if (type !== 1) out.text += `, htype ${type}`
  if (size !== 6) out.text += `, hlen ${size}`
  if (hops !== 0) out.text += `, hops ${hops}`
  const transaction = out.u32(at + 4)
  if (transaction !== 0) out.text += `, xid 0x${transaction.toString(16)}`
  const seconds = out.u16(at + 8)
  if (seconds !== 0) out.text += `, secs ${seconds}`
  const flags = out.u16(at + 10)
  out.text += `, Flags [${flags & 0x8000 ? 'Broadcast' : 'none'}]`
  if (out.verbose > 1) out.text += ` (0x${hex(flags, 4)})`
  const addresses = ['Client', 'Your', 'Server', 'Gateway']
  addresses.forEach((name, i) => {
    const place = at + 12 + i * 4
    if (out.u32(place) !== 0) out.text += `\n\t  ${name}-IP ${out.address(place)}`
  })
  if (type === 1 && size === 6) out.text += `\n\t  Client-Ethernet-Address ${out.mac(at + CLIENT)}`
}

function printText(out: PacketText, name: string, at: number, room: number): void {
  out.need(at, 1)
  if (out.u8(at) === 0) return
  let end = at
  while (end < at + room && out.u8(end) !== 0) end++
  out.text += `\n\t  ${name} "${visible(out.bytes, at, end)}"`
}
