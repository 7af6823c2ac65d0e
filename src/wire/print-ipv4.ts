/** IPv4, UDP and IGMP as tcpdump prints them; the other protocols inside IP have files of their own. */
import { formatIpv4 } from './address.ts'
import { u16 } from './bytes.ts'
import { add, finish, fold, pseudoHeader } from './checksum.ts'
import * as ipv4 from './ipv4.ts'
import { printDns } from './print-dns.ts'
import { printIcmp } from './print-icmp.ts'
import { printTcp, type TcpConversations } from './print-tcp.ts'
import * as udp from './udp.ts'
import * as vxlan from './vxlan.ts'

/** How to print, handed down from frame to packet. */
export interface Printer {
  readonly link: boolean
  readonly verbose: boolean
  readonly conversations: TcpConversations | null
  /** A frame inside a packet. */
  frame(bytes: Uint8Array, at: number, end: number): string
}

const IPPROTO_IGMP = 2
const IPPROTO_IPIP = 4
const DNS = 53
const MULTICAST_DNS = 5353

const protocolNames = new Map<number, string>([
  [ipv4.IPPROTO_ICMP, 'ICMP'],
  [IPPROTO_IGMP, 'IGMP'],
  [IPPROTO_IPIP, 'IPIP'],
  [ipv4.IPPROTO_TCP, 'TCP'],
  [ipv4.IPPROTO_UDP, 'UDP'],
  [47, 'GRE'],
  [50, 'ESP'],
  [51, 'AH'],
  [89, 'OSPF'],
  [103, 'PIM'],
  [112, 'VRRP'],
  [132, 'SCTP'],
])

/** ECN's two bits (RFC 3168). */
const ecnNames = ['', ',ECT(1)', ',ECT(0)', ',CE']

/** A packet on its own, or quoted in an ICMP error: then `end` may come before the end that the header claims. */
export function printIpv4(printer: Printer, bytes: Uint8Array, at: number, end: number, quoted = false): string {
  let text = printer.link ? '' : 'IP '
  if (end - at < ipv4.HEADER) return `${text}[|ip]`
  const version = bytes[at] >> 4
  if (version !== 4) return version === 6 ? `${text}wrong link-layer encapsulation` : `${text}version ${version} != 4`
  const header = ipv4.headerLength(bytes, at)
  if (header < ipv4.HEADER) return `${text}bad-hlen ${header}`
  const total = ipv4.totalLength(bytes, at)
  if (end - at < total && !quoted) text += `truncated-ip - ${total - (end - at)} bytes missing! `
  if (total < header) return `${text}bad-len ${total}`
  if (at + header > end) return `${text}[|ip]`
  if (printer.verbose) text += `(${fieldsOf(bytes, at, header, total)})\n    `
  const packetEnd = at + total < end ? at + total : end
  const source = formatIpv4(ipv4.source(bytes, at))
  const destination = formatIpv4(ipv4.destination(bytes, at))
  if (ipv4.fragmentOffset(bytes, at) !== 0) {
    return `${text}${source} > ${destination}: ip-proto-${ipv4.protocol(bytes, at)}`
  }
  return text + printPayload(printer, bytes, at, at + header, packetEnd, at + total, source, destination)
}

function fieldsOf(bytes: Uint8Array, at: number, header: number, total: number): string {
  const tos = ipv4.tos(bytes, at)
  const ttl = ipv4.ttl(bytes, at)
  const field = ipv4.fragmentField(bytes, at)
  const protocol = ipv4.protocol(bytes, at)
  const flags: string[] = []
  if (field & ipv4.MF) flags.push('+')
  if (field & ipv4.DF) flags.push('DF')
  if (field & 0x8000) flags.push('rsvd')
  let text = `tos 0x${tos.toString(16)}${ecnNames[tos & 3]}`
  if (ttl > 0) text += `, ttl ${ttl}`
  text += `, id ${ipv4.identification(bytes, at)}, offset ${ipv4.fragmentOffset(bytes, at)}`
  text += `, flags [${flags.length === 0 ? 'none' : flags.join(', ')}]`
  text += `, proto ${protocolNames.get(protocol) ?? 'unknown'} (${protocol}), length ${total}`
  if (header > ipv4.HEADER) text += `, options (${header - ipv4.HEADER} bytes)`
  const sum = fold(add(0, bytes, at, header))
  if (sum !== 0xffff) {
    const written = u16(bytes, at + ipv4.CHECKSUM)
    text += `, bad cksum ${written.toString(16)} (->${expected(sum, written).toString(16)})!`
  }
  return text
}

/** What a checksum field should hold, from the sum over everything including what it holds. */
function expected(sum: number, written: number): number {
  return finish(sum + (~written & 0xffff))
}

/** `end` is where the bytes end, `claimed` where the packet's own length field says so. */
function printPayload(
  printer: Printer,
  bytes: Uint8Array,
  ip: number,
  at: number,
  end: number,
  claimed: number,
  source: string,
  destination: string,
): string {
  const fragment = (ipv4.fragmentField(bytes, ip) & ipv4.MF) !== 0
  const checks = printer.verbose && !fragment && end === claimed
  const protocol = ipv4.protocol(bytes, ip)
  const pseudo = pseudoHeader(ipv4.source(bytes, ip), ipv4.destination(bytes, ip), protocol, end - at)
  const names = `${source} > ${destination}: `
  switch (protocol) {
    case ipv4.IPPROTO_TCP:
      return printTcp(printer, bytes, at, end, claimed, source, destination, checks ? pseudo : -1)
    case ipv4.IPPROTO_UDP:
      return printUdp(printer, bytes, at, end, claimed, source, destination, checks ? pseudo : -1, fragment)
    case ipv4.IPPROTO_ICMP: {
      const { text, quote } = printIcmp(bytes, at, end, claimed - at, checks)
      const nested = printer.verbose && quote > 0 ? `\n\t${printIpv4(printer, bytes, quote, end, true)}` : ''
      return names + text + nested
    }
    case IPPROTO_IGMP:
      return names + printIgmp(bytes, at, end)
    case IPPROTO_IPIP:
      return names + printIpv4(printer, bytes, at, end)
    default:
      return `${names} ip-proto-${protocol} ${claimed - at}`
  }
}

function printUdp(
  printer: Printer,
  bytes: Uint8Array,
  at: number,
  end: number,
  claimed: number,
  source: string,
  destination: string,
  pseudo: number,
  fragment: boolean,
): string {
  if (end - at < udp.HEADER) {
    if (end - at < 4) return `${source} > ${destination}: [|udp]`
    const from = udp.sourcePort(bytes, at)
    return `${source}.${from} > ${destination}.${udp.destinationPort(bytes, at)}: [|udp]`
  }
  const from = udp.sourcePort(bytes, at)
  const to = udp.destinationPort(bytes, at)
  const length = udp.length(bytes, at)
  let text = `${source}.${from} > ${destination}.${to}: `
  if (length < udp.HEADER) return `${text}truncated-udplength ${length}`
  // A first fragment holds less than the datagram's length says.
  const held = Math.min(length, claimed - at) - udp.HEADER
  const data = at + udp.HEADER
  const stop = Math.min(end, data + held)
  if (pseudo >= 0) {
    const written = u16(bytes, at + udp.CHECKSUM)
    const sum = fold(add(pseudo, bytes, at, end - at))
    if (written === 0) text += '[no cksum] '
    else if (sum === 0xffff) text += '[udp sum ok] '
    else text += `[bad udp cksum 0x${hex(written, 4)} -> 0x${hex(expected(sum, written), 4)}!] `
  }
  if (from === DNS || to === DNS || from === MULTICAST_DNS || to === MULTICAST_DNS) {
    return text + printDns(bytes, data, stop, held, printer.verbose)
  }
  if (from === vxlan.PORT_IANA || to === vxlan.PORT_IANA) return text + printVxlan(printer, bytes, data, stop)
  // tcpdump takes Linux's old VXLAN port for Cisco's OTV, whose header has the same shape.
  if (from === vxlan.PORT_LINUX || to === vxlan.PORT_LINUX) return text + printOtv(printer, bytes, data, stop)
  if (isRx(from) || isRx(to)) return text + printRx(bytes, data, stop, held)
  if (length - udp.HEADER > held && !fragment) return `${text}UDP, bad length ${length - udp.HEADER} > ${held}`
  return `${text}UDP, length ${length - udp.HEADER}`
}

function printVxlan(printer: Printer, bytes: Uint8Array, at: number, end: number): string {
  if (end - at < vxlan.HEADER) return 'VXLAN, [|vxlan]'
  const inner = printer.frame(bytes, at + vxlan.HEADER, end)
  return `VXLAN, ${flagsOf(bytes[at])}, vni ${vxlan.vni(bytes, at)}\n${inner}`
}

function printOtv(printer: Printer, bytes: Uint8Array, at: number, end: number): string {
  if (end - at < vxlan.HEADER) return 'OTV, [|otv]'
  const overlay = (bytes[at + 1] << 16) | u16(bytes, at + 2)
  const inner = printer.frame(bytes, at + vxlan.HEADER, end)
  return `OTV, ${flagsOf(bytes[at])}, overlay ${overlay}, instance ${vxlan.vni(bytes, at)}\n${inner}`
}

function flagsOf(flags: number): string {
  return `flags [${flags & 8 ? 'I' : '.'}] (0x${hex(flags, 2)})`
}

/** AFS's ports, which tcpdump decodes as its RPC whatever they carry. */
function isRx(port: number): boolean {
  return port >= 7000 && port <= 7009
}

const rxTypes = ['', 'data', 'busy', 'abort', 'ack', 'challenge', 'response', 'debug', 'params']

function printRx(bytes: Uint8Array, at: number, end: number, length: number): string {
  if (end - at < 28) return ` [|rx] (${length})`
  const type = bytes[at + 20]
  return ` rx ${type > 0 && type < rxTypes.length ? rxTypes[type] : `type ${type}`} (${length})`
}

function printIgmp(bytes: Uint8Array, at: number, end: number): string {
  if (end - at < 8) return '[|igmp]'
  switch (bytes[at]) {
    case 0x11:
      return `igmp query ${end - at >= 12 ? 'v3' : 'v2'}`
    case 0x12:
      return `igmp v1 report ${formatIpv4At(bytes, at + 4)}`
    case 0x16:
      return `igmp v2 report ${formatIpv4At(bytes, at + 4)}`
    case 0x17:
      return `igmp leave ${formatIpv4At(bytes, at + 4)}`
    case 0x22:
      return `igmp v3 report, ${u16(bytes, at + 6)} group record(s)`
    default:
      return `igmp-${bytes[at]}`
  }
}

function formatIpv4At(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
