/** DHCPv6 (RFC 8415) as tcpdump prints it: the kind of message, and with -v its options. */
import { hex, type PacketText, visible } from './print-text.ts'

const messages = [
  '',
  'solicit',
  'advertise',
  'request',
  'confirm',
  'renew',
  'rebind',
  'reply',
  'release',
  'decline',
  'reconf',
  'inf-req',
  'relay-fwd',
  'relay-reply',
]
const RELAY_FORWARD = 12
const RELAY_REPLY = 13

const CLIENT_ID = 1
const SERVER_ID = 2
const IA_NA = 3
const IA_TA = 4
const IA_ADDRESS = 5
const REQUESTED = 6
const PREFERENCE = 7
const ELAPSED = 8
const RELAYED = 9
const STATUS = 13
const DNS_SERVERS = 23
const DNS_SEARCH = 24
const IA_PD = 25
const IA_PREFIX = 26
const SNTP_SERVERS = 31

const names = new Map<number, string>([
  [CLIENT_ID, 'client-ID'],
  [SERVER_ID, 'server-ID'],
  [IA_NA, 'IA_NA'],
  [IA_TA, 'IA_TA'],
  [IA_ADDRESS, 'IA_ADDR'],
  [REQUESTED, 'option-request'],
  [PREFERENCE, 'preference'],
  [ELAPSED, 'elapsed-time'],
  [RELAYED, 'relay-message'],
  [11, 'authentication'],
  [12, 'server-unicast'],
  [STATUS, 'status-code'],
  [14, 'rapid-commit'],
  [15, 'user-class'],
  [16, 'vendor-class'],
  [17, 'vendor-specific-info'],
  [18, 'interface-ID'],
  [19, 'reconfigure-message'],
  [20, 'reconfigure-accept'],
  [21, 'SIP-servers-domain'],
  [22, 'SIP-servers-address'],
  [DNS_SERVERS, 'DNS-server'],
  [DNS_SEARCH, 'DNS-search-list'],
  [IA_PD, 'IA_PD'],
  [IA_PREFIX, 'IA_PD-prefix'],
  [27, 'NIS-server'],
  [28, 'NISP-server'],
  [29, 'NIS-domain-name'],
  [30, 'NISP-domain-name'],
  [SNTP_SERVERS, 'SNTP-servers'],
  [32, 'lifetime'],
  [33, 'BCMCS-server'],
  [34, 'BCMCS-domain-name'],
  [39, 'Client-FQDN'],
])
const statuses = ['Success', 'UnspecFail', 'NoAddrsAvail', 'NoBinding', 'NotOnLink', 'UseMulticast', 'NoPrefixAvail']

export function printDhcp6(out: PacketText, at: number, length: number): void {
  out.protocol = 'dhcp6'
  out.text += 'dhcp6'
  const end = Math.min(out.end, at + length)
  if (at + 4 > end) {
    out.truncated()
    return
  }
  const type = out.u8(at)
  out.text += ` ${messages[type] || `msgtype-${type}`}`
  if (out.verbose === 0) return
  if (type === RELAY_FORWARD || type === RELAY_REPLY) {
    out.text += ` (linkaddr=${out.ipv6(at + 2)} peeraddr=${out.ipv6(at + 18)}`
    printOptions(out, at + 34, end)
    out.text += ')'
    return
  }
  out.text += ` (xid=${(out.u32(at) & 0xffffff).toString(16)}`
  printOptions(out, at + 4, end)
  out.text += ')'
}

function printOptions(out: PacketText, at: number, end: number): void {
  for (let option = at; option + 4 <= end; ) {
    const kind = out.u16(option)
    const length = out.u16(option + 2)
    const value = option + 4
    out.need(value, length)
    out.text += ` (${names.get(kind) ?? `opt_${kind}`}`
    printValue(out, kind, value, value + length)
    option = value + length
  }
}

function printValue(out: PacketText, kind: number, at: number, end: number): void {
  switch (kind) {
    case CLIENT_ID:
    case SERVER_ID:
      out.text += `${identifierText(out, at, end)})`
      break
    case IA_NA:
    case IA_PD:
      out.text += ` IAID:${out.u32(at)} T1:${out.u32(at + 4)} T2:${out.u32(at + 8)}`
      printOptions(out, at + 12, end)
      out.text += ')'
      break
    case IA_TA:
      out.text += ` IAID:${out.u32(at)}`
      printOptions(out, at + 4, end)
      out.text += ')'
      break
    case IA_ADDRESS:
      out.text += ` ${out.ipv6(at)} pltime:${out.u32(at + 16)} vltime:${out.u32(at + 20)}`
      printOptions(out, at + 24, end)
      out.text += ')'
      break
    case IA_PREFIX:
      out.text += ` ${out.ipv6(at + 9)}/${out.u8(at + 8)} pltime:${out.u32(at)} vltime:${out.u32(at + 4)}`
      printOptions(out, at + 25, end)
      out.text += ')'
      break
    case REQUESTED:
      for (let i = at; i + 2 <= end; i += 2) out.text += ` ${names.get(out.u16(i)) ?? `opt_${out.u16(i)}`}`
      out.text += ')'
      break
    case PREFERENCE:
      out.text += ` ${out.u8(at)})`
      break
    case ELAPSED:
      out.text += ` ${out.u16(at)})`
      break
    case RELAYED:
      out.text += ' ('
      printDhcp6(out, at, end - at)
      out.text += ')'
      break
    case STATUS:
      out.text += ` ${statuses[out.u16(at)] ?? `code${out.u16(at)}`})`
      break
    case DNS_SERVERS:
    case SNTP_SERVERS:
      for (let i = at; i + 16 <= end; i += 16) out.text += ` ${out.ipv6(i)}`
      out.text += ')'
      break
    case DNS_SEARCH:
      out.text += `${namesText(out, at, end)})`
      break
    default:
      out.text += end > at ? ` ${digits(out, at, end)})` : ')'
  }
}

/** A DHCP unique identifier (RFC 8415 section 11). */
function identifierText(out: PacketText, at: number, end: number): string {
  const kind = out.u16(at)
  if (kind === 1) return ` hwaddr/time type ${out.u16(at + 2)} time ${out.u32(at + 4)} ${digits(out, at + 8, end)}`
  if (kind === 2) return ` vid ${digits(out, at + 2, end)}`
  if (kind === 3) return ` hwaddr type ${out.u16(at + 2)} ${digits(out, at + 4, end)}`
  return ` type ${kind}`
}

function namesText(out: PacketText, at: number, end: number): string {
  let text = ''
  for (let label = at; label < end; ) {
    text += ' '
    for (let length = out.u8(label); length > 0 && label + 1 + length <= end; length = out.u8(label)) {
      text += `${visible(out.bytes, label + 1, label + 1 + length)}.`
      label += 1 + length
    }
    label++
  }
  return text
}

function digits(out: PacketText, at: number, end: number): string {
  return Array.from(out.bytes.subarray(at, end), (byte) => hex(byte, 2)).join('')
}
