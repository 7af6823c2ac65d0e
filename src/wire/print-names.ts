/** The names that tcpdump has for EtherTypes and for the protocols inside IP. */
import * as ethernet from './ethernet.ts'
import * as ipv4 from './ipv4.ts'

export const typeNames: ReadonlyMap<number, string> = new Map([
  [ethernet.ETH_P_IP, 'IPv4'],
  [ethernet.ETH_P_ARP, 'ARP'],
  [0x8035, 'Reverse ARP'],
  [ethernet.ETH_P_IPV6, 'IPv6'],
  [ethernet.ETH_P_8021Q, '802.1Q'],
  [0x88a8, '802.1Q-QinQ'],
  [0x9100, '802.1Q-9100'],
  [0x6558, 'TEB'],
  [0x880b, 'PPP'],
  [0x88cc, 'LLDP'],
  [0x8847, 'MPLS unicast'],
  [0x8848, 'MPLS multicast'],
  [0x8863, 'PPPoE D'],
  [0x8864, 'PPPoE S'],
  [0x888e, 'EAPOL'],
  [0x8809, 'Slow Protocols'],
  [0x9000, 'Loopback'],
])

/** Of which podwire prints the names with `-v`, and for the last ones no more than that. */
const protocolNames = new Map<number, string>([
  [0, 'Options'],
  [ipv4.IPPROTO_ICMP, 'ICMP'],
  [2, 'IGMP'],
  [4, 'IPIP'],
  [ipv4.IPPROTO_TCP, 'TCP'],
  [ipv4.IPPROTO_UDP, 'UDP'],
  [33, 'DCCP'],
  [41, 'IPv6'],
  [43, 'Routing'],
  [44, 'Fragment'],
  [46, 'RSVP'],
  [47, 'GRE'],
  [50, 'ESP'],
  [51, 'AH'],
  [58, 'ICMPv6'],
  [88, 'EIGRP'],
  [89, 'OSPF'],
  [103, 'PIM'],
  [108, 'Compressed IP'],
  [112, 'VRRP'],
  [132, 'SCTP'],
])

/** `Options`, `TCP`; empty when the number has no name. */
export function protocolName(protocol: number): string {
  return protocolNames.get(protocol) ?? 'unknown'
}
