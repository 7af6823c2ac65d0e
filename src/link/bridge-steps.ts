/** What a bridge does to a frame of a known flow, to be done once more (see flow-cache.ts). */

import * as ethernet from '../wire/ethernet.ts'
import { type FdbEntry, UPDATED } from './fdb.ts'
import { journal, SharedStep } from './flow-cache.ts'
import type { Frame } from './frame.ts'

interface Port {
  readonly learning: boolean
  readonly bridge: { readonly promiscuous: boolean }
  heard: FdbEntry<Port | null> | null
}

interface Clock {
  readonly now: number
}

/** A port took it. */
export function noteTaken(frame: Frame, port: Port): void {
  if (frame.group || port.bridge.promiscuous) journal.refuse()
  journal.cover(frame.start, ethernet.HEADER)
}

/** The port's station was heard again. */
class Learning extends SharedStep {
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
    return this.stands()
  }

  override again(): void {
    this.leave()
  }

  override stands(): boolean {
    const station = this.#station
    return !station.gone && (station.port === this.#port || station.fixed)
  }

  override leave(): void {
    this.#port.heard = this.#station
    if (!this.#station.permanent) this.#station.times[UPDATED] = this.#clock.now
  }
}

export function noteLearnt(frame: Frame, port: Port, clock: Clock): void {
  const known = port.learning ? port.heard : null
  if (known !== null) journal.add(frame, new Learning(port, known, clock))
}
