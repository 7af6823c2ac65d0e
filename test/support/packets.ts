/** Packets from the inside out: each maker puts its header in front of what it is given. */
import { type Ipv4, type Mac, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import * as vxlan from '../../src/wire/vxlan.ts'

export interface Station {
  readonly mac: Mac
  readonly address: Ipv4
}

export const alice: Station = { mac: parseMac('0a:58:0a:f4:01:02'), address: parseIpv4('10.244.1.2') }
export const bob: Station = { mac: parseMac('0a:58:0a:f4:01:03'), address: parseIpv4('10.244.1.3') }

export const nothing = new Uint8Array(0)

/** `count` bytes: 0, 1, 2, … */
export function payload(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => index)
}

export function text(characters: string): Uint8Array {
  return new Uint8Array(Buffer.from(characters))
}

function inFront(header: number, rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(header + rest.length)
  bytes.set(rest, header)
  return bytes
}

export function inEthernet(to: Mac, from: Mac, type: number, rest: Uint8Array): Uint8Array {
  const bytes = inFront(ethernet.HEADER, rest)
  ethernet.write(bytes, 0, to, from, type)
  return bytes
}

export interface IpFields {
  readonly ttl?: number
  readonly tos?: number
  readonly id?: number
  readonly fragment?: number
}

export function inIpv4(from: Ipv4, to: Ipv4, protocol: number, rest: Uint8Array, fields: IpFields = {}): Uint8Array {
  const bytes = inFront(ipv4.HEADER, rest)
  const { ttl = 64, tos = 0, id = 1, fragment = ipv4.DF } = fields
  ipv4.write(bytes, 0, bytes.length, from, to, protocol, ttl, tos, id, fragment)
  return bytes
}

export function icmpMessage(type: number, code: number, id: number, sequence: number, rest: Uint8Array): Uint8Array {
  const bytes = inFront(icmp.HEADER, rest)
  icmp.write(bytes, 0, bytes.length, type, code, id, sequence)
  return bytes
}

export function datagram(from: Ipv4, to: Ipv4, fromPort: number, toPort: number, rest: Uint8Array): Uint8Array {
  const bytes = inFront(udp.HEADER, rest)
  udp.write(bytes, 0, bytes.length, from, to, fromPort, toPort)
  return bytes
}

export interface SegmentFields {
  readonly sequence: number
  readonly acknowledgment?: number
  readonly flags: number
  readonly window?: number
  /** A multiple of four bytes. */
  readonly options?: Uint8Array
  readonly data?: Uint8Array
}

export function segment(from: Ipv4, to: Ipv4, fromPort: number, toPort: number, fields: SegmentFields): Uint8Array {
  const { sequence, acknowledgment = 0, flags, window = 64_240, options = nothing, data = nothing } = fields
  const header = tcp.HEADER + options.length
  const bytes = inFront(header, data)
  bytes.set(options, tcp.HEADER)
  tcp.write(bytes, 0, bytes.length, header, from, to, fromPort, toPort, sequence, acknowledgment, flags, window)
  return bytes
}

/** The packet of `from`, in a frame for `to`. */
export function frameTo(to: Station, from: Station, protocol: number, rest: Uint8Array, fields?: IpFields): Uint8Array {
  return inEthernet(to.mac, from.mac, ethernet.ETH_P_IP, inIpv4(from.address, to.address, protocol, rest, fields))
}

export function ping(to: Station, from: Station, sequence = 1): Uint8Array {
  return frameTo(to, from, ipv4.IPPROTO_ICMP, icmpMessage(icmp.ECHO_REQUEST, 0, 7, sequence, payload(56)))
}

export function udpFrame(to: Station, from: Station, fromPort: number, toPort: number, rest: Uint8Array): Uint8Array {
  return frameTo(to, from, ipv4.IPPROTO_UDP, datagram(from.address, to.address, fromPort, toPort, rest))
}

export function tcpFrame(
  to: Station,
  from: Station,
  fromPort: number,
  toPort: number,
  fields: SegmentFields,
): Uint8Array {
  return frameTo(to, from, ipv4.IPPROTO_TCP, segment(from.address, to.address, fromPort, toPort, fields))
}

export function arpFrame(to: Mac, from: Station, operation: number, targetMac: Mac, target: Ipv4): Uint8Array {
  const bytes = new Uint8Array(arp.LENGTH)
  arp.write(bytes, 0, operation, from.mac, from.address, targetMac, target)
  return inEthernet(to, from.mac, ethernet.ETH_P_ARP, bytes)
}

export function inVxlan(to: Station, from: Station, port: number, vni: number, frame: Uint8Array): Uint8Array {
  const bytes = inFront(vxlan.HEADER, frame)
  vxlan.write(bytes, 0, vni)
  return udpFrame(to, from, 45_921, port, bytes)
}

/** One question for `name`, asked of a recursive server. */
export function dnsQuery(id: number, name: string, type = 1): Uint8Array {
  const head = [id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
  return Uint8Array.from([...head, ...dnsName(name), type >> 8, type & 255, 0, 1])
}

/** The answer of an authority: the name's address, names compressed. */
export function dnsAnswer(id: number, name: string, address: Ipv4): Uint8Array {
  const head = [id >> 8, id & 255, 0x85, 0, 0, 1, 0, 1, 0, 0, 0, 0]
  const octets = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255]
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, ...octets]
  return Uint8Array.from([...head, ...dnsName(name), 0, 1, 0, 1, ...record])
}

function dnsName(name: string): number[] {
  return [...name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]), 0]
}
