/** Drops of ICMP, UDP, TCP's door, and VXLAN. */
import { VxlanDevice } from '../../src/tunnel/vxlan.ts'
import { MAC_BROADCAST, MAC_ZERO, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as vxlan from '../../src/wire/vxlan.ts'
import { arpFrame, datagram, icmpMessage, inEthernet, inIpv4, nothing, payload, segment } from '../support/packets.ts'
import { frameOf } from '../support/world.ts'
import { HOST, PEER, type Scenes, type Site, scene } from './site.ts'

const { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } = ipv4
const TUNNEL_MAC = parseMac('02:00:00:00:07:02')
const OTHER_MAC = parseMac('02:00:00:00:07:01')
const BROADCAST = parseIpv4('10.9.0.255')

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] ^= value
  return bytes
}

const says = (type: number, rest: Uint8Array) =>
  scene('host', (site) => site.ip(IPPROTO_ICMP, icmpMessage(type, 0, 0, 0, rest)))
const quote = inIpv4(HOST, PEER, 99, payload(8))
const udp = (port = 9999) => datagram(PEER, HOST, 5, port, payload(5))
const syn = (port = 9999) => segment(PEER, HOST, 5, port, { sequence: 1, flags: tcp.SYN })

function tunnel(site: Site, proxy = false): VxlanDevice {
  const { host, world, eth0 } = site
  const end = new VxlanDevice(world, 'vx0', TUNNEL_MAC, {
    netns: host,
    vni: 7,
    local: HOST,
    device: eth0,
    port: 8472,
    learning: false,
    proxy,
  })
  host.adopt(end)
  host.setUp(end)
  return end
}

function encapsulated(site: Site, vni: number, rest: Uint8Array, flags = 8): void {
  tunnel(site)
  const bytes = new Uint8Array(vxlan.HEADER + rest.length)
  vxlan.write(bytes, 0, vni)
  bytes[0] = flags
  bytes.set(rest, vxlan.HEADER)
  site.ip(IPPROTO_UDP, datagram(PEER, HOST, 999, 8472, bytes))
}

const inner = inEthernet(TUNNEL_MAC, OTHER_MAC, 0x9999, payload(46))

export const transport: Scenes = {
  IcmpChecksum: scene('host', (site) => site.ip(IPPROTO_ICMP, changed(icmpMessage(8, 0, 1, 1, payload(8)), 2, 1))),
  IcmpType: says(200, payload(4)),
  IcmpToAll: scene('host', (site) => {
    site.packet(inIpv4(PEER, BROADCAST, IPPROTO_ICMP, icmpMessage(icmp.ECHO_REQUEST, 0, 1, 1, nothing)), MAC_BROADCAST)
  }),
  IcmpTooShort: says(icmp.TIMESTAMP, nothing),
  IcmpQuote: says(icmp.DESTINATION_UNREACHABLE, quote.subarray(0, 12)),
  IcmpQuoteHeader: says(icmp.DESTINATION_UNREACHABLE, changed(quote.slice(), 0, 1)),
  NoSocket: scene('host', (site) => {
    site.ip(IPPROTO_UDP, udp())
    site.ip(IPPROTO_TCP, syn())
    site.ip(IPPROTO_ICMP, icmpMessage(icmp.ECHO_REPLY, 0, 1, 1, nothing))
  }),
  NoGroupSocket: scene('host', (site) => {
    site.packet(inIpv4(PEER, BROADCAST, IPPROTO_UDP, datagram(PEER, BROADCAST, 5, 6, nothing)), MAC_BROADCAST)
  }),
  UdpTooShort: scene('host', (site) => site.ip(IPPROTO_UDP, payload(4))),
  UdpLength: scene('host', (site) => site.ip(IPPROTO_UDP, changed(udp(), 4, 1))),
  UdpChecksum: scene('host', (site) => site.ip(IPPROTO_UDP, changed(udp(), 6, 1))),
  TcpTooShort: scene('host', (site) => site.ip(IPPROTO_TCP, payload(12))),
  TcpHeader: scene('host', (site) => site.ip(IPPROTO_TCP, changed(syn(), 12, 0x60))),
  TcpChecksum: scene('host', (site) => site.ip(IPPROTO_TCP, changed(syn(), tcp.CHECKSUM, 1))),
  TcpToAll: scene('host', (site) => {
    const bytes = segment(PEER, BROADCAST, 5, 6, { sequence: 1, flags: tcp.SYN })
    site.packet(inIpv4(PEER, BROADCAST, IPPROTO_TCP, bytes), MAC_BROADCAST)
  }),
  VxlanTooShort: scene('host', (site) => {
    tunnel(site)
    site.ip(IPPROTO_UDP, datagram(PEER, HOST, 999, 8472, payload(4)))
  }),
  VxlanInner: scene('host', (site) => encapsulated(site, 7, payload(5))),
  VxlanHeader: scene('host', (site) => encapsulated(site, 7, inner, 0)),
  VxlanVni: scene('host', (site) => encapsulated(site, 9, inner)),
  VxlanOwnMac: scene('host/vx0', (site) =>
    encapsulated(site, 7, inEthernet(OTHER_MAC, TUNNEL_MAC, 0x9999, payload(46))),
  ),
  NoTunnelPeer: scene('host/vx0', (site) => {
    tunnel(site).send(frameOf(site.world, inEthernet(OTHER_MAC, TUNNEL_MAC, 0x9999, payload(46))))
  }),
  TunnelArp: scene('host/vx0', (site) => {
    const from = { mac: TUNNEL_MAC, address: HOST }
    const question = arpFrame(MAC_BROADCAST, from, arp.REQUEST, MAC_ZERO, parseIpv4('10.8.0.9'))
    tunnel(site, true).send(frameOf(site.world, question))
  }),
}
