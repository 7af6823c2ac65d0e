/**
 * Why a frame ended early. Each place that gives frames up has a reason of its own, so that the words say what was wrong;
 * beside it stands the name that Linux 6.18 has for the same place (include/net/dropreason-core.h), as `perf trace -e
 * skb:kfree_skb` and dropwatch print it. The kernel has no name for many places: there it says NOT_SPECIFIED.
 */
export const DropReason = {
  // Devices and cables.
  FrameTooShort: 0,
  DeviceDown: 1,
  NoCarrier: 2,
  ReceiverDown: 3,
  Unplugged: 4,
  Teardown: 5,
  FrameTooLong: 6,
  Impaired: 7,
  QueueFull: 8,
  QueueReset: 9,
  // Bridges.
  SourceMac: 10,
  MacControl: 11,
  PortState: 12,
  NoPort: 13,
  SamePort: 14,
  Isolated: 15,
  PortDown: 16,
  Vlan: 17,
  LockedPort: 18,
  BridgedHeader: 19,
  BridgedNoRoute: 20,
  // IPv4 that comes in.
  OtherHost: 21,
  UnknownProtocol: 22,
  IpHeader: 23,
  IpChecksum: 24,
  IpTruncated: 25,
  IpOptions: 26,
  SourceRoute: 27,
  MartianSource: 28,
  MartianDestination: 29,
  LoopbackSource: 30,
  LoopbackDestination: 31,
  OwnSource: 32,
  ReversePath: 33,
  UnicastInGroup: 34,
  NoGroup: 35,
  NotForwarding: 36,
  NoRoute: 37,
  Unreachable: 38,
  Prohibited: 39,
  Blackhole: 40,
  GroupForward: 41,
  TtlExpired: 42,
  TooBig: 43,
  UnknownTransport: 44,
  // What the host sends.
  NoRouteOut: 45,
  NoReroute: 46,
  // Fragments.
  FragmentDuplicate: 47,
  FragmentOverlap: 48,
  FragmentMismatch: 49,
  FragmentTooFar: 50,
  FragmentTimeout: 51,
  FragmentMemory: 52,
  // ARP and neighbours.
  ArpTooShort: 53,
  ArpHeader: 54,
  ArpOperation: 55,
  ArpTarget: 56,
  ArpGratuitous: 57,
  ArpOff: 58,
  ArpProxyFull: 59,
  NeighbourTableFull: 60,
  NeighbourFailed: 61,
  NeighbourQueueFull: 62,
  NeighbourGone: 63,
  // Rules.
  Netfilter: 64,
  Rejected: 65,
  Conntrack: 66,
  // ICMP.
  IcmpChecksum: 67,
  IcmpType: 68,
  IcmpToAll: 69,
  IcmpTooShort: 70,
  IcmpQuote: 71,
  IcmpQuoteHeader: 72,
  // UDP and TCP.
  NoSocket: 73,
  NoGroupSocket: 74,
  UdpTooShort: 75,
  UdpLength: 76,
  UdpChecksum: 77,
  TcpTooShort: 78,
  TcpHeader: 79,
  TcpChecksum: 80,
  TcpToAll: 81,
  TcpTtl: 82,
  SocketBacklog: 83,
  // VXLAN.
  VxlanTooShort: 84,
  VxlanInner: 85,
  VxlanHeader: 86,
  VxlanVni: 87,
  VxlanOwnMac: 88,
  NoTunnelPeer: 89,
  TunnelArp: 90,
} as const
export type DropReason = (typeof DropReason)[keyof typeof DropReason]
export type DropReasonName = keyof typeof DropReason

/** The kernel's name without SKB_DROP_REASON_, and what a person is told, to follow "dropped: ". */
const TEXTS: Readonly<Record<DropReasonName, readonly [kernel: string, words: string]>> = {
  FrameTooShort: ['PKT_TOO_SMALL', 'it is shorter than an Ethernet header'],
  DeviceDown: ['QDISC_DROP', 'the device that was to send it is down'],
  NoCarrier: ['QDISC_DROP', 'the device that was to send it has no carrier: nothing is plugged in at its other side'],
  ReceiverDown: ['NOT_SPECIFIED', 'the device that was to receive it is down'],
  Unplugged: ['NOT_SPECIFIED', 'the plug was pulled while it was on the cable'],
  Teardown: ['NOT_SPECIFIED', 'its device was deleted while it waited there'],
  FrameTooLong: [
    'NOT_SPECIFIED',
    'it is longer than the MTU of the device that was to take it, and no layer here may cut it',
  ],
  Impaired: ['QDISC_DROP', 'the cable lost it: its loss is drawn by chance'],
  QueueFull: ['QDISC_DROP', 'the queue of the device is full'],
  QueueReset: ['NOT_SPECIFIED', 'the queue in which it waited was emptied: its device went down, or got another queue'],
  SourceMac: ['MAC_INVALID_SOURCE', 'its source MAC is all zeros or a group: no station can have sent it'],
  MacControl: ['MAC_IEEE_MAC_CONTROL', 'it is a MAC control frame (pause), which no bridge passes on'],
  PortState: ['BRIDGE_INGRESS_STP_STATE', 'the bridge port that it came in by is not in the state forwarding'],
  NoPort: ['NO_TX_TARGET', 'the bridge has no other port that may take it'],
  SamePort: ['NOT_SPECIFIED', 'its station is behind the bridge port that it came in by, and hairpin is off there'],
  Isolated: [
    'NOT_SPECIFIED',
    'the bridge port that it came in by and the one that it should leave by are both isolated',
  ],
  PortDown: ['NOT_SPECIFIED', 'the bridge port that it should leave by is down or not in the state forwarding'],
  Vlan: ['NOT_SPECIFIED', 'the bridge, or its port, is not a member of the VLAN of the frame'],
  LockedPort: ['NOT_SPECIFIED', 'the bridge port is locked, and the FDB does not have its sender there'],
  BridgedHeader: ['IP_INHDR', 'br_netfilter found its IPv4 header wrong: version, lengths or checksum'],
  BridgedNoRoute: ['NOT_SPECIFIED', 'DNAT at the bridge port gave it a destination to which no route leads'],
  OtherHost: ['OTHERHOST', 'its destination MAC is that of another host'],
  UnknownProtocol: ['UNHANDLED_PROTO', 'nobody here takes frames of its Ethernet type'],
  IpHeader: ['IP_INHDR', 'its IPv4 header is wrong: version or header length'],
  IpChecksum: ['IP_CSUM', 'the checksum of its IPv4 header is wrong'],
  IpTruncated: ['PKT_TOO_SMALL', 'it is shorter than its IPv4 header says'],
  IpOptions: ['IP_INHDR', 'an option of its IPv4 header is wrong'],
  SourceRoute: ['NOT_SPECIFIED', 'it asks for a way of its own (source route), which this host does not go'],
  MartianSource: ['IP_INVALID_SOURCE', 'its source address can be nobody: all zeros, a broadcast or a group'],
  MartianDestination: ['IP_INVALID_DEST', 'its destination address can be nobody: all zeros'],
  LoopbackSource: ['IP_LOCALNET', 'its source is a loopback address (127.0.0.0/8), which must not come in by a cable'],
  LoopbackDestination: [
    'IP_LOCALNET',
    'its destination is a loopback address (127.0.0.0/8), and route_localnet is off',
  ],
  OwnSource: ['IP_LOCAL_SOURCE', 'its source is an address of this very host'],
  ReversePath: [
    'IP_RPFILTER',
    'the reverse path filter (rp_filter): answers to its source would not leave by the device it came in by',
  ],
  UnicastInGroup: ['UNICAST_IN_L2_MULTICAST', 'one host is its IP destination, but all are its Ethernet destination'],
  NoGroup: ['NOT_SPECIFIED', 'it is for a multicast group of which this host is no member'],
  NotForwarding: ['IP_INADDRERRORS', 'it is for another host, and this one is no router (net.ipv4.ip_forward is 0)'],
  NoRoute: ['IP_INNOROUTES', 'no route leads to its destination'],
  Unreachable: ['NOT_SPECIFIED', 'the route to its destination is of the type unreachable'],
  Prohibited: ['NOT_SPECIFIED', 'the route to its destination is of the type prohibit'],
  Blackhole: ['NOT_SPECIFIED', 'the route to its destination is of the type blackhole'],
  GroupForward: ['NOT_SPECIFIED', 'it came in an Ethernet frame for all or for a group, and such are not forwarded'],
  TtlExpired: ['IP_INHDR', 'its TTL is used up: it has passed too many routers'],
  TooBig: ['PKT_TOO_BIG', 'it is longer than the MTU of its way, and must not be fragmented (DF)'],
  UnknownTransport: ['IP_NOPROTO', 'nobody here speaks the protocol that its IPv4 header names'],
  NoRouteOut: ['IP_OUTNOROUTES', 'no route leads to where this host wants to send it'],
  NoReroute: ['NETFILTER_DROP', 'a rule gave it another destination or mark, with which no route takes it'],
  FragmentDuplicate: ['DUP_FRAG', 'the same fragment was here already'],
  FragmentOverlap: ['NOT_SPECIFIED', 'fragments of its datagram overlap: the whole datagram is given up'],
  FragmentMismatch: ['NOT_SPECIFIED', 'the fragments of its datagram make no whole: lengths contradict each other'],
  FragmentTooFar: ['FRAG_TOO_FAR', 'its sender has sent too many other fragments since (ipfrag_max_dist)'],
  FragmentTimeout: ['FRAG_REASM_TIMEOUT', 'the other fragments of its datagram did not come in time (ipfrag_time)'],
  FragmentMemory: ['NOT_SPECIFIED', 'too many fragments wait already (ipfrag_high_thresh)'],
  ArpTooShort: ['PKT_TOO_SMALL', 'it is shorter than an ARP packet'],
  ArpHeader: ['NOT_SPECIFIED', 'it is no ARP for IPv4 over Ethernet'],
  ArpOperation: ['NOT_SPECIFIED', 'as ARP it is neither a request nor a reply'],
  ArpTarget: ['NOT_SPECIFIED', 'it asks by ARP for a multicast or loopback address'],
  ArpGratuitous: ['NOT_SPECIFIED', 'it is a gratuitous ARP, and drop_gratuitous_arp is on'],
  ArpOff: ['SKB_CONSUMED', 'the device takes no ARP (NOARP)'],
  ArpProxyFull: ['NOT_SPECIFIED', 'too many ARP requests wait to be answered for others (proxy_qlen)'],
  NeighbourTableFull: ['NEIGH_CREATEFAIL', 'the neighbour table is full (gc_thresh3): its next hop gets no entry'],
  NeighbourFailed: ['NEIGH_FAILED', 'its next hop did not answer ARP, or may not be asked'],
  NeighbourQueueFull: ['NEIGH_QUEUEFULL', 'too much waits for the MAC of its next hop already (unres_qlen_bytes)'],
  NeighbourGone: ['QUEUE_PURGE', 'the neighbour entry went away while it waited for the MAC of its next hop'],
  Netfilter: ['NETFILTER_DROP', 'a rule or a policy of the firewall dropped it'],
  Rejected: ['NETFILTER_DROP', 'a rule of the firewall rejected it, and told its sender'],
  Conntrack: ['NETFILTER_DROP', 'conntrack or NAT could not take it: no room in the table, or no free address or port'],
  IcmpChecksum: ['ICMP_CSUM', 'its ICMP checksum is wrong, or it is too short to have one'],
  IcmpType: ['UNHANDLED_PROTO', 'its ICMP type is not known here'],
  IcmpToAll: ['INVALID_PROTO', 'this kind of ICMP is not heard when it is sent to all'],
  IcmpTooShort: ['PKT_TOO_SMALL', 'it is too short for its ICMP type'],
  IcmpQuote: ['NOT_SPECIFIED', 'as an ICMP error it quotes too little to tell whom it concerns'],
  IcmpQuoteHeader: ['IP_INHDR', 'as an ICMP error it quotes an IPv4 header that is wrong'],
  NoSocket: ['NO_SOCKET', 'no socket listens on its destination address and port'],
  NoGroupSocket: ['NOT_SPECIFIED', 'it is sent to all, and no socket here listens on its port'],
  UdpTooShort: ['NOT_SPECIFIED', 'it is shorter than a UDP header'],
  UdpLength: ['PKT_TOO_SMALL', 'the length in its UDP header is not that of the datagram'],
  UdpChecksum: ['UDP_CSUM', 'its UDP checksum is wrong'],
  TcpTooShort: ['NOT_SPECIFIED', 'it is shorter than a TCP header'],
  TcpHeader: ['PKT_TOO_SMALL', 'the header length in its TCP header is not possible'],
  TcpChecksum: ['TCP_CSUM', 'its TCP checksum is wrong'],
  TcpToAll: ['NOT_SPECIFIED', 'TCP knows two parties only, and it was sent to all or to a group'],
  TcpTtl: ['TCP_MINTTL', 'its TTL is below the least that the socket accepts (IP_MINTTL)'],
  SocketBacklog: ['SOCKET_BACKLOG', 'the socket is busy, and too much waits for it already'],
  VxlanTooShort: ['PKT_TOO_SMALL', 'it is shorter than a VXLAN header and an Ethernet header in it'],
  VxlanInner: ['NOMEM', 'the frame in the VXLAN packet is shorter than an Ethernet header'],
  VxlanHeader: ['VXLAN_INVALID_HDR', 'its VXLAN header is wrong: no VNI, or bits that must be zero'],
  VxlanVni: ['VXLAN_VNI_NOT_FOUND', 'no VXLAN device here has its VNI'],
  VxlanOwnMac: ['LOCAL_MAC', 'the frame in the VXLAN packet has our own MAC as its source: it came back in a loop'],
  NoTunnelPeer: ['NO_TX_TARGET', 'the FDB of the VXLAN device knows no VTEP for its destination MAC'],
  TunnelArp: [
    'SKB_CONSUMED',
    'the VXLAN device answers ARP itself (proxy), and does not know the host that is asked for',
  ],
}

/** One way to end, as `podwire drops` lists it. */
export interface DropReasonText {
  readonly name: DropReasonName
  /** SKB_DROP_REASON_* of Linux 6.18 at the same place; SKB_CONSUMED where the kernel does not call it a drop. */
  readonly kernel: string
  /** To follow "dropped: ", without a full stop. */
  readonly words: string
}

/** Where the kernel frees a packet without calling it a drop. */
const CONSUMED = 'SKB_CONSUMED'

/** As `perf trace -e skb:kfree_skb` and dropwatch name it, with the prefix of the enumeration. */
export function kernelName({ kernel }: DropReasonText): string {
  return kernel === CONSUMED ? kernel : `SKB_DROP_REASON_${kernel}`
}

/** By number. */
export const dropReasons: readonly DropReasonText[] = Object.entries(DropReason)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => {
    const [kernel, words] = TEXTS[name as DropReasonName]
    return { name: name as DropReasonName, kernel, words }
  })

/** By number. */
export const dropReasonNames: readonly DropReasonName[] = dropReasons.map(({ name }) => name)
