/** UDP as tcpdump prints it, and the tunnels inside. */
import { finish } from './checksum.ts'
import { printDhcp } from './print-dhcp.ts'
import { printDhcp6 } from './print-dhcp6.ts'
import { printDns } from './print-dns.ts'
import { type Around, hex, type PacketText } from './print-text.ts'
import * as udp from './udp.ts'
import * as vxlan from './vxlan.ts'

const DNS = 53
const MULTICAST_DNS = 5353

export function printUdp(out: PacketText, at: number, length: number, around: Around): void {
  out.protocol = 'udp'
  if (!out.has(at, 4)) {
    if (!around.shown) out.text += `${around.source} > ${around.destination}: `
    out.truncated()
    return
  }
  const from = out.u16(at + udp.SOURCE_PORT)
  const to = out.u16(at + udp.DESTINATION_PORT)
  out.text += around.shown ? `${from} > ${to}: ` : `${around.source}.${from} > ${around.destination}.${to}: `
  if (length < udp.HEADER) {
    out.text += `truncated-udp ${length}`
    return
  }
  out.need(at, udp.HEADER)
  if (out.u16(at + 4) < udp.HEADER) {
    out.text += `truncated-udplength ${out.u16(at + 4)}`
    return
  }
  const said = out.u16(at + 4) - udp.HEADER
  // A first fragment holds less than the datagram's length says.
  const held = Math.min(said, length - udp.HEADER)
  if (out.verbose >= around.udpSumFrom && !out.unchecked && !around.fragmented)
    printSum(out, at, held + udp.HEADER, around)
  const data = at + udp.HEADER
  if (!out.quick && printContent(out, data, held, from, to)) return
  out.text += said > held && !around.fragmented ? `UDP, bad length ${said} > ${held}` : `UDP, length ${said}`
}

function printSum(out: PacketText, at: number, covered: number, around: Around): void {
  const written = out.u16(at + udp.CHECKSUM)
  if (written === 0) out.text += '[no cksum] '
  else if (out.has(at, covered)) {
    const sum = out.sum(at, covered, around.pseudo(covered))
    if (sum === 0xffff) out.text += '[udp sum ok] '
    else out.text += `[bad udp cksum 0x${hex(written, 4)} -> 0x${hex(finish(sum + (~written & 0xffff)), 4)}!] `
  }
}

/** What tcpdump decodes behind other ports and podwire does not. */
const undecoded = new Map([
  [69, 'TFTP'],
  [88, 'Kerberos'],
  [123, 'NTP'],
  [161, 'SNMP'],
  [162, 'SNMP'],
  [500, 'ISAKMP'],
  [514, 'syslog'],
  [520, 'RIP'],
  [646, 'LDP'],
  [1812, 'RADIUS'],
  [1813, 'RADIUS'],
  [3784, 'BFD'],
  [4500, 'ISAKMP'],
  [4790, 'VXLAN-GPE'],
  [5060, 'SIP'],
  [6081, 'Geneve'],
  [6343, 'sFlow'],
])

/** False when the ports belong to nobody. */
function printContent(out: PacketText, at: number, length: number, from: number, to: number): boolean {
  const either = (port: number) => from === port || to === port
  if (either(DNS)) printDns(out, at, length, false)
  else if (either(MULTICAST_DNS)) printDns(out, at, length, true)
  else if (either(67) || either(68)) printDhcp(out, at, length)
  else if (either(546) || either(547)) printDhcp6(out, at, length)
  else if (either(vxlan.PORT_IANA)) printVxlan(out, at, length)
  // tcpdump takes Linux's old VXLAN port for Cisco's OTV, whose header has the same shape.
  else if (either(vxlan.PORT_LINUX)) printOtv(out, at, length)
  else if (isRx(from) || isRx(to)) printRx(out, at, length)
  else {
    const name = undecoded.get(from) ?? undecoded.get(to)
    if (name === undefined) return false
    out.text += `podwire: ${name} is not modelled, length ${length}`
  }
  return true
}

function printVxlan(out: PacketText, at: number, length: number): void {
  out.protocol = 'vxlan'
  out.text += 'VXLAN'
  if (length < vxlan.HEADER) {
    out.text += ' (invalid)'
    return
  }
  const flags = out.u8(at)
  out.need(at, vxlan.HEADER)
  out.text += `, flags [${flags & 8 ? 'I' : 'invalid'}] (0x${hex(flags, 2)}), vni ${out.u32(at + 4) >>> 8}\n`
  out.printFrame(out, at + vxlan.HEADER, length - vxlan.HEADER)
}

function printOtv(out: PacketText, at: number, length: number): void {
  out.protocol = 'otv'
  out.text += 'OTV, '
  if (length < vxlan.HEADER) {
    out.text += `[length ${length} < ${vxlan.HEADER}] (invalid)`
    return
  }
  const flags = out.u8(at)
  out.text += `flags [${flags & 8 ? 'I' : '.'}] (0x${hex(flags, 2)})`
  out.text += `, overlay ${out.u32(at) & 0xffffff}, instance ${out.u32(at + 4) >>> 8}\n`
  out.printFrame(out, at + vxlan.HEADER, length - vxlan.HEADER)
}

/** AFS's ports, which tcpdump decodes as its RPC whatever they carry. */
function isRx(port: number): boolean {
  return port >= 7000 && port <= 7009
}

const rxTypes = ['', 'data', 'busy', 'abort', 'ack', 'challenge', 'response', 'debug', 'params']
const rxFlags: readonly (readonly [number, string])[] = [
  [1, 'client-init'],
  [2, 'req-ack'],
  [4, 'last-pckt'],
  [8, 'more-pckts'],
  [32, 'slow-start'],
]

function printRx(out: PacketText, at: number, length: number): void {
  out.protocol = 'rx'
  if (!out.has(at, 28)) {
    out.text += ` [|rx] (${length})`
    return
  }
  const type = out.u8(at + 20)
  out.text += ` rx ${type > 0 && type < rxTypes.length ? rxTypes[type] : `type ${type}`}`
  if (out.verbose > 0) {
    if (out.verbose > 1) out.text += ` cid ${hex(out.u32(at + 4), 8)}`
    if (out.verbose > 1) out.text += ` call# ${out.u32(at + 8)}`
    out.text += ` seq ${out.u32(at + 12)} ser ${out.u32(at + 16)}`
    if (out.verbose > 2) out.text += ` secindex ${out.u8(at + 23)} serviceid ${out.u16(at + 26)}`
    const names = rxFlags.filter(([bit]) => out.u8(at + 21) & bit).map(([, name]) => `<${name}>`)
    if (names.length > 0) out.text += ` ${names.join(',')}`
  }
  out.text += ` (${length})`
}
