/**
 * Round-trip time and retransmission time-out: RFC 6298 as tcp_rtt_estimator does it, in microseconds, with the
 * smoothed values kept as multiples (8 and 4 times) so that all is integer arithmetic.
 */

import { HZ } from '../../sim/jiffies.ts'
import { MICROSECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import { after } from '../../wire/tcp.ts'
import { LEAST_AT } from './moments.ts'
import type { Settings } from './settings.ts'
import type { Tunables } from './tunables.ts'

/** TCP_TIMEOUT_INIT and TCP_RTO_MIN, in jiffies. */
export const RTO_INITIAL = HZ
export const RTO_MIN = HZ / 5
/** TCP_DELACK_MAX, in jiffies. */
export const LONGEST_DELAY = HZ / 5

/** Whose sysctls and socket options bound the time-out. */
interface Bounds {
  readonly tunables: Tunables
  readonly settings: Readonly<Settings>
}

/** tcp_rto_min: microseconds. */
export function leastTimeout({ tunables, settings }: Bounds): number {
  return settings.leastTimeout || tunables.leastTimeout
}

/** tcp_delack_max: jiffies, TCP_DELACK_MAX (200 ms) and less than the least time-out. */
export function longestDelay(bounds: Bounds): number {
  const belowTimeout = Math.max(Math.ceil(leastTimeout(bounds) / MICROSECONDS_PER_JIFFY), 2) - 1
  return Math.min(bounds.settings.longestDelay || LONGEST_DELAY, belowTimeout)
}

/** tcp_rto_max: jiffies. */
export function longestTimeout({ tunables, settings }: Bounds): number {
  return settings.longestTimeout || tunables.longestTimeout
}

const MICROSECONDS_PER_JIFFY = 1_000_000 / HZ

export class RoundTrip {
  /** Eight times the smoothed round trip; 0 before the first measurement. */
  smoothed = 0
  /** Four times the mean deviation. */
  deviation = 0
  #largestDeviation = 0
  #variance = 0
  /** When this is acknowledged, the largest deviation is forgotten. */
  #until = 0
  /** The retransmission time-out in jiffies, without back-off. */
  timeout = RTO_INITIAL
  /** The smallest round trip seen; 0 before the first. */
  least = 0
  readonly #moments: Float64Array

  constructor(moments: Float64Array) {
    this.#moments = moments
  }

  /**
   * One measurement, microseconds: on the oldest segment that arrived, and on the latest, which may have been `delayed`
   * by the receiver. `una` and `next` are SND.UNA and SND.NXT.
   */
  measure(
    microseconds: number,
    latest: number,
    delayed: boolean,
    now: Nanos,
    una: number,
    next: number,
    bounds: Bounds,
  ): void {
    const sample = Math.max(1, microseconds)
    const least = leastTimeout(bounds)
    const lasts = bounds.tunables.leastTripLasts * SECOND
    this.#measureLeast(latest === 0 ? MICROSECONDS_PER_JIFFY : latest, delayed, now, lasts)
    if (this.smoothed === 0) {
      this.smoothed = sample * 8
      this.deviation = sample * 2
      this.#variance = Math.max(this.deviation, least)
      this.#largestDeviation = this.#variance
      this.#until = next
    } else this.#smooth(sample, una, next, least)
    const jiffies = Math.ceil((Math.floor(this.smoothed / 8) + this.#variance) / MICROSECONDS_PER_JIFFY)
    this.timeout = Math.min(jiffies, longestTimeout(bounds))
  }

  /** tcp_update_rtt_min: the least of tcp_min_rtt_wlen. */
  #measureLeast(sample: number, delayed: boolean, now: Nanos, lasts: Nanos): void {
    const old = now - this.#moments[LEAST_AT] > lasts
    if (this.least !== 0 && sample > this.least && (delayed || !old)) return
    this.least = sample
    this.#moments[LEAST_AT] = now
  }

  #smooth(sample: number, una: number, next: number, least: number): void {
    let error = sample - Math.floor(this.smoothed / 8)
    this.smoothed += error
    if (error < 0) {
      error = -error - Math.floor(this.deviation / 4)
      // A round trip that falls must not raise the deviation fast: Linux weighs it eight times less.
      if (error > 0) error >>= 3
    } else error -= Math.floor(this.deviation / 4)
    this.deviation += error
    if (this.deviation > this.#largestDeviation) {
      this.#largestDeviation = this.deviation
      if (this.#largestDeviation > this.#variance) this.#variance = this.#largestDeviation
    }
    if (after(una, this.#until)) {
      if (this.#largestDeviation < this.#variance) this.#variance -= (this.#variance - this.#largestDeviation) >> 2
      this.#until = next
      this.#largestDeviation = least
    }
  }
}

/** Microseconds from one reading of the microsecond clock to another (tcp_stamp_us_delta). */
export function since(now: Nanos, then: Nanos): number {
  return Math.max(0, Math.floor(now / MICROSECOND) - Math.floor(then / MICROSECOND))
}
