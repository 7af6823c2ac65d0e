import type { Mac } from '../wire/address.ts'
import type { VlanGroup } from './bridge-vlan.ts'
import type { Fdb } from './fdb.ts'

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
  fdb.flush((entry) => entry.local && !entry.byHand)
  for (const port of [null, ...ports]) {
    const mac = port === null ? bridge.mac : port.device.mac
    fdb.addOwn(mac, port, 0)
    if (!vlanFiltering) continue
    for (const vlan of (port ?? bridge).vlans.list()) fdb.addOwn(mac, port, vlan)
  }
}
