/** One address of one device (struct in_ifaddr of linux/inetdevice.h): a line of `ip addr`. */
import type { NetDevice } from '../link/device.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'

export interface DeviceAddress {
  readonly device: NetDevice
  readonly address: Ipv4
  readonly prefix: number
  readonly broadcast: Ipv4 | null
  /** A number for scopes between `global` (0) and `link` (253). */
  readonly scope: AddressScope
  /** Another address of the same network came first; no routes of its own. */
  readonly secondary: boolean
  /** IFA_LABEL: the device's name, or `eth0:1`. */
  readonly label: string
  /** The other end of a point-to-point link, which the prefix then belongs to; else the address itself. */
  readonly peer: Ipv4
  /** IFA_RT_PRIORITY of the connected route; 0: none. */
  readonly metric: number
  /** `noprefixroute`: no connected route comes with it. */
  readonly noPrefixRoute: boolean
  /** Virtual times of expiry; Infinity: never. */
  readonly validUntil: Nanos
  readonly preferredUntil: Nanos
}

export type AddressScope = 'global' | 'link' | 'host' | number

/** What may be said of a new address. */
export interface AddressOptions {
  readonly scope?: AddressScope
  readonly label?: string
  readonly peer?: Ipv4
  readonly metric?: number
  readonly noPrefixRoute?: boolean
  readonly validUntil?: Nanos
  readonly preferredUntil?: Nanos
}

/** RT_SCOPE_*: the wider the scope, the smaller its number. */
export function scopeNumber(scope: AddressScope): number {
  if (typeof scope === 'number') return scope
  return { global: 0, link: 253, host: 254 }[scope]
}
