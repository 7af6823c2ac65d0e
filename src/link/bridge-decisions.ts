/** What a bridge decides about frames, for whoever traces (see decision.ts). */
import type { Nanos } from '../sim/scheduler.ts'
import { formatMac, type Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { PortState } from './bridge-state.ts'
import { Decision } from './decision.ts'
import { Lookup } from './device-steps.ts'
import { agoText } from './duration-text.ts'
import { type Fdb, type FdbEntry, UPDATED } from './fdb.ts'
import { bridgeFdbLine, type FdbFacts, type FdbLine, factsOf, fdbLineText } from './fdb-text.ts'
import { journal } from './flow-cache.ts'
import type { Frame, FramePool } from './frame.ts'

interface Named {
  readonly name: string
}

interface Port {
  readonly device: Named
  readonly number: number
  readonly learning: boolean
  readonly hairpin: boolean
  readonly isolated: boolean
  readonly locked: boolean
  readonly neighSuppress: boolean
  readonly flooding: boolean
  readonly mcastFlood: boolean
  readonly bcastFlood: boolean
  readonly state: PortState
  readonly vlans: { has(vlan: number): boolean }
  heard: FdbEntry<Port | null> | null
}

interface Bridge extends Named {
  readonly place: string
  readonly mac: Mac
  readonly fdb: Fdb<Port | null>
  readonly world: { readonly scheduler: { readonly now: Nanos }; readonly frames: FramePool }
}

abstract class BridgeDecision extends Decision {
  override readonly kind = 'bridge'
  protected readonly bridge: string

  constructor(bridge: Named) {
    super()
    this.bridge = bridge.name
  }

  override command(): string | null {
    return `bridge fdb show br ${this.bridge}`
  }
}

/** An entry of the FDB, as it was. */
abstract class EntryDecision extends BridgeDecision {
  /** Since it was heard. */
  protected readonly age: Nanos
  readonly #facts: FdbFacts
  readonly #device: string

  constructor(bridge: Bridge, entry: FdbEntry<Port | null>) {
    super(bridge)
    this.#facts = factsOf(entry)
    this.#device = (entry.port?.device ?? bridge).name
    this.age = bridge.world.scheduler.now - entry.times[UPDATED]
  }

  protected get line(): FdbLine {
    return bridgeFdbLine({ name: this.bridge }, { name: this.#device }, this.#facts, 0)
  }

  override entry(): string {
    return fdbLineText(this.line, { device: true, statistics: false }).trimEnd()
  }
}

/** The FDB knew the destination. */
export class FdbHit extends EntryDecision {
  override sentence(): string {
    const { line, bridge } = this
    const { name } = line.device
    if (line.state === 'permanent') {
      const whose = name === bridge ? `${bridge}'s own address` : `the address of ${bridge}'s port ${name}`
      return `the destination is ${whose}, so it is for this host`
    }
    if (line.state === 'static') return `${bridge} has the destination at ${name}, set by hand`
    return `${bridge} learnt the destination at ${name} and heard it ${agoText(this.age)}`
  }
}

/** An entry said where the frame goes. `used`: it remembers that it was asked for. */
export function tellHit(bridge: Bridge, frame: Frame, entry: FdbEntry<Port | null>, used: boolean): void {
  const { fdb, place, world } = bridge
  journal.add(frame, new Lookup(fdb, world.scheduler, entry, used))
  if (world.frames.tracer !== null) world.frames.tell(frame, place, new FdbHit(bridge, entry))
}

const New = { station: 0, again: 1, moved: 2, fixed: 3 } as const
type New = (typeof New)[keyof typeof New]

/** The FDB took note of the source. */
export class FdbLearnt extends EntryDecision {
  readonly #how: New
  readonly #before: string

  constructor(bridge: Bridge, entry: FdbEntry<Port | null>, how: New, before: string) {
    super(bridge, entry)
    this.#how = how
    this.#before = before
  }

  override sentence(): string {
    const { mac, device } = this.line
    switch (this.#how) {
      case New.station:
        return `learnt: ${mac} is at ${device.name}`
      case New.again:
        return `${mac} was heard at ${device.name} again, its age is 0`
      case New.moved:
        return `learnt: ${mac} moved from ${this.#before} to ${device.name}`
      default:
        return `heard ${mac} at ${this.#before}, but the entry was set by hand and stays`
    }
  }
}

/** Learns the source as Fdb.learnNow does, and tells. `port.learning` was asked. */
export function learnAloud(bridge: Bridge, frame: Frame, port: Port, vlan: number): FdbEntry<Port | null> {
  const { bytes, view, start } = frame
  const { scheduler, frames } = bridge.world
  const at = start + ethernet.SOURCE
  const known = bridge.fdb.peek(bytes, at, vlan)
  const before = known === null ? null : known.port
  const entry = bridge.fdb.learnNow(view, at, port, scheduler, port.heard, vlan)
  let how: New = known === null ? New.station : New.again
  if (known !== null && before !== port) how = entry.port === port ? New.moved : New.fixed
  const name = how === New.fixed ? port.device.name : (before ?? { device: bridge }).device.name
  if (frames.tracer !== null) frames.tell(frame, bridge.place, new FdbLearnt(bridge, entry, how, name))
  return entry
}

/** A copy for one port of what is for all of them, or for somebody unknown. */
export class Flooded extends BridgeDecision {
  readonly #port: string
  readonly #why: 'unknown' | 'broadcast' | 'multicast'
  readonly #mac: string

  constructor(bridge: Named, port: Port, frame: Frame) {
    super(bridge)
    const { bytes, start } = frame
    this.#port = port.device.name
    this.#why = !frame.group ? 'unknown' : ethernet.isBroadcast(bytes, start) ? 'broadcast' : 'multicast'
    this.#mac = macAt(bytes, start + ethernet.DESTINATION)
  }

  override sentence(): string {
    if (this.#why === 'unknown') {
      return `${this.bridge} has no entry for ${this.#mac}, so it goes to every port: this copy to ${this.#port}`
    }
    return `${this.#why}: ${this.bridge} sends it to every port, this copy to ${this.#port}`
  }

  override command(): string {
    return this.#why === 'unknown' ? `bridge fdb show br ${this.bridge}` : `bridge link show master ${this.bridge}`
  }
}

/** The host's own copy of what is for all, or one that only a promiscuous bridge gives it. */
export class PassedUp extends BridgeDecision {
  readonly #promiscuous: boolean
  readonly #broadcast: boolean

  constructor(bridge: Named, frame: Frame, promiscuous: boolean) {
    super(bridge)
    this.#promiscuous = promiscuous && !frame.group
    this.#broadcast = ethernet.isBroadcast(frame.bytes, frame.start)
  }

  override sentence(): string {
    if (this.#promiscuous) return `${this.bridge} is promiscuous: a copy for the host itself`
    return `${this.#broadcast ? 'broadcast' : 'multicast'}: this copy is for the host itself, by ${this.bridge}`
  }

  override command(): null {
    return null
  }
}

export const Refusal = {
  linkLocal: 0,
  inputState: 1,
  outputState: 2,
  hairpin: 3,
  isolated: 4,
  vlanIn: 5,
  vlanOut: 6,
  locked: 7,
  suppressed: 8,
  flooding: 9,
  mcastFlood: 10,
  bcastFlood: 11,
  deviceDown: 12,
} as const
export type Refusal = (typeof Refusal)[keyof typeof Refusal]

const states = ['disabled', 'listening', 'learning', 'forwarding', 'blocking']

/** A port, or the bridge, does not take it. The entry is the port's setting, as `bridge -d link` says it. */
export class Refused extends BridgeDecision {
  readonly #why: Refusal
  readonly #port: string
  readonly #state: PortState

  constructor(bridge: Named, why: Refusal, port: Port | null) {
    super(bridge)
    this.#why = why
    this.#port = (port?.device ?? bridge).name
    this.#state = port?.state ?? PortState.forwarding
  }

  override sentence(): string {
    const port = this.#port
    switch (this.#why) {
      case Refusal.linkLocal:
        return 'a group address of 802.1D, for the next bridge only: never forwarded'
      case Refusal.inputState:
        return `${port} is not forwarding: not taken`
      case Refusal.outputState:
        return `not to ${port}: it is not forwarding`
      case Refusal.hairpin:
        return `not back to ${port}, by which it came: hairpin is off`
      case Refusal.isolated:
        return `not to ${port}: it and the port by which it came are isolated`
      case Refusal.vlanIn:
        return `${port} is not in the VLAN of the frame: not taken`
      case Refusal.vlanOut:
        return `not to ${port}: it is not in the VLAN of the frame`
      case Refusal.locked:
        return `${port} is locked, and the FDB does not have the source there: not taken`
      case Refusal.suppressed:
        return `not to ${port}: what it asks for is known here (neigh_suppress)`
      case Refusal.flooding:
        return `not to ${port}: it does not hear of unknown destinations`
      case Refusal.mcastFlood:
        return `not to ${port}: it does not hear multicast`
      case Refusal.bcastFlood:
        return `not to ${port}: it does not hear broadcasts`
      default:
        return `not to ${port}: it is down`
    }
  }

  override entry(): string | null {
    switch (this.#why) {
      case Refusal.inputState:
      case Refusal.outputState:
        return `state ${states[this.#state]}`
      case Refusal.hairpin:
        return 'hairpin off'
      case Refusal.isolated:
        return 'isolated on'
      case Refusal.locked:
        return 'locked on'
      case Refusal.suppressed:
        return 'neigh_suppress on'
      case Refusal.flooding:
        return 'flood off'
      case Refusal.mcastFlood:
        return 'mcast_flood off'
      case Refusal.bcastFlood:
        return 'bcast_flood off'
      default:
        return null
    }
  }

  override command(): string | null {
    switch (this.#why) {
      case Refusal.linkLocal:
        return null
      case Refusal.vlanIn:
      case Refusal.vlanOut:
        return `bridge vlan show dev ${this.#port}`
      default:
        return `bridge -d link show dev ${this.#port}`
    }
  }
}

/** Tells why the frame goes no further, or not to this port. */
export function refuse(bridge: Bridge, frame: Frame, why: Refusal, port: Port | null): void {
  bridge.world.frames.tell(frame, bridge.place, new Refused(bridge, why, port))
}

/** Why a port does not deliver a frame. `vlan` 0: VLANs are not told apart. */
function whyNot(from: Port | null, to: Port, vlan: number): Refusal {
  if (to.state !== PortState.forwarding) return Refusal.outputState
  if (to === from && !to.hairpin) return Refusal.hairpin
  if (vlan !== 0 && !to.vlans.has(vlan)) return Refusal.vlanOut
  return from?.isolated && to.isolated ? Refusal.isolated : Refusal.deviceDown
}

/** A known destination's port does not deliver. */
export function tellUndelivered(bridge: Bridge, frame: Frame, from: Port | null, to: Port, vlan: number): void {
  refuse(bridge, frame, whyNot(from, to, vlan), to)
}

/** A port gets no copy; that nothing goes back where it came from needs no word. */
export function tellSkipped(
  bridge: Bridge,
  frame: Frame,
  from: Port | null,
  to: Port,
  vlan: number,
  delivers: boolean,
  replied: boolean,
): void {
  if (to === from && !to.hairpin) return
  let why: Refusal = Refusal.flooding
  if (!delivers) why = whyNot(from, to, vlan)
  else if (replied && to.neighSuppress) why = Refusal.suppressed
  else if (frame.group) {
    why = ethernet.isBroadcast(frame.bytes, frame.start) ? Refusal.bcastFlood : Refusal.mcastFlood
  }
  refuse(bridge, frame, why, to)
}

/** The bridge answers an ARP request in its owner's name (neigh_suppress). */
export class AnsweredFor extends BridgeDecision {
  /** The packet that asked. */
  readonly packet: number

  constructor(bridge: Named, packet: number) {
    super(bridge)
    this.packet = packet
  }

  override sentence(): string {
    return `answers packet ${this.packet}: ${this.bridge} knows the neighbour that it asks for (neigh_suppress)`
  }

  override command(): string {
    return `ip neigh show dev ${this.bridge}`
  }
}

/** The six bytes at a place, as text. */
export function macAt(bytes: Uint8Array, at: number): string {
  return formatMac(bytes.slice(at, at + 6))
}
