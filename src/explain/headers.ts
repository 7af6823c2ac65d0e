/** The headers of a frame as values: for comparing two frames, and for finding the frames of one conversation. */
import { formatIpv4, formatMac } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import { u16 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vxlan from '../wire/vxlan.ts'

/** An Ethernet frame; with a tunnel, the outer one. */
export interface Headers {
  readonly length: number
  readonly sourceMac: string
  readonly destinationMac: string
  readonly vlan: number | null
  readonly arp: ArpHeader | null
  readonly ip: IpHeader | null
  /** The VXLAN network identifier of the frame inside. */
  readonly vni: number | null
  readonly inner: Headers | null
}

export interface ArpHeader {
  readonly request: boolean
  readonly sender: string
  readonly target: string
}

export interface IpHeader {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly ttl: number
  readonly tos: number
  readonly identification: number
  /** In bytes, header included. */
  readonly length: number
  /** In bytes: where a later fragment's payload belongs. */
  readonly fragmentOffset: number
  readonly moreFragments: boolean
  /** Of TCP and UDP, in a first fragment. */
  readonly sourcePort: number | null
  readonly destinationPort: number | null
  readonly tcp: TcpHeader | null
  readonly icmp: IcmpHeader | null
  /** The message's id, of UDP datagrams from or to port 53. */
  readonly dnsId: number | null
}

export interface TcpHeader {
  readonly flags: number
  readonly sequence: number
  readonly acknowledgment: number
  /** Bytes of payload, plus one each for SYN and FIN. */
  readonly space: number
}

export interface IcmpHeader {
  readonly type: number
  readonly code: number
  readonly identifier: number
  readonly sequence: number
  /** The packet that an error is about. */
  readonly quoted: IpHeader | null
}

const DNS = 53

/** Null for what is no Ethernet frame. */
export function headersOf(bytes: Uint8Array, at = 0, end = bytes.length): Headers | null {
  if (!ethernet.valid(at, end)) return null
  const tagged = ethernet.isTagged(bytes, at) && end - at >= ethernet.HEADER + ethernet.TAG
  const network = at + ethernet.HEADER + (tagged ? ethernet.TAG : 0)
  const type = u16(bytes, network - 2)
  const ip = type === ethernet.ETH_P_IP ? ipOf(bytes, network, end, false) : null
  const tunnelled = ip === null ? -1 : vxlanAt(bytes, network, end, ip)
  return {
    length: end - at,
    sourceMac: formatMac(bytes, at + ethernet.SOURCE),
    destinationMac: formatMac(bytes, at + ethernet.DESTINATION),
    vlan: tagged ? ethernet.vlanId(bytes, at) : null,
    arp: type === ethernet.ETH_P_ARP && arp.valid(bytes, network, end) ? arpOf(bytes, network) : null,
    ip,
    vni: tunnelled < 0 ? null : vxlan.vni(bytes, tunnelled),
    inner: tunnelled < 0 ? null : headersOf(bytes, tunnelled + vxlan.HEADER, end),
  }
}

/** The frame in the innermost tunnel. */
export function innermost(headers: Headers): Headers {
  let frame = headers
  while (frame.inner !== null) frame = frame.inner
  return frame
}

/** How many tunnels the packet is in. */
export function depth(headers: Headers): number {
  return headers.inner === null ? 0 : 1 + depth(headers.inner)
}

function arpOf(bytes: Uint8Array, at: number): ArpHeader {
  return {
    request: arp.operation(bytes, at) === arp.REQUEST,
    sender: formatIpv4(arp.sender(bytes, at)),
    target: formatIpv4(arp.target(bytes, at)),
  }
}

/** `quoted`: what an ICMP error holds of a packet is cut, and its ports are there all the same. */
function ipOf(bytes: Uint8Array, at: number, end: number, quoted: boolean): IpHeader | null {
  if (end - at < ipv4.HEADER || bytes[at] >> 4 !== 4) return null
  const header = ipv4.headerLength(bytes, at)
  if (header < ipv4.HEADER || end - at < header) return null
  const total = ipv4.totalLength(bytes, at)
  const stop = Math.min(end, at + total)
  const transport = at + header
  const protocol = ipv4.protocol(bytes, at)
  const fragmentOffset = ipv4.fragmentOffset(bytes, at)
  const ported = protocol === ipv4.IPPROTO_TCP || protocol === ipv4.IPPROTO_UDP
  const ports = ported && fragmentOffset === 0 && stop - transport >= 4
  const sourcePort = ports ? u16(bytes, transport) : null
  const destinationPort = ports ? u16(bytes, transport + 2) : null
  const dns = protocol === ipv4.IPPROTO_UDP && (sourcePort === DNS || destinationPort === DNS)
  return {
    source: formatIpv4(ipv4.source(bytes, at)),
    destination: formatIpv4(ipv4.destination(bytes, at)),
    protocol,
    ttl: ipv4.ttl(bytes, at),
    tos: ipv4.tos(bytes, at),
    identification: ipv4.identification(bytes, at),
    length: total,
    fragmentOffset,
    moreFragments: (ipv4.fragmentField(bytes, at) & ipv4.MF) !== 0,
    sourcePort,
    destinationPort,
    tcp: ports && protocol === ipv4.IPPROTO_TCP ? tcpOf(bytes, transport, stop) : null,
    icmp: protocol === ipv4.IPPROTO_ICMP && fragmentOffset === 0 && !quoted ? icmpOf(bytes, transport, stop) : null,
    dnsId: dns && stop - transport >= udp.HEADER + 2 ? u16(bytes, transport + udp.HEADER) : null,
  }
}

function tcpOf(bytes: Uint8Array, at: number, end: number): TcpHeader | null {
  if (end - at < tcp.HEADER) return null
  const flags = tcp.flags(bytes, at)
  const payload = Math.max(0, end - at - tcp.headerLength(bytes, at))
  const marks = ((flags & tcp.SYN) !== 0 ? 1 : 0) + ((flags & tcp.FIN) !== 0 ? 1 : 0)
  return {
    flags,
    sequence: tcp.sequence(bytes, at) >>> 0,
    acknowledgment: tcp.acknowledgment(bytes, at) >>> 0,
    space: payload + marks,
  }
}

function icmpOf(bytes: Uint8Array, at: number, end: number): IcmpHeader | null {
  if (end - at < icmp.HEADER) return null
  const type = icmp.type(bytes, at)
  return {
    type,
    code: icmp.code(bytes, at),
    identifier: icmp.identifier(bytes, at),
    sequence: icmp.sequence(bytes, at),
    quoted: icmp.isError(type) ? ipOf(bytes, at + icmp.HEADER, end, true) : null,
  }
}

/** Where the VXLAN header is; -1: the datagram is none. */
function vxlanAt(bytes: Uint8Array, network: number, end: number, ip: IpHeader): number {
  if (ip.protocol !== ipv4.IPPROTO_UDP || ip.fragmentOffset !== 0 || ip.moreFragments) return -1
  if (ip.destinationPort !== vxlan.PORT_LINUX && ip.destinationPort !== vxlan.PORT_IANA) return -1
  const at = network + ipv4.headerLength(bytes, network) + udp.HEADER
  return vxlan.valid(bytes, at, end) ? at : -1
}

const flagNames: readonly (readonly [flag: number, name: string])[] = [
  [tcp.SYN, 'SYN'],
  [tcp.FIN, 'FIN'],
  [tcp.RST, 'RST'],
  [tcp.PSH, 'PSH'],
  [tcp.ACK, 'ACK'],
]

/** In a few words: `TCP SYN 10.244.1.2:38054 → 10.96.0.10:80`; what is in a tunnel stands for the whole. */
export function summary(headers: Headers | null): string {
  if (headers === null) return 'a frame without Ethernet header'
  const frame = innermost(headers)
  const { ip } = frame
  if (frame.arp !== null) {
    const { request, sender, target } = frame.arp
    return request ? `ARP: who has ${target}? asks ${sender}` : `ARP: ${sender} is here, says it to ${target}`
  }
  if (ip === null) return `a frame from ${frame.sourceMac} to ${frame.destinationMac}`
  if (ip.tcp !== null) {
    const names = flagNames.filter(([flag]) => ((ip.tcp?.flags ?? 0) & flag) !== 0).map(([, name]) => name)
    return `TCP ${names.join(' ')} ${ends(ip)}`
  }
  if (ip.dnsId !== null) return `DNS ${ip.destinationPort === DNS ? 'query' : 'answer'} ${ends(ip)}`
  if (ip.icmp !== null) return `ICMP ${icmpName(ip.icmp)} ${ends(ip)}`
  if (ip.fragmentOffset > 0) return `${protocolName(ip.protocol)} fragment at ${ip.fragmentOffset} ${ends(ip)}`
  return `${protocolName(ip.protocol)} ${ends(ip)}`
}

/** `10.244.1.2:38054 → 10.96.0.10:80`. */
function ends(ip: IpHeader): string {
  return `${endpoint(ip.source, ip.sourcePort)} → ${endpoint(ip.destination, ip.destinationPort)}`
}

export function endpoint(address: string, port: number | null): string {
  return port === null ? address : `${address}:${port}`
}

export function protocolName(protocol: number): string {
  if (protocol === ipv4.IPPROTO_TCP) return 'TCP'
  if (protocol === ipv4.IPPROTO_UDP) return 'UDP'
  return protocol === ipv4.IPPROTO_ICMP ? 'ICMP' : `IP protocol ${protocol}`
}

export function icmpName({ type, code }: IcmpHeader): string {
  if (type === icmp.ECHO_REQUEST) return 'echo request'
  if (type === icmp.ECHO_REPLY) return 'echo reply'
  if (type === icmp.TIME_EXCEEDED) return 'time exceeded'
  if (type === icmp.REDIRECT) return 'redirect'
  if (type !== icmp.DESTINATION_UNREACHABLE) return `type ${type}`
  if (code === icmp.NET_UNREACHABLE) return 'network unreachable'
  if (code === icmp.HOST_UNREACHABLE) return 'host unreachable'
  if (code === icmp.PORT_UNREACHABLE) return 'port unreachable'
  if (code === icmp.FRAGMENTATION_NEEDED) return 'fragmentation needed'
  return 'destination unreachable'
}
