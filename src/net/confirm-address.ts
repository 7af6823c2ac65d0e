/** A question about a device's addresses that ARP asks (net/ipv4/devinet.c). */
import { ANY, cidrOf, contains, type Ipv4 } from '../wire/address.ts'
import { type AddressScope, scopeNumber } from './device-address.ts'

/** What is asked of an address: `ip addr` has more. */
export interface OwnAddress {
  readonly address: Ipv4
  /** The other end's, where it was given one: what the prefix is of. */
  readonly peer: Ipv4
  readonly prefix: number
  readonly scope: AddressScope
}

/** confirm_addr_indev: an address `local` (ANY: any) of at most this scope, in one network with `peer` (ANY: any). */
export function confirms(own: readonly OwnAddress[], peer: Ipv4, local: Ipv4, scope: number): boolean {
  let found: Ipv4 = ANY
  let same = false
  for (const each of own) {
    const near = scopeNumber(each.scope) <= scope
    const network = cidrOf(each.peer, each.prefix)
    if (found === ANY && (local === each.address || local === ANY) && near) {
      found = each.address
      if (same) return true
    }
    if (same) continue
    same = (local === ANY || contains(network, local)) && (peer === ANY || contains(network, peer))
    if (!same || found === ANY) continue
    if (local !== ANY || peer === ANY || contains(network, found) || near) return true
    same = false
  }
  return same && found !== ANY
}
