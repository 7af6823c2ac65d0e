/** What devices do to a frame of a known flow, to be done once more (see flow-cache.ts). */
import type { Mac } from '../wire/address.ts'
import { type Fdb, type FdbEntry, UPDATED, USED } from './fdb.ts'
import { Step } from './flow-cache.ts'
import type { Frame } from './frame.ts'

/** A device as far as its doors go. */
export interface Doors {
  readonly up: boolean
  readonly carrier: boolean
  readonly mac: Mac
  readonly mtu: number
  readonly tap: unknown
  readonly stack: unknown
  readonly qdisc: unknown
  readonly receiver: unknown
  rxPackets: number
  rxBytes: number
  txPackets: number
  txBytes: number
}

interface Clock {
  readonly now: number
}

/** A device received it. */
export class Arrival extends Step {
  readonly #device: Doors
  readonly #receiver: unknown

  constructor(device: Doors, receiver: unknown) {
    super()
    this.#device = device
    this.#receiver = receiver
  }

  override holds(): boolean {
    const device = this.#device
    return device.up && device.tap === null && device.stack === null && device.receiver === this.#receiver
  }

  override again(frame: Frame): void {
    this.#device.rxPackets++
    this.#device.rxBytes += frame.end - frame.start
  }
}

/** A virtual device sent it into something below it that is not a cable. */
export class Departure extends Step {
  readonly #device: Doors
  readonly #mtu: number

  constructor(device: Doors) {
    super()
    this.#device = device
    this.#mtu = device.mtu
  }

  override holds(): boolean {
    const device = this.#device
    return device.up && device.carrier && device.qdisc === null && device.tap === null && device.mtu === this.#mtu
  }

  override again(frame: Frame): void {
    this.#device.txPackets++
    this.#device.txBytes += frame.end - frame.start
  }
}

/** An entry of a forwarding database said where a frame goes. */
export class Lookup<Target> extends Step {
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
    const entry = this.#entry
    if (entry.gone || entry.port !== this.#target || entry.local !== this.#local) return false
    return entry.permanent || this.#clock.now - entry.times[UPDATED] < this.#fdb.ageing
  }

  override again(): void {
    if (this.#used) this.#entry.times[USED] = this.#clock.now
  }
}
