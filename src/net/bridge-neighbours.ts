/** What a bridge with neigh_suppress asks of the namespace that it is in. */
import type { Bridge } from '../link/bridge.ts'
import type { BridgeNeighbours } from '../link/bridge-suppress.ts'
import type { NetDevice } from '../link/device.ts'
import { VlanDevice } from '../link/vlan.ts'
import type { Ipv4, Mac } from '../wire/address.ts'
import type { Netns } from './netns.ts'

class HostNeighbours implements BridgeNeighbours {
  #netns: Netns
  #bridge: Bridge

  constructor(netns: Netns, bridge: Bridge) {
    this.#netns = netns
    this.#bridge = bridge
  }

  isLocal(address: Ipv4): boolean {
    return this.#netns.isLocal(address)
  }

  macOf(address: Ipv4, vlan: number): Mac | null {
    const device = this.#deviceOf(vlan)
    if (device === null || !this.#netns.neighbours.resolved(device, address)) return null
    const found = this.#netns.neighbours.list().find((each) => each.device === device && each.address === address)
    return found?.mac ?? null
  }

  /** The bridge itself, or its VLAN device. */
  #deviceOf(vlan: number): NetDevice | null {
    if (vlan === 0) return this.#bridge
    for (const upper of this.#bridge.stack?.uppers ?? []) {
      if (upper instanceof VlanDevice && upper.id === vlan) return upper
    }
    return null
  }
}

export function installBridgeNeighbours(netns: Netns, bridge: Bridge): void {
  bridge.neighbours = new HostNeighbours(netns, bridge)
}
