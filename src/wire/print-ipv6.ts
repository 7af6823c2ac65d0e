/** IPv6 (RFC 8200) as tcpdump prints it: the fixed header, the hop-by-hop options, and what it carries. */
import { add } from './checksum.ts'
import * as ethernet from './ethernet.ts'
import { printGre } from './print-gre.ts'
import { printIcmp6 } from './print-icmp6.ts'
import { protocolName } from './print-names.ts'
import { printTcp } from './print-tcp.ts'
import { type Around, hex, type PacketText } from './print-text.ts'
import { printUdp } from './print-udp.ts'

const HEADER = 40
const HOP_BY_HOP = 0
const IPIP = 4
const TCP = 6
const UDP = 17
const IPV6 = 41
const ROUTING = 43
const FRAGMENT = 44
const GRE = 47
const ESP = 50
const ICMP6 = 58
const NOTHING = 59
const DESTINATION = 60

/** Decoders that tcpdump has and podwire has not. */
const undecoded = new Set([33, 46, 51, 88, 89, 103, 108, 112, 132])

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
  let fragmented = false
  let final = ip + 24
  const source = out.ipv6(ip + 8)
  const destination = out.ipv6(ip + 24)
  const shown = next !== TCP && next !== UDP
  if (shown) out.text += `${source} > ${destination}: `
  for (;;) {
    let size = 0
    switch (next) {
      case HOP_BY_HOP:
      case DESTINATION:
        size = (out.u8(at + 1) + 1) * 8
        out.text += next === HOP_BY_HOP ? 'HBH ' : 'DSTOPT '
        if (out.verbose > 0) printOptions(out, at + 2, at + size, payload)
        break
      case ROUTING:
        size = (out.u8(at + 1) + 1) * 8
        printRouting(out, at)
        // The checksum is about the last stop (RFC 8200 section 8.1).
        if (out.u8(at + 2) === 0 && out.u8(at + 3) > 0 && size > 8) final = at + size - 16
        break
      case FRAGMENT:
        size = 8
        fragmented = true
        if (printFragment(out, at, length)) return
        break
      default: {
        const protocol = next
        const around: Around = {
          source,
          destination,
          fragmented,
          shown,
          udpSumFrom: 1,
          pseudo: (covered) => add(add(covered + protocol, out.bytes, ip + 8, 16), out.bytes, final, 16),
        }
        printUpper(out, at, length, protocol, around)
        return
      }
    }
    next = out.u8(at)
    at += size
    length -= size
  }
}

function printUpper(out: PacketText, at: number, length: number, protocol: number, around: Around): void {
  switch (protocol) {
    case TCP:
      printTcp(out, at, length, around)
      break
    case UDP:
      printUdp(out, at, length, around)
      break
    case ICMP6:
      printIcmp6(out, at, length, around)
      break
    case IPIP:
      out.printPayload(out, ethernet.ETH_P_IP, at, length)
      break
    case IPV6:
      printIpv6(out, at, length)
      break
    case GRE:
      printGre(out, at, length)
      break
    case ESP:
      out.protocol = 'esp'
      out.text += `ESP(spi=0x${hex(out.u32(at), 8)},seq=0x${out.u32(at + 4).toString(16)}), length ${length}`
      break
    case NOTHING:
      out.text += 'no next header'
      break
    default:
      if (undecoded.has(protocol)) out.text += `podwire: ${protocolName(protocol)} is not modelled, length ${length}`
      else out.text += ` ip-proto-${protocol} ${length}`
  }
}

/** True for a later piece, of which nothing more can be said. */
function printFragment(out: PacketText, at: number, length: number): boolean {
  const field = out.u16(at + 2)
  const offset = field & 0xfff8
  const id = out.verbose > 0 ? `0x${hex(out.u32(at + 4), 8)}:` : ''
  out.need(at, 8)
  out.text += `frag (${id}${offset}|${length - 8})`
  if (offset !== 0) return true
  out.text += ' '
  return false
}

function printRouting(out: PacketText, at: number): void {
  const length = out.u8(at + 1)
  const type = out.u8(at + 2)
  out.text += `RT6 (len=${length}, type=${type}${type === 0 ? ' [Deprecated]' : ''}, segleft=${out.u8(at + 3)}, `
  if (type !== 0) {
    out.text += `podwire: routing headers of type ${type} are not modelled) `
    return
  }
  if (out.u32(at + 4) !== 0 || out.verbose > 0) out.text += `rsv=0x${out.u32(at + 4).toString(16)}, `
  const addresses: string[] = []
  for (let i = 0; i < length >> 1; i++) addresses.push(`[${i}]${out.ipv6(at + 8 + i * 16)}`)
  out.text += `${addresses.join(', ')}) `
}

function printOptions(out: PacketText, at: number, end: number, payload: number): void {
  for (let option = at; option < end; ) {
    const kind = out.u8(option)
    if (kind === 0) {
      out.text += '(pad1)'
      option++
      continue
    }
    const length = out.u8(option + 1)
    if (kind === 1) out.text += '(padn)'
    else if (kind === 5) out.text += `(rtalert: 0x${hex(out.u16(option + 2), 4)}) `
    else if (kind === 194) out.text += `(jumbo: ${out.u32(option + 2)}${payload === 0 ? '' : ' - payload len != 0'}) `
    else out.text += `(opt_type 0x${hex(kind, 2)}: len=${length}) `
    option += 2 + length
  }
  out.text += ' '
}
