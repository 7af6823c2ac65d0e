/** What is set on a bridge's port beside its flags: the states of 802.1D, and settings that wait for a use. */
import type { Timer } from '../sim/scheduler.ts'
import { MAC_ZERO, type Mac } from '../wire/address.ts'
import { VlanGroup } from './bridge-vlan.ts'
import { configurationChanged } from './flow-cache.ts'

/** BR_STATE_* (802.1D), by number. */
export const PortState = { disabled: 0, listening: 1, learning: 2, forwarding: 3, blocking: 4 } as const
export type PortState = (typeof PortState)[keyof typeof PortState]

/** A port's settings that do nothing while there is no spanning tree, multicast querier or VLAN tunnel: kept, and shown. */
export class PortNotes {
  /** The log said last that the port forwards. */
  running = false
  /** It was forwarding when it lost its carrier. */
  unplugged = false
  /** Has it got its carrier back, it forwards when this is due; null: it never had to wait. */
  settling: Timer | null = null
  /** BPDU guard, root block: spanning tree. */
  guard = false
  rootBlock = false
  /** Group memberships: a bridge without a querier floods. */
  fastLeave = false
  mcastRouter = 1
  mcastToUnicast = false
  /** Tunnel metadata by VLAN. */
  vlanTunnel = false
  priority = 32
  /** Null: by the speed of the link. */
  cost: number | null = null
}

/** What is set on a port and asked for each frame. */
export class PortSettings {
  #hairpin = false
  #isolated = false
  #learning = true
  #state: PortState = PortState.forwarding
  /** Unknown unicast is sent here too (BR_FLOOD). */
  flooding = true
  /** Multicast and broadcast of other ports: what the host sends goes out regardless. */
  mcastFlood = true
  bcastFlood = true
  readonly vlans = new VlanGroup()
  readonly notes = new PortNotes()

  /** A frame may go back out of the port that it came in by. */
  get hairpin(): boolean {
    return this.#hairpin
  }

  set hairpin(on: boolean) {
    this.#hairpin = on
    configurationChanged()
  }

  /** Isolated ports talk to the others only. */
  get isolated(): boolean {
    return this.#isolated
  }

  set isolated(on: boolean) {
    this.#isolated = on
    configurationChanged()
  }

  get learning(): boolean {
    return this.#learning
  }

  set learning(on: boolean) {
    this.#learning = on
    configurationChanged()
  }

  get state(): PortState {
    return this.#state
  }

  set state(state: PortState) {
    this.#state = state
    configurationChanged()
  }
}

interface Deliverer extends PortSettings {
  readonly device: { readonly up: boolean }
}

/** May what came in by one port (null: from the host) leave by the other? `vlan` 0: VLANs are not told apart. */
export function delivers(from: Deliverer | null, to: Deliverer, vlan: number): boolean {
  if (to.state !== PortState.forwarding || !to.device.up || (to === from && !to.hairpin)) return false
  if (vlan !== 0 && !to.vlans.has(vlan)) return false
  return from === null || !from.isolated || !to.isolated
}

/** What a bridge may ask of its ports for itself. */
interface Ported {
  readonly number: number
  readonly device: { readonly mac: Mac; readonly mtu: number }
}

interface Following {
  readonly ports: readonly Ported[]
  readonly mtuFollowsPorts: boolean
  readonly macFollowsPorts: boolean
  mtu: number
  mac: Mac
}

/** MTU and MAC that nobody set are the ports'. */
export function followPorts(bridge: Following): void {
  configurationChanged()
  if (bridge.mtuFollowsPorts) bridge.mtu = leastMtu(bridge.ports)
  if (bridge.macFollowsPorts) bridge.mac = lowestMac(bridge.ports)
}

/** Where the port of this number stands among the others. */
export function placeOf(ports: readonly Ported[], number: number): number {
  let place = ports.length
  while (place > 0 && ports[place - 1].number > number) place--
  return place
}

/** A bridge's MTU when nobody set it. */
function leastMtu(ports: readonly Ported[]): number {
  return ports.length === 0 ? 1500 : Math.min(...ports.map(({ device }) => device.mtu))
}

/** A bridge's MAC when nobody set it: zeros without a port. */
function lowestMac(ports: readonly Ported[]): Mac {
  let lowest: Mac | null = null
  for (const { device } of ports) if (lowest === null || compare(device.mac, lowest) < 0) lowest = device.mac
  return Uint8Array.from(lowest ?? MAC_ZERO)
}

function compare(a: Mac, b: Mac): number {
  for (let i = 0; i < 6; i++) if (a[i] !== b[i]) return a[i] - b[i]
  return 0
}

/** br_flood's conditions; `replied`: the bridge has answered the ARP request itself. */
export function floods(
  to: PortSettings & { readonly neighSuppress: boolean },
  group: boolean,
  broadcast: boolean,
  local: boolean,
  replied: boolean,
): boolean {
  if (replied && to.neighSuppress) return false
  if (!group) return to.flooding
  return local || (broadcast ? to.bcastFlood : to.mcastFlood)
}
