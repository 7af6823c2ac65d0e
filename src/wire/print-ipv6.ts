/** IPv6 (RFC 8200) as tcpdump prints it: the fixed header, the hop-by-hop options, and what it carries. */
import { add } from './checksum.ts'
import { printIcmp6 } from './print-icmp6.ts'
import { protocolName } from './print-names.ts'
import { printTcp } from './print-tcp.ts'
import { type Around, hex, type PacketText } from './print-text.ts'
import { printUdp } from './print-udp.ts'

const HEADER = 40
const HOP_BY_HOP = 0
const TCP = 6
const UDP = 17
const FRAGMENT = 44
const ICMP6 = 58
const NOTHING = 59

export function printIpv6(out: PacketText, at: number, length: number): void {
  out.protocol = 'ip6'
  out.need(at, HEADER)
  const version = out.u8(at) >> 4
  if (version !== 6) {
    out.text += `${out.link ? '' : 'IP6 '}version error: ${version} != 6`
    return
  }
  if (!out.link) out.text += 'IP6 '
  if (length < HEADER) {
    out.text += `truncated-ip6 ${length}`
    return
  }
  const payload = out.u16(at + 4)
  const total = payload + HEADER
  if (length < total) out.text += `truncated-ip6 - ${total - length} bytes missing!`
  if (out.verbose > 0) out.text += `(${fieldsOf(out, at, payload)}) `
  const before = out.end
  out.end = Math.min(out.end, at + total)
  printChain(out, at, at + HEADER, payload)
  out.end = before
}

function fieldsOf(out: PacketText, at: number, payload: number): string {
  const first = out.u32(at)
  const traffic = (first >>> 20) & 0xff
  const flow = first & 0xfffff
  const next = out.u8(at + 6)
  let text = traffic === 0 ? '' : `class 0x${hex(traffic, 2)}, `
  if (flow !== 0) text += `flowlabel 0x${hex(flow, 5)}, `
  text += `hlim ${out.u8(at + 7)}, next-header ${protocolName(next)} (${next})`
  return `${text} payload length: ${payload}`
}

/** One header after the other. */
function printChain(out: PacketText, ip: number, first: number, payload: number): void {
  let at = first
  let length = payload
  let next = out.u8(ip + 6)
  const source = out.ipv6(ip + 8)
  const destination = out.ipv6(ip + 24)
  if (next !== TCP && next !== UDP) out.text += `${source} > ${destination}: `
  for (;;) {
    const protocol = next
    const around: Around = {
      source,
      destination,
      fragmented: false,
      udpSumFrom: 1,
      pseudo: (covered) => add(covered + protocol, out.bytes, ip + 8, 32),
    }
    switch (protocol) {
      case HOP_BY_HOP: {
        const size = (out.u8(at + 1) + 1) * 8
        out.text += 'HBH '
        if (out.verbose > 0) printHopOptions(out, at + 2, at + size)
        next = out.u8(at)
        at += size
        length -= size
        break
      }
      case FRAGMENT:
        out.text += 'podwire: IPv6 fragments are not modelled'
        return
      case TCP:
        printTcp(out, at, length, around)
        return
      case UDP:
        printUdp(out, at, length, around)
        return
      case ICMP6:
        printIcmp6(out, at, length, around)
        return
      case NOTHING:
        out.text += 'no next header'
        return
      default:
        out.text += `ip-proto-${protocol} ${length}`
        return
    }
  }
}

function printHopOptions(out: PacketText, at: number, end: number): void {
  for (let option = at; option < end; ) {
    const kind = out.u8(option)
    if (kind === 0) {
      out.text += '(pad1) '
      option++
      continue
    }
    const length = out.u8(option + 1)
    if (kind === 1) out.text += '(padn) '
    else if (kind === 5) out.text += `(rtalert: 0x${hex(out.u16(option + 2), 4)}) `
    else out.text += `(opt_type 0x${hex(kind, 2)}: len=${length}) `
    option += 2 + length
  }
}
