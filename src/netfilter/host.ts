/** What rules and NAT need to know of the namespace they stand in; the namespace implements it. */
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { KernelLog } from '../link/kernel-log.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { Hook } from './hook.ts'

/** The route types of rtnetlink that `-m addrtype` knows. */
export type AddressType =
  | 'UNSPEC'
  | 'UNICAST'
  | 'LOCAL'
  | 'BROADCAST'
  | 'ANYCAST'
  | 'MULTICAST'
  | 'BLACKHOLE'
  | 'UNREACHABLE'
  | 'PROHIBIT'
  | 'THROW'

export const addressTypes: readonly AddressType[] = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
]

/** `-j REJECT --reject-with`: an ICMP destination unreachable, or a TCP reset. */
export type RejectWith =
  | 'icmp-net-unreachable'
  | 'icmp-host-unreachable'
  | 'icmp-proto-unreachable'
  | 'icmp-port-unreachable'
  | 'icmp-net-prohibited'
  | 'icmp-host-prohibited'
  | 'icmp-admin-prohibited'
  | 'tcp-reset'

/** Where a packet would go that IPVS sends to a real server: nowhere, away from this host, or to this host itself. */
export const Passage = { REFUSED: 0, AWAY: 1, HERE: 2 } as const
export type Passage = (typeof Passage)[keyof typeof Passage]

/** The way of what IPVS sends to a real server. */
export interface Onward {
  /**
   * May the frame go to that address (__ip_vs_get_out_rt)? If it leaves this host its TTL counts down, and where it may
   * not its sender is told. The frame is lent.
   */
  passage(frame: Frame, destination: Ipv4): Passage
  /** Sends on a frame with a new destination, by OUTPUT as if it were ours. Takes the frame. */
  sendOn(frame: Frame): void
}

export interface NetfilterHost {
  /** False while nothing was ever configured here: then nobody asks at the hooks. */
  filters: boolean
  isLocal(address: Ipv4): boolean
  /** Of the local table, then routes (inet_dev_addr_type). With a device: an address of another device is UNICAST. */
  addressType(address: Ipv4, device: NetDevice | null): AddressType
  /** The address that MASQUERADE takes: by the next hop of the packet's route (inet_select_addr). */
  selectSource(output: NetDevice, destination: Ipv4): Ipv4 | null
  /**
   * Would an answer to a packet that came in by the device leave by it (xt_rpfilter)? `loose`: by any; `own`: our own
   * addresses are good.
   */
  answersBy(
    source: Ipv4,
    destination: Ipv4,
    input: NetDevice,
    mark: number,
    tos: number,
    loose: boolean,
    own: boolean,
  ): boolean
  /** The MTU of the route to an address. */
  mtuTo(destination: Ipv4): number
  /** The device's first address: REDIRECT at PREROUTING. */
  addressOf(device: NetDevice): Ipv4 | null
  /** Where LOG writes; null: it is silent here. */
  packetLog(): KernelLog | null
  readonly ipv4: Onward
  /** Sends the ICMP error that answers this frame, which is lent. */
  icmpError(frame: Frame, type: number, code: number, info: number): void
  /** Answers the frame with an ICMP unreachable or, for `tcp-reset`, with a RST. The frame is lent. */
  reject(frame: Frame, hook: Hook, how: RejectWith, input: NetDevice | null): void
}
