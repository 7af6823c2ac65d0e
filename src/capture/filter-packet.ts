/** What a capture filter looks at in a frame that begins with its Ethernet header. */
import { type Ipv4, isMulticast, type Mac, sameMac } from '../wire/address.ts'
import { i32, u16 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'

/** True for the frames that the filter wants. */
export type FrameTest = (
  bytes: Uint8Array,
  at: number,
  end: number,
  /** It goes out, where that is known. */
  outgoing?: boolean,
  /** Bytes on the wire, when the capture holds fewer. */
  length?: number,
) => boolean

/** A filter that reads behind the captured bytes rejects the frame, whatever stands around it (bpf_filter). */
export const beyondCapture = new Error('beyond the captured bytes')

function need(at: number, length: number, end: number): void {
  if (at + length > end) throw beyondCapture
}

export type FilterDirection = 'src' | 'dst' | 'either' | 'both'

export function etherType(type: number): FrameTest {
  return (bytes, at, end) => {
    need(at, ethernet.HEADER, end)
    return ethernet.type(bytes, at) === type
  }
}

export const isIp: FrameTest = etherType(ethernet.ETH_P_IP)
export const isIp6: FrameTest = etherType(ethernet.ETH_P_IPV6)

export function ipProtocol(protocol: number): FrameTest {
  return (bytes, at, end) => {
    if (!isIp(bytes, at, end)) return false
    need(at, IP_PROTOCOL + 1, end)
    return bytes[at + IP_PROTOCOL] === protocol
  }
}

/** The next header, and the one behind a fragment header. */
export function ip6Protocol(protocol: number): FrameTest {
  return (bytes, at, end) => {
    if (!isIp6(bytes, at, end)) return false
    need(at, IP6_NEXT + 1, end)
    if (bytes[at + IP6_NEXT] === protocol) return true
    if (bytes[at + IP6_NEXT] !== IPPROTO_FRAGMENT) return false
    need(at, IP6_END + 1, end)
    return bytes[at + IP6_END] === protocol
  }
}

const IP_PROTOCOL = ethernet.HEADER + 9
const IP6_NEXT = ethernet.HEADER + 6
const IP6_END = ethernet.HEADER + 40
const IPPROTO_FRAGMENT = 44

/** Combines a question about the source and one about the destination. */
function directed(direction: FilterDirection, source: FrameTest, destination: FrameTest): FrameTest {
  if (direction === 'src') return source
  if (direction === 'dst') return destination
  if (direction === 'both') return (bytes, at, end) => source(bytes, at, end) && destination(bytes, at, end)
  return (bytes, at, end) => source(bytes, at, end) || destination(bytes, at, end)
}

/** Addresses of IP headers, and of ARP, unless only one of them is asked for. */
export function addressTest(
  direction: FilterDirection,
  protocol: 'ip' | 'arp' | 'rarp' | null,
  network: Ipv4,
  mask: number,
): FrameTest {
  const one = (ipAt: number, arpAt: number): FrameTest => {
    return (bytes, at, end) => {
      const header = at + ethernet.HEADER
      need(at, ethernet.HEADER, end)
      const type = ethernet.type(bytes, at)
      const place = type === ethernet.ETH_P_IP ? ipAt : arpAt
      const wanted = type === ethernet.ETH_P_IP ? 'ip' : type === ETH_P_RARP ? 'rarp' : 'arp'
      if (wanted === 'arp' && type !== ethernet.ETH_P_ARP) return false
      if (protocol !== null && protocol !== wanted) return false
      need(header + place, 4, end)
      return ((i32(bytes, header + place) & mask) | 0) === network
    }
  }
  return directed(direction, one(ipv4.SOURCE, ARP_SENDER), one(ipv4.DESTINATION, ARP_TARGET))
}

/** Where ARP for IPv4 over Ethernet keeps the protocol addresses (RFC 826). */
const ARP_SENDER = 14
const ARP_TARGET = 24
const ETH_P_RARP = 0x8035

export function macTest(direction: FilterDirection, mac: Mac): FrameTest {
  const one = (place: number): FrameTest => {
    return (bytes, at, end) => {
      need(at + place, 6, end)
      return sameMac(bytes, at + place, mac, 0)
    }
  }
  return directed(direction, one(ethernet.SOURCE), one(ethernet.DESTINATION))
}

/** Where the transport header begins; -1 in other packets and in later fragments. */
export function transportAt(bytes: Uint8Array, at: number, end: number, protocol: number): number {
  if (!isIp(bytes, at, end)) return -1
  const header = at + ethernet.HEADER
  need(at, IP_PROTOCOL + 1, end)
  if (ipv4.protocol(bytes, header) !== protocol || ipv4.fragmentOffset(bytes, header) !== 0) return -1
  return header + ipv4.headerLength(bytes, header)
}

/** `protocol` null: TCP or UDP. */
export function portTest(direction: FilterDirection, protocol: number | null, low: number, high: number): FrameTest {
  const protocols = protocol === null ? [ipv4.IPPROTO_TCP, ipv4.IPPROTO_UDP] : [protocol]
  const one = (place: number): FrameTest => {
    return (bytes, at, end) =>
      protocols.some((each) => {
        let header = transportAt(bytes, at, end, each)
        if (header < 0 && isIp6(bytes, at, end)) {
          need(at, IP6_NEXT + 1, end)
          if (bytes[at + IP6_NEXT] === each) header = at + IP6_END
        }
        if (header < 0) return false
        need(header + place, 2, end)
        const port = u16(bytes, header + place)
        return port >= low && port <= high
      })
  }
  return directed(direction, one(0), one(2))
}

/** UDP that carries VXLAN, by its ports and flags; `vni` null: any. */
export function vxlanTest(vni: number | null): FrameTest {
  return (bytes, at, end) => {
    const header = transportAt(bytes, at, end, ipv4.IPPROTO_UDP)
    if (header < 0 || header + 16 > end) return false
    const port = u16(bytes, header + 2)
    if ((port !== 4789 && port !== 8472) || (bytes[header + 8] & 8) === 0) return false
    return vni === null || i32(bytes, header + 12) >>> 8 === vni
  }
}

export function groupTest(protocol: string | null, broadcast: boolean): FrameTest {
  if (protocol !== 'ip') {
    return (bytes, at, end) =>
      ethernet.valid(at, end) && (broadcast ? ethernet.isBroadcast(bytes, at) : ethernet.isGroup(bytes, at))
  }
  return (bytes, at, end) => {
    if (!isIp(bytes, at, end)) return false
    const destination = ipv4.destination(bytes, at + ethernet.HEADER)
    return broadcast ? destination === -1 : isMulticast(destination)
  }
}

/** Where `name[0]` is; -1 when the frame has no such header. */
export function headerAt(name: string, bytes: Uint8Array, at: number, end: number): number {
  switch (name) {
    case 'ether':
      return at
    case 'ip':
      return isIp(bytes, at, end) ? at + ethernet.HEADER : -1
    case 'arp':
      return ethernet.type(bytes, at) === ethernet.ETH_P_ARP ? at + ethernet.HEADER : -1
    case 'rarp':
      return ethernet.type(bytes, at) === ETH_P_RARP ? at + ethernet.HEADER : -1
    case 'ip6':
      return isIp6(bytes, at, end) ? at + ethernet.HEADER : -1
    case 'icmp6':
      return ip6Protocol(58)(bytes, at, end) ? at + IP6_END : -1
    case 'igmp':
      return transportAt(bytes, at, end, 2)
    case 'sctp':
      return transportAt(bytes, at, end, 132)
    case 'tcp':
      return transportAt(bytes, at, end, ipv4.IPPROTO_TCP)
    case 'udp':
      return transportAt(bytes, at, end, ipv4.IPPROTO_UDP)
    default:
      return transportAt(bytes, at, end, ipv4.IPPROTO_ICMP)
  }
}
