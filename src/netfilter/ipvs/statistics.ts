/**
 * What a virtual service, a real server, or all of them together have carried (struct ip_vs_stats), and how fast: the
 * estimator (ip_vs_est.c) looks every two seconds, and moves each rate a quarter of the way to what it saw.
 *
 * No timer runs for that: whoever counts or asks first lets the looks take place that were due since.
 */
import { type Scheduler, SECOND } from '../../sim/scheduler.ts'

/** Places in the arrays. */
export const Count = { CONNECTIONS: 0, IN_PACKETS: 1, OUT_PACKETS: 2, IN_BYTES: 3, OUT_BYTES: 4 } as const
export type Count = (typeof Count)[keyof typeof Count]

const KINDS = 5
const PERIOD = 2 * SECOND
/** Fractions of the rates: ten bits for events, five for bytes; half of them comes from the two seconds. */
const EVENT_SCALE = 512
const BYTE_SCALE = 16

export class Statistics {
  readonly #scheduler: Scheduler
  readonly #counts = new Float64Array(KINDS)
  readonly #seen = new Float64Array(KINDS)
  readonly #rates = new Float64Array(KINDS)
  /** When the next look is due. */
  readonly #due = new Float64Array(1)

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
    this.#due[0] = (Math.floor(scheduler.now / PERIOD) + 1) * PERIOD
  }

  connected(): void {
    if (this.#scheduler.now >= this.#due[0]) this.#catchUp()
    this.#counts[Count.CONNECTIONS]++
  }

  received(bytes: number): void {
    if (this.#scheduler.now >= this.#due[0]) this.#catchUp()
    this.#counts[Count.IN_PACKETS]++
    this.#counts[Count.IN_BYTES] += bytes
  }

  sent(bytes: number): void {
    if (this.#scheduler.now >= this.#due[0]) this.#catchUp()
    this.#counts[Count.OUT_PACKETS]++
    this.#counts[Count.OUT_BYTES] += bytes
  }

  count(kind: Count): number {
    return this.#counts[kind]
  }

  /** A second. */
  rate(kind: Count): number {
    if (this.#scheduler.now >= this.#due[0]) this.#catchUp()
    const bytes = kind === Count.IN_BYTES || kind === Count.OUT_BYTES
    const scale = bytes ? BYTE_SCALE : EVENT_SCALE
    return Math.floor((this.#rates[kind] + scale - 1) / (2 * scale))
  }

  /** `ipvsadm -Z`. */
  clear(): void {
    this.#counts.fill(0)
    this.#seen.fill(0)
    this.#rates.fill(0)
  }

  #catchUp(): void {
    const now = this.#scheduler.now
    while (now >= this.#due[0]) {
      this.#due[0] += PERIOD
      let moving = false
      for (let kind = 0; kind < KINDS; kind++) {
        const scale = kind >= Count.IN_BYTES ? BYTE_SCALE : EVENT_SCALE
        const rate = (this.#counts[kind] - this.#seen[kind]) * scale
        this.#seen[kind] = this.#counts[kind]
        this.#rates[kind] += Math.floor((rate - this.#rates[kind]) / 4)
        if (this.#rates[kind] !== 0) moving = true
      }
      if (!moving && now >= this.#due[0]) this.#due[0] = (Math.floor(now / PERIOD) + 1) * PERIOD
    }
  }
}
