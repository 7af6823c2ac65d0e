/** IPv4 as tcpdump prints it; what IP carries has files of its own. */
import type { Ipv4 } from './address.ts'
import { i32 } from './bytes.ts'
import { finish, pseudoHeader } from './checksum.ts'
import * as ethernet from './ethernet.ts'
import * as ipv4 from './ipv4.ts'
import { printGre } from './print-gre.ts'
import { printIcmp } from './print-icmp.ts'
import { printIgmp } from './print-igmp.ts'
import { ipOptionsText } from './print-ip-options.ts'
import { protocolName } from './print-names.ts'
import { printTcp } from './print-tcp.ts'
import { hex, type PacketText } from './print-text.ts'
import { printUdp } from './print-udp.ts'

const IPPROTO_IGMP = 2
const IPPROTO_IPIP = 4
const IPPROTO_IPV6 = 41
const IPPROTO_GRE = 47
const IPPROTO_ESP = 50

/** Decoders that tcpdump has and podwire has not. */
const undecoded = new Set([33, 46, 51, 88, 89, 103, 108, 112, 132])

/** ECN's two bits (RFC 3168). */
const ecnNames = ['', ',ECT(1)', ',ECT(0)', ',CE']

/** `length` is what lies below claims; a packet quoted by ICMP says itself how long it was. */
export function printIpv4(out: PacketText, at: number, length: number): void {
  out.protocol = 'ip'
  const version = out.u8(at) >> 4
  if (version !== 4) {
    out.text += version === 6 ? 'IP6, wrong link-layer encapsulation (invalid)' : `IP${version} (invalid)`
    return
  }
  if (!out.link) out.text += 'IP '
  out.need(at, ipv4.HEADER)
  if (length < ipv4.HEADER) {
    out.text += `truncated-ip ${length}`
    return
  }
  const header = (out.u8(at) & 15) * 4
  if (header < ipv4.HEADER) {
    out.text += `bad-hlen ${header}`
    return
  }
  const total = out.u16(at + 2)
  if (length < total) out.text += `truncated-ip - ${total - length} bytes missing! `
  if (total < header) {
    out.text += `bad-len ${total}`
    return
  }
  const before = out.end
  out.end = Math.min(out.end, at + total)
  if (out.verbose > 0) out.text += `(${fieldsOf(out, at, header, total)})\n    `
  const field = out.u16(at + 6)
  const source = out.address(at + ipv4.SOURCE)
  const destination = out.address(at + ipv4.DESTINATION)
  const protocol = out.u8(at + 9)
  if (field & 0x1fff) out.text += `${source} > ${destination}: ip-proto-${protocol}`
  else printPayload(out, at, at + header, total - header, (field & ipv4.MF) !== 0)
  out.end = before
}

function fieldsOf(out: PacketText, at: number, header: number, total: number): string {
  const tos = out.u8(at + 1)
  const ttl = out.u8(at + 8)
  const field = out.u16(at + 6)
  const protocol = out.u8(at + 9)
  const flags: string[] = []
  if (field & ipv4.MF) flags.push('+')
  if (field & ipv4.DF) flags.push('DF')
  if (field & 0x8000) flags.push('rsvd')
  let text = `tos 0x${tos.toString(16)}${ecnNames[tos & 3]}`
  if (ttl > 0) text += `, ttl ${ttl}`
  text += `, id ${out.u16(at + 4)}, offset ${(field & 0x1fff) * 8}`
  text += `, flags [${flags.length === 0 ? 'none' : flags.join(', ')}]`
  text += `, proto ${protocolName(protocol)} (${protocol}), length ${total}`
  if (header > ipv4.HEADER) text += `, options (${ipOptionsText(out, at + ipv4.HEADER, header - ipv4.HEADER)})`
  if (out.unchecked || !out.has(at, header)) return text
  const sum = out.sum(at, header)
  if (sum !== 0xffff) {
    const written = out.u16(at + ipv4.CHECKSUM)
    text += `, bad cksum ${written.toString(16)} (->${finish(sum + (~written & 0xffff)).toString(16)})!`
  }
  return text
}

/** Where the address of the packet's last stop is: with a source route it is the route's last. */
function finalDestination(out: PacketText, ip: number): number {
  const end = ip + (out.u8(ip) & 15) * 4
  for (let option = ip + ipv4.HEADER; option + 1 < end && out.has(option, 2) && out.u8(option) !== 0; ) {
    const kind = out.u8(option)
    const length = kind === 1 ? 1 : out.u8(option + 1)
    if (length < (kind === 1 ? 1 : 2) || option + length > end) break
    if ((kind === 131 || kind === 137) && length >= 7) return option + length - 4
    option += length
  }
  return ip + ipv4.DESTINATION
}

/** `length` is what the IP header claims. */
function printPayload(out: PacketText, ip: number, at: number, length: number, fragmented: boolean): void {
  const source = out.address(ip + ipv4.SOURCE)
  const destination = out.address(ip + ipv4.DESTINATION)
  const protocol = out.u8(ip + 9)
  const pseudo = (covered: number) =>
    pseudoHeader(
      i32(out.bytes, ip + ipv4.SOURCE) as Ipv4,
      i32(out.bytes, finalDestination(out, ip)) as Ipv4,
      protocol,
      covered,
    )
  if (protocol === ipv4.IPPROTO_TCP) {
    printTcp(out, at, length, { source, destination, fragmented, shown: false, udpSumFrom: 2, pseudo })
    return
  }
  if (protocol === ipv4.IPPROTO_UDP) {
    printUdp(out, at, length, { source, destination, fragmented, shown: false, udpSumFrom: 2, pseudo })
    return
  }
  out.text += `${source} > ${destination}: `
  switch (protocol) {
    case ipv4.IPPROTO_ICMP:
      printIcmp(out, at, length, fragmented, (quote) => {
        out.protocol = 'ip'
        printIpv4(out, quote, out.u16(quote + 2))
      })
      break
    case IPPROTO_IGMP:
      printIgmp(out, at, length)
      break
    case IPPROTO_IPIP:
      printIpv4(out, at, length)
      break
    case IPPROTO_IPV6:
      out.printPayload(out, ethernet.ETH_P_IPV6, at, length)
      break
    case IPPROTO_ESP:
      out.protocol = 'esp'
      out.text += `ESP(spi=0x${hex(out.u32(at), 8)},seq=0x${out.u32(at + 4).toString(16)}), length ${length}`
      break
    case IPPROTO_GRE:
      printGre(out, at, length)
      break
    default:
      if (undecoded.has(protocol)) out.text += `podwire: ${protocolName(protocol)} is not modelled, length ${length}`
      else out.text += ` ip-proto-${protocol} ${length}`
  }
}
