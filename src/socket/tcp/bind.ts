import type { Netns } from '../../net/netns.ts'
import { ANY, type Ipv4, isMulticast } from '../../wire/address.ts'
import type { Settings } from './settings.ts'

/** May a socket be bound to this address? Ours, or with IP_FREEBIND, IP_TRANSPARENT and ip_nonlocal_bind any (inet_can_nonlocal_bind). */
export function mayBind(netns: Netns, { freeBind, transparent }: Readonly<Settings>, address: Ipv4): boolean {
  if (address === ANY || (netns.isLocal(address) && !isMulticast(address))) return true
  return freeBind || transparent || netns.sysctl.number('net.ipv4.ip_nonlocal_bind') !== 0
}
