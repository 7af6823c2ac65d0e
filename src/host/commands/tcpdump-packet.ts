/** What a capture filter looks at in a frame that begins with its Ethernet header. */
import { type Ipv4, isMulticast, type Mac, sameMac } from '../../wire/address.ts'
import { i32, u16 } from '../../wire/bytes.ts'
import * as ethernet from '../../wire/ethernet.ts'
import * as ipv4 from '../../wire/ipv4.ts'

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

export type FilterDirection = 'src' | 'dst' | 'either' | 'both'

export function etherType(type: number): FrameTest {
  return (bytes, at, end) => ethernet.valid(at, end) && ethernet.type(bytes, at) === type
}

export const isIp: FrameTest = (bytes, at, end) =>
  end - at >= ethernet.HEADER + ipv4.HEADER && ethernet.type(bytes, at) === ethernet.ETH_P_IP

export function ipProtocol(protocol: number): FrameTest {
  return (bytes, at, end) => isIp(bytes, at, end) && ipv4.protocol(bytes, at + ethernet.HEADER) === protocol
}

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
  protocol: 'ip' | 'arp' | null,
  network: Ipv4,
  mask: number,
): FrameTest {
  const one = (ipAt: number, arpAt: number): FrameTest => {
    return (bytes, at, end) => {
      const header = at + ethernet.HEADER
      if (protocol !== 'arp' && isIp(bytes, at, end)) return ((i32(bytes, header + ipAt) & mask) | 0) === network
      if (protocol === 'ip' || !ethernet.valid(at, end) || ethernet.type(bytes, at) !== ethernet.ETH_P_ARP) return false
      return end - header >= 28 && ((i32(bytes, header + arpAt) & mask) | 0) === network
    }
  }
  return directed(direction, one(ipv4.SOURCE, ARP_SENDER), one(ipv4.DESTINATION, ARP_TARGET))
}

/** Where ARP for IPv4 over Ethernet keeps the protocol addresses (RFC 826). */
const ARP_SENDER = 14
const ARP_TARGET = 24

export function macTest(direction: FilterDirection, mac: Mac): FrameTest {
  const one = (place: number): FrameTest => {
    return (bytes, at, end) => ethernet.valid(at, end) && sameMac(bytes, at + place, mac, 0)
  }
  return directed(direction, one(ethernet.SOURCE), one(ethernet.DESTINATION))
}

/** Where the transport header begins; -1 in other packets and in later fragments. */
export function transportAt(bytes: Uint8Array, at: number, end: number, protocol: number): number {
  if (!isIp(bytes, at, end)) return -1
  const header = at + ethernet.HEADER
  if (ipv4.protocol(bytes, header) !== protocol || ipv4.fragmentOffset(bytes, header) !== 0) return -1
  return header + ipv4.headerLength(bytes, header)
}

/** `protocol` null: TCP or UDP. */
export function portTest(direction: FilterDirection, protocol: number | null, low: number, high: number): FrameTest {
  const protocols = protocol === null ? [ipv4.IPPROTO_TCP, ipv4.IPPROTO_UDP] : [protocol]
  const one = (place: number): FrameTest => {
    return (bytes, at, end) =>
      protocols.some((each) => {
        const header = transportAt(bytes, at, end, each)
        if (header < 0 || header + 4 > end) return false
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
    case 'tcp':
      return transportAt(bytes, at, end, ipv4.IPPROTO_TCP)
    case 'udp':
      return transportAt(bytes, at, end, ipv4.IPPROTO_UDP)
    default:
      return transportAt(bytes, at, end, ipv4.IPPROTO_ICMP)
  }
}
