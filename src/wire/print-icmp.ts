/** ICMP (RFC 792, 950, 1256) as tcpdump prints it. */
import { finish } from './checksum.ts'
import * as icmp from './icmp.ts'
import * as ipv4 from './ipv4.ts'
import { hex, type PacketText } from './print-text.ts'

/** What each code of destination unreachable says about the quoted packet's destination, `@`. */
const unreachable = new Map<number, string>([
  [icmp.NET_UNREACHABLE, 'net @ unreachable'],
  [icmp.HOST_UNREACHABLE, 'host @ unreachable'],
  [5, '@ unreachable - source route failed'],
  [6, 'net @ unreachable - unknown'],
  [7, 'host @ unreachable - unknown'],
  [8, '@ unreachable - source host isolated'],
  [9, 'net @ unreachable - admin prohibited'],
  [icmp.HOST_PROHIBITED, 'host @ unreachable - admin prohibited'],
  [11, 'net @ unreachable - tos prohibited'],
  [12, 'host @ unreachable - tos prohibited'],
  [icmp.COMMUNICATION_PROHIBITED, 'host @ unreachable - admin prohibited filter'],
  [14, 'host @ unreachable - host precedence violation'],
  [15, 'host @ unreachable - precedence cutoff'],
])

/** By code. */
const redirects = ['redirect @ to net', 'redirect @ to host', 'redirect-tos @ to net', 'redirect-tos @ to host']
const errors = [icmp.DESTINATION_UNREACHABLE, 4, icmp.REDIRECT, icmp.TIME_EXCEEDED, icmp.PARAMETER_PROBLEM]

/** `length` is what the IP header claims; `quote` prints the packet that an error quotes. */
export function printIcmp(
  out: PacketText,
  at: number,
  length: number,
  fragmented: boolean,
  quote: (at: number) => void,
): void {
  out.protocol = 'icmp'
  const type = out.u8(at)
  out.text += `ICMP ${messageOf(out, at, type)}, length ${length}`
  if (out.verbose === 0) return
  if (!fragmented && out.has(at, length)) {
    const sum = out.sum(at, length)
    const written = out.u16(at + icmp.CHECKSUM)
    const right = finish(sum + (~written & 0xffff))
    if (sum !== 0xffff) out.text += ` (wrong icmp cksum ${written.toString(16)} (->${right.toString(16)})!)`
  }
  if (!errors.includes(type)) return
  out.text += '\n\t'
  quote(at + icmp.HEADER)
}

function messageOf(out: PacketText, at: number, type: number): string {
  const code = out.u8(at + 1)
  const quote = at + icmp.HEADER
  switch (type) {
    case icmp.ECHO_REQUEST:
    case icmp.ECHO_REPLY: {
      const name = type === icmp.ECHO_REQUEST ? 'request' : 'reply'
      return `echo ${name}, id ${out.u16(at + 4)}, seq ${out.u16(at + 6)}`
    }
    case icmp.DESTINATION_UNREACHABLE:
      return unreachableText(out, at, code, quote)
    case 4:
      return 'source quench'
    case icmp.REDIRECT: {
      const about = out.address(quote + ipv4.DESTINATION)
      const words = redirects[code]?.replace('@', about) ?? `redirect-#${code} ${about} to`
      return `${words} ${out.address(at + 4)}`
    }
    case 9:
      return advertisement(out, at)
    case 10:
      return 'router solicitation'
    case icmp.TIME_EXCEEDED:
      if (code === 0) return 'time exceeded in-transit'
      return code === 1 ? 'ip reassembly time exceeded' : `time exceeded-#${code}`
    case icmp.PARAMETER_PROBLEM:
      return code === 0 ? `parameter problem - octet ${out.u8(at + 4)}` : `parameter problem - code ${code}`
    case 13:
      return `time stamp query id ${out.u16(at + 4)} seq ${out.u16(at + 6)}`
    case 14: {
      const [origin, received, sent] = [8, 12, 16].map((field) => timeOfDay(out.u32(at + field)))
      return `time stamp reply id ${out.u16(at + 4)} seq ${out.u16(at + 6)}: org ${origin}, recv ${received}, xmit ${sent}`
    }
    case 15:
      return 'information request'
    case 16:
      return 'information reply'
    case 17:
      return 'address mask request'
    case 18:
      return `address mask is 0x${hex(out.u32(at + 8), 8)}`
    default:
      return `type-#${type}`
  }
}

function advertisement(out: PacketText, at: number): string {
  const lifetime = out.u16(at + 6)
  const two = (value: number) => String(value).padStart(2, '0')
  let time = String(lifetime)
  if (lifetime >= 3600)
    time = `${Math.floor(lifetime / 3600)}:${two(Math.floor((lifetime % 3600) / 60))}:${two(lifetime % 60)}`
  else if (lifetime >= 60) time = `${Math.floor(lifetime / 60)}:${two(lifetime % 60)}`
  const count = out.u8(at + 4)
  let text = `router advertisement lifetime ${time} ${count}:`
  if (out.u8(at + 5) !== 2) return `${text} [size ${out.u8(at + 5)}]`
  for (let i = 0; i < count; i++) text += ` {${out.address(at + 8 + i * 8)} ${out.u32(at + 12 + i * 8)}}`
  return text
}

/** Milliseconds since midnight. */
function timeOfDay(milliseconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const seconds = Math.floor(milliseconds / 1000)
  const rest = String(milliseconds % 1000).padStart(3, '0')
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}.${rest}`
}

function unreachableText(out: PacketText, at: number, code: number, quote: number): string {
  const about = out.address(quote + ipv4.DESTINATION)
  const protocol = out.u8(quote + 9)
  if (code === icmp.PROTOCOL_UNREACHABLE) return `${about} protocol ${protocol} unreachable`
  if (code === icmp.FRAGMENTATION_NEEDED) {
    const mtu = out.u16(at + 6)
    return `${about} unreachable - need to frag${mtu === 0 ? '' : ` (mtu ${mtu})`}`
  }
  if (code === icmp.PORT_UNREACHABLE) {
    const port = out.u16(quote + (out.u8(quote) & 15) * 4 + 2)
    if (protocol === ipv4.IPPROTO_TCP) return `${about} tcp port ${port} unreachable`
    if (protocol === ipv4.IPPROTO_UDP) return `${about} udp port ${port} unreachable`
    return `${about} protocol ${protocol} port ${port} unreachable`
  }
  return unreachable.get(code)?.replace('@', about) ?? `${about} unreachable - #${code}`
}
