/**
 * Frames as text: what `tcpdump -nn` 4.99 prints for them, without the time stamp. A VXLAN frame takes two lines,
 * as there: the second is the frame inside. Any bytes give some text.
 */
import { formatIpv4, formatMac } from './address.ts'
import * as arp from './arp.ts'
import { u16 } from './bytes.ts'
import * as ethernet from './ethernet.ts'
import { type Printer, printIpv4 } from './print-ipv4.ts'
import type { TcpConversations } from './print-tcp.ts'

export interface PrintOptions {
  /** `-e`: the Ethernet header too. */
  readonly link?: boolean
  /** `-v`: IP's fields, and whether the checksums are right. */
  readonly verbose?: boolean
  /** TCP sequence numbers relative to their connections' first; without it they are absolute, as with `-S`. */
  readonly conversations?: TcpConversations
}

const typeNames = new Map<number, string>([
  [ethernet.ETH_P_IP, 'IPv4'],
  [ethernet.ETH_P_ARP, 'ARP'],
  [ethernet.ETH_P_IPV6, 'IPv6'],
  [ethernet.ETH_P_8021Q, '802.1Q'],
  [0x88a8, '802.1Q-QinQ'],
  [0x88cc, 'LLDP'],
  [0x8847, 'MPLS unicast'],
  [0x8863, 'PPPoE D'],
  [0x8864, 'PPPoE S'],
])

const operationNames = ['', 'Request', 'Reply', 'Reverse Request', 'Reverse Reply']

/** The text for the frame that stands at `at`..`end`. */
export function printFrame(bytes: Uint8Array, at: number, end: number, options: PrintOptions = {}): string {
  const printer: Printer = {
    link: options.link ?? false,
    verbose: options.verbose ?? false,
    conversations: options.conversations ?? null,
    frame: (inner, innerAt, innerEnd) => printEthernet(printer, inner, innerAt, innerEnd),
  }
  return printer.frame(bytes, at, end)
}

function printEthernet(printer: Printer, bytes: Uint8Array, at: number, end: number): string {
  if (!ethernet.valid(at, end)) return '[|ether]'
  const type = ethernet.type(bytes, at)
  let head = ''
  if (printer.link) {
    const addresses = `${formatMac(bytes, at + ethernet.SOURCE)} > ${formatMac(bytes, at + ethernet.DESTINATION)}`
    head = `${addresses}, ${typeText(type)}, length ${end - at}: `
  }
  return head + printPayload(printer, type, bytes, at + ethernet.HEADER, end)
}

/** Below 0x600 the field is a length: IEEE 802.3. */
function typeText(type: number): string {
  if (type < 0x600) return '802.3'
  return `ethertype ${typeNames.get(type) ?? 'Unknown'} (0x${hex(type, 4)})`
}

function printPayload(printer: Printer, type: number, bytes: Uint8Array, at: number, end: number): string {
  switch (type) {
    case ethernet.ETH_P_IP:
      return printIpv4(printer, bytes, at, end)
    case ethernet.ETH_P_ARP:
      return printArp(printer, bytes, at, end)
    case ethernet.ETH_P_8021Q:
      return printVlan(printer, bytes, at, end)
    case ethernet.ETH_P_IPV6:
      return `${printer.link ? '' : 'IP6 '}podwire: IPv6 is not modelled`
    default:
      return printer.link
        ? 'podwire: this type is not modelled'
        : `${typeText(type)}, length ${end - at + ethernet.HEADER}`
  }
}

function printVlan(printer: Printer, bytes: Uint8Array, at: number, end: number): string {
  if (end - at < 4) return '[|vlan]'
  const tag = u16(bytes, at)
  const type = u16(bytes, at + 2)
  const text = `vlan ${tag & 0xfff}, p ${tag >> 13}${tag & 0x1000 ? ', DEI' : ''}, ${typeText(type)}, `
  return (printer.link ? text : '') + printPayload(printer, type, bytes, at + 4, end)
}

function printArp(printer: Printer, bytes: Uint8Array, at: number, end: number): string {
  const head = printer.link ? '' : 'ARP, '
  if (end - at < arp.LENGTH) return `${head}[|arp]`
  if (!arp.valid(bytes, at, end)) return `${head}podwire: only Ethernet and IPv4 are modelled, length ${end - at}`
  const kinds = printer.verbose ? 'Ethernet (len 6), IPv4 (len 4), ' : ''
  const operation = arp.operation(bytes, at)
  const sender = formatIpv4(arp.sender(bytes, at))
  let text = `${operationNames[operation] ?? `Unknown (${operation})`}`
  if (operation === arp.REQUEST) {
    text += ` who-has ${formatIpv4(arp.target(bytes, at))}`
    if (!allZero(bytes, at + arp.TARGET_MAC, 6)) text += ` (${formatMac(bytes, at + arp.TARGET_MAC)})`
    text += ` tell ${sender}`
  } else if (operation === arp.REPLY) {
    text += ` ${sender} is-at ${formatMac(bytes, at + arp.SENDER_MAC)}`
  }
  return `${head}${kinds}${text}, length ${end - at}`
}

function allZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== 0) return false
  return true
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
