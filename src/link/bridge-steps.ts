/** What a bridge does to a frame of a known flow, to be done once more (see flow-cache.ts). */

import * as ethernet from '../wire/ethernet.ts'
import { PortState } from './bridge-state.ts'
import type { Doors } from './device-steps.ts'
import { type FdbEntry, UPDATED } from './fdb.ts'
import { journal, Step } from './flow-cache.ts'
import type { Frame } from './frame.ts'

interface Port {
  readonly state: PortState
  readonly learning: boolean
  readonly hairpin: boolean
  readonly isolated: boolean
  readonly device: Doors
  readonly bridge: { readonly promiscuous: boolean }
  heard: FdbEntry<Port | null> | null
}

interface Clock {
  readonly now: number
}

/** A port took it: no group's, by a port that forwards. */
class Taken extends Step {
  readonly #port: Port

  constructor(port: Port) {
    super()
    this.#port = port
  }

  override holds(): boolean {
    return this.#port.state === PortState.forwarding && !this.#port.bridge.promiscuous
  }

  override again(frame: Frame): void {
    frame.group = false
  }
}

export function noteTaken(frame: Frame, port: Port): void {
  if (frame.group || port.bridge.promiscuous) journal.refuse()
  journal.cover(frame.start, ethernet.HEADER)
  journal.add(frame, new Taken(port))
}

/** The port's station was heard again. */
class Learning extends Step {
  readonly #port: Port
  readonly #station: FdbEntry<Port | null>
  readonly #clock: Clock

  constructor(port: Port, station: FdbEntry<Port | null>, clock: Clock) {
    super()
    this.#port = port
    this.#station = station
    this.#clock = clock
  }

  override holds(): boolean {
    const station = this.#station
    return this.#port.learning && !station.gone && (station.port === this.#port || station.fixed)
  }

  override again(): void {
    this.#port.heard = this.#station
    if (!this.#station.permanent) this.#station.times[UPDATED] = this.#clock.now
  }
}

class Unlearning extends Step {
  readonly #port: Port

  constructor(port: Port) {
    super()
    this.#port = port
  }

  override holds(): boolean {
    return !this.#port.learning
  }
}

export function noteLearnt(frame: Frame, port: Port, clock: Clock): void {
  const known = port.learning ? port.heard : null
  journal.add(frame, known === null ? new Unlearning(port) : new Learning(port, known, clock))
}

/** It may leave by the port. */
export class Handover extends Step {
  readonly #from: Port | null
  readonly #to: Port
  readonly #mtu: number

  constructor(from: Port | null, to: Port) {
    super()
    this.#from = from
    this.#to = to
    this.#mtu = to.device.mtu
  }

  override holds(): boolean {
    const from = this.#from
    const to = this.#to
    if (to.state !== PortState.forwarding || !to.device.up || to.device.mtu !== this.#mtu) return false
    return from === null || ((to !== from || to.hairpin) && !(from.isolated && to.isolated))
  }
}
