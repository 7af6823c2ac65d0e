/** A packet as the kernel log shows it: what nf_log_syslog writes behind LOG's prefix. */
import { formatIpv4, formatMac, type Ipv4 } from '../wire/address.ts'
import { i32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import { Hook } from './hook.ts'
import type { Packet } from './packet.ts'

/** Bits of LOG's flags (NF_LOG_*): what is shown besides. */
export const LogFlag = { TCP_SEQUENCE: 1, TCP_OPTIONS: 2, IP_OPTIONS: 4, UID: 8, MAC_DECODE: 32 } as const

export function logLine(packet: Packet, flags: number): string {
  const { bytes, network, frame } = packet
  let text = `IN=${packet.input?.name ?? ''} OUT=${packet.output?.name ?? ''} `
  if (frame.bridgeInput !== null) text += `PHYSIN=${frame.bridgeInput.name} `
  if (frame.bridgeOutput !== null) text += `PHYSOUT=${frame.bridgeOutput.name} `
  if (packet.input !== null) text += hardware(packet, flags)
  text += datagram(bytes, network, packet.end, flags, true)
  if (frame.mark !== 0) text += `MARK=0x${(frame.mark >>> 0).toString(16)} `
  return text
}

/** A frame that came in still has its Ethernet header in front; one on its way through lost its place in FORWARD. */
function hardware(packet: Packet, flags: number): string {
  const at = packet.network - ethernet.HEADER
  const { bytes } = packet
  if (at < 0 || packet.hook === Hook.OUTPUT || packet.hook === Hook.POSTROUTING) return ''
  if ((flags & LogFlag.MAC_DECODE) !== 0) {
    return `MACSRC=${formatMac(bytes, at + 6)} MACDST=${formatMac(bytes, at)} MACPROTO=0800 `
  }
  return `MAC=${formatMac(bytes, at)}:${formatMac(bytes, at + 6)}:08:00 `
}

/** dump_ipv4_packet: the datagram at `network`; the one that an ICMP error quotes is shown in brackets. */
function datagram(bytes: Uint8Array, network: number, end: number, flags: number, outer: boolean): string {
  if (end - network < ipv4.HEADER) return 'TRUNCATED'
  const header = ipv4.headerLength(bytes, network)
  const tos = ipv4.tos(bytes, network)
  let text = `SRC=${formatIpv4(ipv4.source(bytes, network))} DST=${formatIpv4(ipv4.destination(bytes, network))} `
  text += `LEN=${ipv4.totalLength(bytes, network)} TOS=0x${upperHex(tos & 0x1e)} PREC=0x${upperHex(tos & 0xe0)} `
  text += `TTL=${ipv4.ttl(bytes, network)} ID=${ipv4.identification(bytes, network)} `
  if (ipv4.dontFragment(bytes, network)) text += 'DF '
  if ((ipv4.fragmentField(bytes, network) & ipv4.MF) !== 0) text += 'MF '
  const offset = ipv4.fragmentOffset(bytes, network)
  if (offset !== 0) text += `FRAG:${offset / 8} `
  if ((flags & LogFlag.IP_OPTIONS) !== 0 && header > ipv4.HEADER && network + header <= end) {
    text += `OPT (${hexText(bytes, network + ipv4.HEADER, network + header)}) `
  }
  const at = network + header
  const protocol = ipv4.protocol(bytes, network)
  const carried = offset === 0 ? end - at : -1
  switch (protocol) {
    case IPPROTO_TCP:
      return `${text}PROTO=TCP ${carried < 0 ? '' : tcpText(bytes, at, end, flags)}`
    case IPPROTO_UDP:
      return `${text}PROTO=UDP ${carried < 0 ? '' : udpText(bytes, at, end)}`
    case IPPROTO_ICMP:
      return `${text}PROTO=ICMP ${carried < 0 ? '' : icmpText(bytes, at, end, flags, outer)}`
    default:
      return `${text}PROTO=${protocol} `
  }
}

function tcpText(bytes: Uint8Array, at: number, end: number, flags: number): string {
  if (end - at < tcp.HEADER) return `INCOMPLETE [${end - at} bytes] `
  let text = `SPT=${tcp.sourcePort(bytes, at)} DPT=${tcp.destinationPort(bytes, at)} `
  if ((flags & LogFlag.TCP_SEQUENCE) !== 0) {
    text += `SEQ=${tcp.sequence(bytes, at) >>> 0} ACK=${tcp.acknowledgment(bytes, at) >>> 0} `
  }
  text += `WINDOW=${tcp.window(bytes, at)} RES=0x00 ${flagWords(tcp.flags(bytes, at))}URGP=${tcp.urgent(bytes, at)} `
  const stop = at + tcp.headerLength(bytes, at)
  if ((flags & LogFlag.TCP_OPTIONS) !== 0 && stop > at + tcp.HEADER && stop <= end) {
    text += `OPT (${hexText(bytes, at + tcp.HEADER, stop)}) `
  }
  return text
}

function udpText(bytes: Uint8Array, at: number, end: number): string {
  if (end - at < udp.HEADER) return `INCOMPLETE [${end - at} bytes] `
  return `SPT=${udp.sourcePort(bytes, at)} DPT=${udp.destinationPort(bytes, at)} LEN=${udp.length(bytes, at)} `
}

function icmpText(bytes: Uint8Array, at: number, end: number, flags: number, outer: boolean): string {
  if (end - at < icmp.HEADER) return `INCOMPLETE [${end - at} bytes] `
  const type = icmp.type(bytes, at)
  let text = `TYPE=${type} CODE=${icmp.code(bytes, at)} `
  if (!icmp.isError(type)) return `${text}ID=${icmp.identifier(bytes, at)} SEQ=${icmp.sequence(bytes, at)} `
  if (type === icmp.REDIRECT) text += `GATEWAY=${formatIpv4(i32(bytes, at + 4) as Ipv4)} `
  if (outer) text += `[${datagram(bytes, at + icmp.HEADER, end, flags, false)}] `
  const needed = type === icmp.DESTINATION_UNREACHABLE && icmp.code(bytes, at) === icmp.FRAGMENTATION_NEEDED
  return needed ? `${text}MTU=${(bytes[at + 6] << 8) | bytes[at + 7]} ` : text
}

const flagNames: readonly (readonly [number, string])[] = [
  [tcp.CWR, 'CWR '],
  [tcp.ECE, 'ECE '],
  [tcp.URG, 'URG '],
  [tcp.ACK, 'ACK '],
  [tcp.PSH, 'PSH '],
  [tcp.RST, 'RST '],
  [tcp.SYN, 'SYN '],
  [tcp.FIN, 'FIN '],
]

function flagWords(flags: number): string {
  return flagNames.map(([bit, name]) => ((flags & bit) !== 0 ? name : '')).join('')
}

function upperHex(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, '0')
}

function hexText(bytes: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let at = from; at < to; at++) text += upperHex(bytes[at])
  return text
}
