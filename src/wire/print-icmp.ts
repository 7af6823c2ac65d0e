/** ICMP as tcpdump prints it. */
import { formatIpv4 } from './address.ts'
import { u16 } from './bytes.ts'
import { add, finish, fold } from './checksum.ts'
import * as icmp from './icmp.ts'
import * as ipv4 from './ipv4.ts'

/** The text, and where the packet that an error quotes begins: 0 when there is none. */
export interface IcmpText {
  readonly text: string
  readonly quote: number
}

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
const redirects = ['net', 'host', 'net', 'host']

/** `length` is what the IP header claims; `checks` says whether the checksum can and shall be checked. */
export function printIcmp(bytes: Uint8Array, at: number, end: number, length: number, checks: boolean): IcmpText {
  if (end - at < icmp.HEADER) return { text: '[|icmp]', quote: 0 }
  const type = icmp.type(bytes, at)
  const quote = icmp.isError(type) && end - at >= icmp.HEADER + ipv4.HEADER ? at + icmp.HEADER : 0
  let text = `ICMP ${messageOf(bytes, at, end, type, quote)}, length ${length}`
  if (checks) {
    const sum = fold(add(0, bytes, at, end - at))
    const written = u16(bytes, at + icmp.CHECKSUM)
    const right = finish(sum + (~written & 0xffff))
    if (sum !== 0xffff) text += ` (wrong icmp cksum ${written.toString(16)} (->${right.toString(16)})!)`
  }
  return { text, quote }
}

function messageOf(bytes: Uint8Array, at: number, end: number, type: number, quote: number): string {
  const code = icmp.code(bytes, at)
  switch (type) {
    case icmp.ECHO_REQUEST:
    case icmp.ECHO_REPLY: {
      const name = type === icmp.ECHO_REQUEST ? 'request' : 'reply'
      return `echo ${name}, id ${icmp.identifier(bytes, at)}, seq ${icmp.sequence(bytes, at)}`
    }
    case icmp.DESTINATION_UNREACHABLE:
      return quote === 0 ? '[|icmp]' : unreachableText(bytes, at, end, code, quote)
    case 4:
      return 'source quench'
    case icmp.REDIRECT: {
      if (quote === 0) return '[|icmp]'
      const gateway = `${bytes[at + 4]}.${bytes[at + 5]}.${bytes[at + 6]}.${bytes[at + 7]}`
      const kind = code === 2 || code === 3 ? 'redirect-tos' : 'redirect'
      return `${kind} ${formatIpv4(ipv4.destination(bytes, quote))} to ${redirects[code] ?? `#${code}`} ${gateway}`
    }
    case 9:
      return 'router advertisement'
    case 10:
      return 'router solicitation'
    case icmp.TIME_EXCEEDED:
      if (code === 0) return 'time exceeded in-transit'
      return code === 1 ? 'ip reassembly time exceeded' : `time exceeded-#${code}`
    case icmp.PARAMETER_PROBLEM:
      return code === 0 ? `parameter problem - octet ${bytes[at + 4]}` : `parameter problem - code ${code}`
    case 13:
      return `time stamp query id ${icmp.identifier(bytes, at)} seq ${icmp.sequence(bytes, at)}`
    case 17:
      return 'address mask request'
    case 18:
      return 'address mask reply'
    default:
      return `type-#${type}`
  }
}

function unreachableText(bytes: Uint8Array, at: number, end: number, code: number, quote: number): string {
  const about = formatIpv4(ipv4.destination(bytes, quote))
  const protocol = ipv4.protocol(bytes, quote)
  if (code === icmp.PROTOCOL_UNREACHABLE) return `${about} protocol ${protocol} unreachable`
  if (code === icmp.FRAGMENTATION_NEEDED) {
    const mtu = icmp.nextHopMtu(bytes, at)
    return `${about} unreachable - need to frag${mtu === 0 ? '' : ` (mtu ${mtu})`}`
  }
  if (code === icmp.PORT_UNREACHABLE) {
    const ports = quote + ipv4.headerLength(bytes, quote)
    if (ports + 4 > end) return '[|icmp]'
    const port = u16(bytes, ports + 2)
    if (protocol === ipv4.IPPROTO_TCP) return `${about} tcp port ${port} unreachable`
    if (protocol === ipv4.IPPROTO_UDP) return `${about} udp port ${port} unreachable`
    return `${about} protocol ${protocol} port ${port} unreachable`
  }
  return unreachable.get(code)?.replace('@', about) ?? `${about} unreachable - #${code}`
}
