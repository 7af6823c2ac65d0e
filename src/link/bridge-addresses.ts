import { type Mac, sameMac } from '../wire/address.ts'
import { followPorts } from './bridge-state.ts'
import type { VlanGroup } from './bridge-vlan.ts'
import type { Fdb, Supplier } from './fdb.ts'

/** Who has a MAC of its own, and VLANs that it is in: the bridge, or a port. */
interface Member {
  readonly vlans: VlanGroup
}

interface Port extends Member {
  readonly device: { readonly mac: Mac }
}

interface Addressed<P extends Port> extends Member {
  readonly mac: Mac
  readonly fdb: Fdb<P | null>
  readonly ports: readonly P[]
  readonly vlanFiltering: boolean
}

/** The FDB has the bridge's MAC and its ports', by VLAN where these are told apart (br_fdb_add_local). */
export function knowAddresses<P extends Port>(bridge: Addressed<P>): void {
  const { fdb, ports, vlanFiltering } = bridge
  if (fdb.supplier instanceof Arranger) fdb.supplier.stale = false
  fdb.flush((entry) => entry.local && !entry.byHand)
  for (const port of [null, ...ports]) {
    const mac = port === null ? bridge.mac : port.device.mac
    fdb.addOwn(mac, port, 0)
    if (!vlanFiltering) continue
    for (const vlan of (port ?? bridge).vlans.list()) fdb.addOwn(mac, port, vlan)
  }
}

interface Following<P extends Port> extends Addressed<P> {
  readonly mtuFollowsPorts: boolean
  readonly macFollowsPorts: boolean
  readonly ports: readonly (P & { readonly number: number; readonly device: { readonly mtu: number } })[]
  mtu: number
  mac: Mac
}

/** One of thousands of ports joined: the FDB's entries get the order of the ports when somebody lists them. */
export function joinedLate<P extends Port>(bridge: Following<P>, port: P): void {
  const { fdb, mac } = bridge
  followPorts(bridge)
  if (bridge.vlanFiltering || !sameMac(mac, 0, bridge.mac, 0)) return knowAddresses(bridge)
  fdb.addOwn(port.device.mac, port, 0)
  fdb.supplier ??= new Arranger(() => knowAddresses(bridge))
  if (fdb.supplier instanceof Arranger) fdb.supplier.stale = true
}

class Arranger implements Supplier {
  stale = false
  readonly #arrange: () => void

  constructor(arrange: () => void) {
    this.#arrange = arrange
  }

  all(): void {
    if (this.stale) this.#arrange()
  }
}
