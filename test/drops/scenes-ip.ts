/** Drops of IPv4, its fragments, and the rules. */
import { Sockets } from '../../src/socket/sockets.ts'
import { MAC_BROADCAST, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { datagram, inEthernet, inIpv4, payload } from '../support/packets.ts'
import { FAR_MAC, HOST, PEER, type Scenes, type Site, scene } from './site.ts'

/** No protocol of this number is spoken. */
const OTHER = 99
const SOMEBODY = parseMac('02:00:00:00:00:77')

function packet(from = '10.9.0.1', to = '10.9.0.2'): Uint8Array {
  return inIpv4(parseIpv4(from), parseIpv4(to), OTHER, payload(20))
}

/** A whole header with options of four bytes or eight. */
function withOptions(options: readonly number[]): Uint8Array {
  const plain = packet()
  const bytes = new Uint8Array(plain.length + options.length)
  bytes.set(plain.subarray(0, 20))
  bytes.set(options, 20)
  bytes.set(plain.subarray(20), 20 + options.length)
  bytes[0] = 0x45 + options.length / 4
  bytes[3] += options.length
  bytes[ipv4.CHECKSUM] = 0
  bytes[ipv4.CHECKSUM + 1] = 0
  let sum = 0
  for (let i = 0; i < 20 + options.length; i += 2) sum += (bytes[i] << 8) | bytes[i + 1]
  sum = ~((sum & 0xffff) + (sum >>> 16))
  bytes[ipv4.CHECKSUM] = sum >>> 8
  bytes[ipv4.CHECKSUM + 1] = sum
  return bytes
}

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value
  return bytes
}

function piece(site: Site, offset: number, more: boolean, length: number, id = 5): void {
  site.ip(OTHER, payload(length), '10.9.0.2', { id, fragment: (more ? ipv4.MF : 0) | (offset / 8) })
}

function says(site: Site, to: string): void {
  const frame = site.world.frames.take()
  const bytes = datagram(HOST, parseIpv4(to), 5, 6, payload(20))
  frame.bytes.set(bytes, frame.start)
  frame.end = frame.start + bytes.length
  site.host.send(frame, HOST, parseIpv4(to), ipv4.IPPROTO_UDP, 64, 0, 1, 0)
  site.run()
}

export const ip: Scenes = {
  OtherHost: scene('host', (site) => site.packet(packet(), SOMEBODY)),
  UnknownProtocol: scene('host', (site) => site.arrives(inEthernet(SOMEBODY, FAR_MAC, 0x1234, payload(46)))),
  IpHeader: scene('host', (site) => site.packet(changed(packet(), 0, 0x65))),
  IpChecksum: scene('host', (site) => site.packet(changed(packet(), ipv4.CHECKSUM, 0))),
  IpTruncated: scene('host', (site) => site.packet(packet().subarray(0, 30))),
  IpOptions: scene('host', (site) => site.packet(withOptions([7, 3, 1, 0]))),
  SourceRoute: scene('host', (site) => site.packet(withOptions([0x83, 7, 4, 10, 9, 1, 1, 0]))),
  MartianSource: scene('host', (site) => site.packet(packet('224.0.0.1'))),
  MartianDestination: scene('host', (site) => site.packet(packet('10.9.0.1', '0.0.0.0'))),
  LoopbackSource: scene('host', (site) => site.packet(packet('127.0.0.1'))),
  LoopbackDestination: scene('host', (site) => site.packet(packet('10.9.0.1', '127.0.0.1'))),
  OwnSource: scene('host', (site) => site.packet(packet('10.9.0.2'))),
  ReversePath: scene('host', (site) => {
    site.set('net.ipv4.conf.eth0.rp_filter', 1)
    site.packet(packet('10.9.1.50'))
  }),
  UnicastInGroup: scene('host', (site) => {
    site.set('net.ipv4.conf.eth0.drop_unicast_in_l2_multicast', 1)
    site.packet(packet(), MAC_BROADCAST)
  }),
  NoGroup: scene('host', (site) => site.packet(packet('10.9.0.1', '224.1.1.1'), parseMac('01:00:5e:01:01:01'))),
  NotForwarding: scene('host', (site) => {
    site.route('77.0.0.0/8', { type: 'blackhole' })
    site.packet(packet('10.9.0.1', '77.1.1.1'))
  }),
  NoRoute: scene('host', (site) => {
    site.forwards()
    site.packet(packet('10.9.0.1', '99.9.9.9'))
  }),
  Unreachable: scene('host', (site) => {
    site.forwards()
    site.route('78.0.0.0/8', { type: 'unreachable' })
    site.packet(packet('10.9.0.1', '78.1.1.1'))
  }),
  Prohibited: scene('host', (site) => {
    site.forwards()
    site.route('79.0.0.0/8', { type: 'prohibit' })
    site.packet(packet('10.9.0.1', '79.1.1.1'))
  }),
  Blackhole: scene('host', (site) => {
    site.forwards()
    site.route('77.0.0.0/8', { type: 'blackhole' })
    site.packet(packet('10.9.0.1', '77.1.1.1'))
  }),
  GroupForward: scene('host', (site) => {
    site.forwards()
    site.packet(packet('10.9.0.1', '10.9.1.1'), MAC_BROADCAST)
  }),
  TtlExpired: scene('host', (site) => {
    site.forwards()
    site.ip(OTHER, payload(20), '10.9.1.1', { ttl: 1 })
  }),
  TooBig: scene('host', (site) => {
    site.forwards()
    site.eth1.mtu = 600
    site.ip(OTHER, payload(900), '10.9.1.1', { fragment: ipv4.DF })
  }),
  UnknownTransport: scene('host', (site) => site.packet(packet())),
  NoRouteOut: scene('host', (site) => says(site, '9.9.9.9')),
  NoReroute: scene('host', (site) => {
    site.rule('-t nat -A OUTPUT -p udp -d 10.9.0.5 -j DNAT --to-destination 66.6.6.6')
    says(site, '10.9.0.5')
  }),
  FragmentDuplicate: scene('host', (site) => {
    for (let i = 0; i < 2; i++) piece(site, 0, true, 16)
  }),
  FragmentOverlap: scene('host', (site) => {
    piece(site, 0, true, 16)
    piece(site, 8, true, 16)
  }),
  FragmentMismatch: scene('host', (site) => {
    piece(site, 16, false, 16)
    piece(site, 32, true, 16)
  }),
  FragmentTooFar: scene('host', (site) => {
    site.set('net.ipv4.ipfrag_max_dist', 1)
    piece(site, 0, true, 16, 12)
    for (let i = 0; i < 5; i++) piece(site, 0, true, 16, 20 + i)
    piece(site, 32, true, 16, 12)
  }),
  FragmentTimeout: scene('host', (site) => {
    piece(site, 0, true, 16)
    site.run(31)
  }),
  FragmentMemory: scene('host', (site) => {
    site.set('net.ipv4.ipfrag_low_thresh', 0)
    site.set('net.ipv4.ipfrag_high_thresh', 0)
    piece(site, 0, true, 16)
  }),
  Netfilter: scene('host', (site) => {
    site.rule('-A INPUT -j DROP')
    site.packet(packet())
  }),
  Rejected: scene('host', (site) => {
    site.rule('-A INPUT -j REJECT')
    site.packet(packet())
  }),
  Conntrack: scene('host', (site) => {
    site.rule('-A INPUT -m conntrack --ctstate INVALID -j DROP')
    site.set('net.netfilter.nf_conntrack_max', 1)
    Sockets.of(site.host).udp().bind(HOST, 9999)
    for (const port of [1, 2, 3]) site.ip(ipv4.IPPROTO_UDP, datagram(PEER, HOST, port, 9999, payload(8)))
  }),
}
