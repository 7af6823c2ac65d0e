/**
 * What a capture file's link types put in front of the packet, as tcpdump prints it: Ethernet, Linux's cooked captures
 * (of `-i any`), bare IP, and BSD's loopback.
 *
 *   LINUX_SLL:   │ kind 2 │ ARPHRD 2 │ size 2 │ source 8 │ EtherType 2 │
 *   LINUX_SLL2:  │ EtherType 2 │ reserved 2 │ ifindex 4 │ ARPHRD 2 │ kind 1 │ size 1 │ source 8 │
 *   NULL, LOOP:  │ address family 4 │
 */
import { i32, put16, u16 } from './bytes.ts'
import * as ethernet from './ethernet.ts'
import { printEthernet, printPayload, typeText } from './print-ethernet.ts'
import { printLlc } from './print-llc.ts'
import type { PacketText } from './print-text.ts'

export const NULL = 0
export const ETHERNET = 1
export const RAW = 101
export const LOOP = 108
export const LINUX_SLL = 113
export const LINUX_SLL2 = 276
/** What some systems write for RAW. */
const OLD_RAW = [12, 14]

export interface LinkType {
  /** As `tcpdump -y` has it, and in words. */
  readonly name: string
  readonly title: string
  /** Bytes in front of the packet. */
  readonly header: number
  print(out: PacketText, at: number, length: number): void
  /** The EtherType of what follows; 0 when the header is cut or does not tell. */
  type(bytes: Uint8Array, at: number, end: number): number
}

const SLL_HEADER = 16
const SLL2_HEADER = 20
/** Protocols in place of an EtherType: Novell's raw frames, and those with an LLC header. */
const LINUX_SLL_P_802_3 = 1
export const LINUX_SLL_P_802_2 = 4
/** PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_OUTGOING. */
const kinds = ['In', 'B', 'M', 'P', 'Out']

/** `In `, `Out`; what stands in the header of a cooked capture. */
export function kindText(kind: number): string {
  return kinds[kind] ?? '?'
}

const raw: LinkType = {
  name: 'RAW',
  title: 'Raw IP',
  header: 0,
  print: printRaw,
  type: (bytes, at, end) => {
    if (at >= end) return 0
    const version = bytes[at] >> 4
    return version === 4 ? ethernet.ETH_P_IP : version === 6 ? ethernet.ETH_P_IPV6 : 0
  },
}
const loopback = { header: 4, print: printLoopback, type: loopbackType }

const linkTypes = new Map<number, LinkType>([
  [
    ETHERNET,
    {
      name: 'EN10MB',
      title: 'Ethernet',
      header: ethernet.HEADER,
      print: printEthernet,
      type: (bytes, at, end) => (at + ethernet.HEADER <= end ? u16(bytes, at + 12) : 0),
    },
  ],
  [
    LINUX_SLL,
    {
      name: 'LINUX_SLL',
      title: 'Linux cooked v1',
      header: SLL_HEADER,
      print: printSll,
      type: (bytes, at, end) => (at + SLL_HEADER <= end ? u16(bytes, at + 14) : 0),
    },
  ],
  [
    LINUX_SLL2,
    {
      name: 'LINUX_SLL2',
      title: 'Linux cooked v2',
      header: SLL2_HEADER,
      print: printSll2,
      type: (bytes, at, end) => (at + SLL2_HEADER <= end ? u16(bytes, at) : 0),
    },
  ],
  [NULL, { name: 'NULL', title: 'BSD loopback', ...loopback }],
  [LOOP, { name: 'LOOP', title: 'OpenBSD loopback', ...loopback }],
  [RAW, raw],
  ...OLD_RAW.map((number) => [number, raw] as const),
])

/** Null for a link type that podwire does not know. */
export function linkTypeOf(number: number): LinkType | null {
  return linkTypes.get(number) ?? null
}

/** Does the header tell that the packet went out? */
export function isOutgoing(linkType: number, bytes: Uint8Array): boolean {
  if (linkType === LINUX_SLL) return bytes.length >= SLL_HEADER && u16(bytes, 0) === 4
  return linkType === LINUX_SLL2 && bytes.length >= SLL2_HEADER && bytes[10] === 4
}

/** The packet as an Ethernet frame, for who knows only such: what the header does not tell is zero. */
export function asEthernet(linkType: number, bytes: Uint8Array): Uint8Array {
  const link = linkTypes.get(linkType)
  if (link === undefined || linkType === ETHERNET) return bytes
  const payload = Math.min(link.header, bytes.length)
  const frame = new Uint8Array(ethernet.HEADER + bytes.length - payload)
  const source = linkType === LINUX_SLL ? 6 : linkType === LINUX_SLL2 ? 12 : -1
  if (source >= 0)
    for (let i = 0; i < 6 && source + i < bytes.length; i++) frame[ethernet.SOURCE + i] = bytes[source + i]
  put16(frame, 12, link.type(bytes, 0, bytes.length))
  frame.set(bytes.subarray(payload), ethernet.HEADER)
  return frame
}

function printSll(out: PacketText, at: number, length: number): void {
  out.protocol = 'sll'
  out.need(at, SLL_HEADER)
  const type = out.u16(at + 14)
  const head = () => {
    out.text += `${kindText(out.u16(at)).padStart(3)} ${out.mac(at + 6)} `
    if (!out.quick) out.text += `${cookedTypeText(type)}, length ${length}: `
  }
  if (out.link) head()
  printCooked(out, type, at + SLL_HEADER, length - SLL_HEADER, head)
}

function printSll2(out: PacketText, at: number, length: number): void {
  out.protocol = 'sll2'
  out.need(at, SLL2_HEADER)
  const type = out.u16(at)
  const index = i32(out.bytes, at + 4)
  const head = () => {
    out.text += `ifindex ${index} ${out.mac(at + 12)} `
    if (!out.quick) out.text += `${cookedTypeText(type)}, length ${length}: `
  }
  out.text += `${out.interfaceName(index).padEnd(5)} ${kindText(out.u8(at + 10)).padEnd(3)} `
  if (out.link) head()
  printCooked(out, type, at + SLL2_HEADER, length - SLL2_HEADER, head)
}

/** An EtherType, or what Linux writes in its place for frames that have none. */
function cookedTypeText(type: number): string {
  if (type === LINUX_SLL_P_802_3) return '802.3'
  return type === LINUX_SLL_P_802_2 ? '802.2' : `ethertype ${typeText(type)}`
}

/** Behind a cooked header; `head` prints that where nobody knows what follows. */
function printCooked(out: PacketText, first: number, packet: number, total: number, head: () => void): void {
  let type = first
  let at = packet
  let length = total
  while (type === ethernet.ETH_P_8021Q) {
    out.protocol = 'vlan'
    if (!out.has(at, 4)) {
      out.truncated()
      return
    }
    const tag = out.u16(at)
    type = out.u16(at + 2)
    if (out.link) out.text += `vlan ${tag & 0xfff}, p ${tag >> 13}${tag & 0x1000 ? ', DEI' : ''}, `
    if (type < 0x600) type = LINUX_SLL_P_802_2
    if (!out.quick) out.text += `ethertype ${typeText(type).replace(/ \(.*/, '')}, `
    at += 4
    length -= 4
  }
  if (type === LINUX_SLL_P_802_2) {
    printLlc(out, -1, at, length)
    return
  }
  if (type >= 0x600) {
    if (printPayload(out, type, at, length)) return
    if (!out.link) head()
  }
  out.dumpUnknown(at)
}

function printRaw(out: PacketText, at: number, length: number): void {
  if (out.link) out.text += 'ip: '
  const version = out.u8(at) >> 4
  if (version === 4) printPayload(out, ethernet.ETH_P_IP, at, length)
  else if (version === 6) printPayload(out, ethernet.ETH_P_IPV6, at, length)
  else out.text += `unknown ip ${version}`
}

const AF_INET = 2
const families = new Map<number, string>([
  [0, 'Unknown'],
  [AF_INET, 'IPv4'],
  [6, 'NS'],
  [7, 'ISO'],
  [16, 'Appletalk'],
  [23, 'IPX'],
  [24, 'IPv6'],
  [28, 'IPv6'],
  [30, 'IPv6'],
])

/** In the byte order of the machine that captured, or of the network: what is too large in one is meant in the other. */
function familyOf(bytes: Uint8Array, at: number): number {
  const family = i32(bytes, at) >>> 0
  if (family <= 0xffff) return family
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

function loopbackType(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return 0
  const family = familyOf(bytes, at)
  if (family === AF_INET) return ethernet.ETH_P_IP
  return families.get(family) === 'IPv6' ? ethernet.ETH_P_IPV6 : 0
}

function printLoopback(out: PacketText, at: number, length: number): void {
  out.protocol = 'null'
  out.need(at, 4)
  const family = familyOf(out.bytes, at)
  const head = () => {
    out.text += out.quick
      ? `${families.get(family) ?? 'Unknown'}, length ${length}: `
      : `AF ${families.get(family) ?? 'Unknown'} (${family}), length ${length}: `
  }
  if (out.link) head()
  const type = loopbackType(out.bytes, at, at + 4)
  if (type !== 0) printPayload(out, type, at + 4, length - 4)
  else {
    if (!out.link) head()
    out.dumpUnknown(at + 4)
  }
}
