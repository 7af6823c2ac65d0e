/** What the neighbour table and ARP decide, for whoever traces (see link/decision.ts). */

import { Decision, type DecisionKind } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import { formatIpv4, type Ipv4, type Mac } from '../wire/address.ts'
import { i32, put16, put32, u16 } from '../wire/bytes.ts'
import type { Entry, NeighbourState } from './neighbour-entry.ts'
import { neighbourLine } from './neighbour-text.ts'

/** An entry of the table, as it was. */
abstract class NeighbourDecision extends Decision {
  override readonly kind: DecisionKind = 'neighbour'
  protected readonly address: Ipv4
  protected readonly state: NeighbourState
  protected readonly device: string
  readonly #high: number
  readonly #low: number

  constructor(entry: Entry) {
    super()
    this.address = entry.address
    this.state = entry.state
    this.device = entry.device.name
    this.#high = u16(entry.mac, 0)
    this.#low = i32(entry.mac, 2)
  }

  override entry(): string {
    const mac: Mac = new Uint8Array(6)
    put16(mac, 0, this.#high)
    put32(mac, 2, this.#low)
    return neighbourLine({ address: this.address, mac, state: this.state }, this.device)
  }

  /** A listing hides what needs no ARP, and a listing of one device does not name it. */
  override command(): string {
    const all = this.state === 'NOARP' || this.state === 'NONE' ? ' nud all' : ''
    return `ip neigh show ${formatIpv4(this.address)}${all}`
  }
}

const sure: Readonly<Record<NeighbourState, string>> = {
  REACHABLE: 'the next hop is known',
  PERMANENT: 'the next hop was set by hand',
  NOARP: 'the device needs no ARP',
  DELAY: 'the next hop was known once: it is used, and soon asked unless it shows life',
  PROBE: 'the next hop is used while it is asked whether it is still there',
  STALE: 'the next hop is known by hearsay',
  INCOMPLETE: 'the next hop is asked for',
  FAILED: 'the next hop did not answer',
  NONE: 'nothing is known of the next hop',
}

/** The frame leaves to the MAC of the entry. */
export class NextHop extends NeighbourDecision {
  override sentence(): string {
    return sure[this.state]
  }
}

/** It waits until ARP answers. */
export class Waits extends NeighbourDecision {
  readonly #before: number

  /** `before`: how many wait besides. */
  constructor(entry: Entry, before: number) {
    super(entry)
    this.#before = before
  }

  override sentence(): string {
    const others = this.#before === 0 ? '' : `, behind ${this.#before} more`
    return `waits for ARP to find ${formatIpv4(this.address)}${others}`
  }
}

/** The first to come gives way: the queue of what waits is full. */
export class GivesWay extends NeighbourDecision {
  readonly #limit: number

  constructor(entry: Entry) {
    super(entry)
    this.#limit = entry.parameters.queueBytes
  }

  override sentence(): string {
    return `more wait for ${formatIpv4(this.address)} than ${this.#limit} bytes (unres_qlen_bytes): the oldest gives way`
  }
}

/** Nobody answered. */
export class Unresolved extends NeighbourDecision {
  readonly #asked: number

  constructor(entry: Entry, asked: number) {
    super(entry)
    this.#asked = asked
  }

  override sentence(): string {
    const times = this.#asked === 1 ? 'once' : `${this.#asked} times`
    return `${formatIpv4(this.address)} did not answer ARP on ${this.device}, asked ${times}`
  }
}

/** An ARP request of our own. */
export class Asks extends NeighbourDecision {
  override readonly kind = 'arp'
  /** The packet that waits for the answer; 0: none does. */
  readonly packet: number
  readonly #unicast: boolean

  constructor(entry: Entry, packet: number, unicast: boolean) {
    super(entry)
    this.packet = packet
    this.#unicast = unicast
  }

  override sentence(): string {
    const who = formatIpv4(this.address)
    if (this.#unicast) return `asks ${who} itself whether it is still there`
    return this.packet === 0 ? `asks who has ${who}` : `asks who has ${who}, for packet ${this.packet}, which waits`
  }
}

/** An ARP packet told of its sender. */
export class Heard extends NeighbourDecision {
  override readonly kind = 'arp'
  readonly #before: NeighbourState | null

  constructor(entry: Entry, before: NeighbourState | null) {
    super(entry)
    this.#before = before
  }

  override sentence(): string {
    const who = formatIpv4(this.address)
    if (this.#before === null) return `${who} is a neighbour from now on`
    return this.#before === this.state ? `${who} is heard again` : `${who} was ${this.#before} and is ${this.state}`
  }
}

/** What ARP decides that no entry says. */
export class ArpVerdict extends Decision {
  override readonly kind = 'arp'
  readonly #sentence: string
  readonly #command: string | null
  readonly #entry: string | null
  /** The packet that it answers; 0: none. */
  readonly packet: number

  constructor(sentence: string, packet = 0, entry: string | null = null, command: string | null = null) {
    super()
    this.#sentence = sentence
    this.packet = packet
    this.#entry = entry
    this.#command = command
  }

  override sentence(): string {
    return this.#sentence
  }

  override entry(): string | null {
    return this.#entry
  }

  override command(): string | null {
    return this.#command
  }
}

/** A station on this bridge has the new destination (neigh_hh_bridge). */
export class AtBridge extends NeighbourDecision {
  readonly #bridge: string

  constructor(entry: Entry, bridge: NetDevice) {
    super(entry)
    this.#bridge = bridge.name
  }

  override sentence(): string {
    return `the new destination is a station on ${this.#bridge} itself: the frame gets its MAC and stays on the bridge`
  }
}
