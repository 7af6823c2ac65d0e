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

export interface NetfilterHost {
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
  /** Answers the frame with an ICMP unreachable or, for `tcp-reset`, with a RST. The frame is lent. */
  reject(frame: Frame, hook: Hook, how: RejectWith, input: NetDevice | null): void
}
