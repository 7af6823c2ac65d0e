/** What devices do to a frame of a known flow, to be done once more (see flow-cache.ts). */
import { type Fdb, type FdbEntry, UPDATED, USED } from './fdb.ts'
import { SharedStep, type Tally } from './flow-cache.ts'

/** A device's own counters. */
interface Counted {
  rxPackets: number
  rxBytes: number
  txPackets: number
  txBytes: number
}

interface Clock {
  readonly now: number
}

/** A device received it. */
export class Arrival implements Tally {
  readonly #device: Counted

  constructor(device: Counted) {
    this.#device = device
  }

  add(packets: number, bytes: number): void {
    this.#device.rxPackets += packets
    this.#device.rxBytes += bytes
  }
}

/** A virtual device sent it into something below it that is not a cable. */
export class Departure implements Tally {
  readonly #device: Counted

  constructor(device: Counted) {
    this.#device = device
  }

  add(packets: number, bytes: number): void {
    this.#device.txPackets += packets
    this.#device.txBytes += bytes
  }
}

/** An entry of a forwarding database said where a frame goes. */
export class Lookup<Target> extends SharedStep {
  readonly #fdb: Fdb<Target>
  readonly #clock: Clock
  readonly #entry: FdbEntry<Target>
  readonly #target: Target
  readonly #local: boolean
  readonly #used: boolean

  /** `used`: the entry remembers that it was asked for. */
  constructor(fdb: Fdb<Target>, clock: Clock, entry: FdbEntry<Target>, used: boolean) {
    super()
    this.#fdb = fdb
    this.#clock = clock
    this.#entry = entry
    this.#target = entry.port
    this.#local = entry.local
    this.#used = used
  }

  override holds(): boolean {
    return this.stands()
  }

  override stands(): boolean {
    const entry = this.#entry
    if (entry.gone || entry.port !== this.#target || entry.local !== this.#local) return false
    return entry.permanent || this.#clock.now - entry.times[UPDATED] < this.#fdb.ageing
  }

  override again(): void {
    this.leave()
  }

  override leave(): void {
    if (this.#used) this.#entry.times[USED] = this.#clock.now
  }
}
