/** The headers of a captured packet as an object, layer by layer, for readers of files; the bytes may end anywhere. */
import { formatIpv4, formatMac, type Ipv4 } from './address.ts'
import { i32, u16 } from './bytes.ts'
import * as ethernet from './ethernet.ts'
import { ETHERNET, linkTypeOf } from './print-link.ts'
import { formatIpv6 } from './print-text.ts'
import * as vxlan from './vxlan.ts'

export interface TcpFields {
  readonly flags: number
  readonly sequence: number
  readonly acknowledgment: number
  readonly window: number
}

/** One packet; what it lacks, or what was cut off, is null. */
export interface Headers {
  readonly sourceMac: string | null
  readonly destinationMac: string | null
  /** The VLANs of its tags, the outer first. */
  readonly vlans: readonly number[]
  readonly etherType: number
  readonly ip: IpFields | null
  readonly tcp: TcpFields | null
  /** Of TCP, UDP and SCTP. */
  readonly sourcePort: number | null
  readonly destinationPort: number | null
  /** Type and code of ICMP, and of ICMPv6. */
  readonly icmp: { readonly type: number; readonly code: number; readonly id: number | null } | null
  readonly arp: { readonly operation: number; readonly sender: string; readonly target: string } | null
  /** What the transport protocol carries, or IP where that is not known. */
  readonly payload: { readonly at: number; readonly end: number } | null
  /** VXLAN's network, and the frame inside. */
  readonly vni: number | null
  readonly inner: Headers | null
}

export interface IpFields {
  readonly version: 4 | 6
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly ttl: number
  readonly id: number | null
  /** In bytes; with `more` false and 0 it is no fragment. */
  readonly fragmentOffset: number
  readonly moreFragments: boolean
}

const ICMP = 1
const TCP = 6
const UDP = 17
const ICMP6 = 58
const SCTP = 132
const FRAGMENT = 44
/** Hop-by-hop options, routing, destination options: a length in units of eight bytes behind the next header. */
const extensions = new Set([0, 43, 60])

const nothing: Headers = {
  sourceMac: null,
  destinationMac: null,
  vlans: [],
  etherType: 0,
  ip: null,
  tcp: null,
  sourcePort: null,
  destinationPort: null,
  icmp: null,
  arp: null,
  payload: null,
  vni: null,
  inner: null,
}

/** A packet of a capture with this link type. */
export function headersOf(linkType: number, bytes: Uint8Array, at: number, end: number): Headers {
  if (linkType === ETHERNET) return frameHeaders(bytes, at, end)
  const link = linkTypeOf(linkType)
  if (link === null || at + link.header > end) return nothing
  return packetHeaders(bytes, at + link.header, end, { ...nothing, etherType: link.type(bytes, at, end) })
}

/** The headers of the packet that tunnels carry, or its own. */
export function innermost(headers: Headers): Headers {
  return headers.inner === null || headers.inner.etherType === 0 ? headers : innermost(headers.inner)
}

function frameHeaders(bytes: Uint8Array, at: number, end: number): Headers {
  if (at + ethernet.HEADER > end) return nothing
  const sourceMac = formatMac(bytes, at + ethernet.SOURCE)
  const destinationMac = formatMac(bytes, at)
  const vlans: number[] = []
  let payload = at + ethernet.HEADER
  let etherType = u16(bytes, at + 12)
  while (ethernet.isTag(etherType) && payload + 4 <= end) {
    vlans.push(u16(bytes, payload) & 0xfff)
    etherType = u16(bytes, payload + 2)
    payload += 4
  }
  return packetHeaders(bytes, payload, end, { ...nothing, sourceMac, destinationMac, vlans, etherType })
}

function packetHeaders(bytes: Uint8Array, at: number, end: number, below: Headers): Headers {
  switch (below.etherType) {
    case ethernet.ETH_P_IP:
      return ipv4Headers(bytes, at, end, below)
    case ethernet.ETH_P_IPV6:
      return ipv6Headers(bytes, at, end, below)
    case ethernet.ETH_P_ARP:
      return arpHeaders(bytes, at, end, below)
    default:
      return below
  }
}

function arpHeaders(bytes: Uint8Array, at: number, end: number, below: Headers): Headers {
  if (at + 28 > end || u16(bytes, at + 2) !== ethernet.ETH_P_IP) return below
  const address = (place: number) => formatIpv4(i32(bytes, at + place) as Ipv4)
  return { ...below, arp: { operation: u16(bytes, at + 6), sender: address(14), target: address(24) } }
}

function ipv4Headers(bytes: Uint8Array, at: number, end: number, below: Headers): Headers {
  if (at + 20 > end || bytes[at] >> 4 !== 4) return below
  const header = (bytes[at] & 15) * 4
  const total = u16(bytes, at + 2)
  const field = u16(bytes, at + 6)
  const ip: IpFields = {
    version: 4,
    source: formatIpv4(i32(bytes, at + 12) as Ipv4),
    destination: formatIpv4(i32(bytes, at + 16) as Ipv4),
    protocol: bytes[at + 9],
    ttl: bytes[at + 8],
    id: u16(bytes, at + 4),
    fragmentOffset: (field & 0x1fff) * 8,
    moreFragments: (field & 0x2000) !== 0,
  }
  if (header < 20 || total < header) return { ...below, ip }
  return transport(bytes, at + header, Math.min(end, at + total), ip.protocol, { ...below, ip })
}

function ipv6Headers(bytes: Uint8Array, at: number, end: number, below: Headers): Headers {
  if (at + 40 > end || bytes[at] >> 4 !== 6) return below
  const stop = Math.min(end, at + 40 + u16(bytes, at + 4))
  let protocol = bytes[at + 6]
  let place = at + 40
  let id: number | null = null
  let field = 0
  while ((extensions.has(protocol) || protocol === FRAGMENT) && place + 8 <= stop) {
    if (protocol === FRAGMENT) {
      field = u16(bytes, place + 2)
      id = i32(bytes, place + 4) >>> 0
    }
    const size = protocol === FRAGMENT ? 8 : (bytes[place + 1] + 1) * 8
    protocol = bytes[place]
    place += size
  }
  const ip: IpFields = {
    version: 6,
    source: formatIpv6(bytes, at + 8),
    destination: formatIpv6(bytes, at + 24),
    protocol,
    ttl: bytes[at + 7],
    id,
    fragmentOffset: field & 0xfff8,
    moreFragments: (field & 1) !== 0,
  }
  return transport(bytes, place, stop, protocol, { ...below, ip })
}

function transport(bytes: Uint8Array, at: number, end: number, protocol: number, below: Headers): Headers {
  if (at > end) return below
  const { ip } = below
  if (ip === null || ip.fragmentOffset > 0) return { ...below, payload: { at, end } }
  const payload = (header: number) => ({ at: Math.min(at + header, end), end })
  if ((protocol === ICMP || protocol === ICMP6) && at + 4 <= end) {
    const echo = protocol === ICMP ? bytes[at] === 0 || bytes[at] === 8 : bytes[at] === 128 || bytes[at] === 129
    const id = echo && at + 6 <= end ? u16(bytes, at + 4) : null
    return { ...below, icmp: { type: bytes[at], code: bytes[at + 1], id }, payload: payload(8) }
  }
  if ((protocol !== TCP && protocol !== UDP && protocol !== SCTP) || at + 4 > end) {
    return { ...below, payload: { at, end } }
  }
  const ports = { sourcePort: u16(bytes, at), destinationPort: u16(bytes, at + 2) }
  if (protocol === TCP && at + 20 <= end) {
    const tcp: TcpFields = {
      flags: bytes[at + 13],
      sequence: i32(bytes, at + 4) >>> 0,
      acknowledgment: i32(bytes, at + 8) >>> 0,
      window: u16(bytes, at + 14),
    }
    return { ...below, ...ports, tcp, payload: payload((bytes[at + 12] >> 4) * 4) }
  }
  if (protocol !== UDP || at + 8 > end) return { ...below, ...ports }
  const said = Math.max(u16(bytes, at + 4), 8)
  const data = { at: at + 8, end: Math.min(end, at + said) }
  const port = ports.destinationPort
  const tunnel = port === vxlan.PORT_IANA || port === vxlan.PORT_LINUX
  if (!tunnel || data.at + vxlan.HEADER > data.end || (bytes[data.at] & 8) === 0) {
    return { ...below, ...ports, payload: data }
  }
  const vni = i32(bytes, data.at + 4) >>> 8
  const inner = frameHeaders(bytes, data.at + vxlan.HEADER, data.end)
  return { ...below, ...ports, payload: data, vni, inner }
}

const protocolNames = new Map([
  [ICMP, 'ICMP'],
  [2, 'IGMP'],
  [TCP, 'TCP'],
  [UDP, 'UDP'],
  [47, 'GRE'],
  [ICMP6, 'ICMPv6'],
  [SCTP, 'SCTP'],
])

/** What the packet is called in one word: `TCP`, `ARP`, `IPv6`, `0x88cc`. */
export function protocolWord(headers: Headers): string {
  if (headers.arp !== null || headers.etherType === ethernet.ETH_P_ARP) return 'ARP'
  if (headers.ip !== null) return protocolNames.get(headers.ip.protocol) ?? `IP protocol ${headers.ip.protocol}`
  if (headers.etherType === 0) return 'unknown'
  return headers.etherType < 0x600 ? 'LLC' : `0x${headers.etherType.toString(16).padStart(4, '0')}`
}
