/**
 * Losses found by time (net/ipv4/tcp_recovery.c, RFC 8985): what was sent before something that has arrived, and a
 * little longer ago than a round trip, is lost. How little is learnt from reordering that was seen.
 */

import { MICROSECOND, type Nanos } from '../../sim/scheduler.ts'
import { after } from '../../wire/tcp.ts'
import type { CongestionState } from './congestion.ts'
import { RACK_SENT, RACK_TRIP } from './moments.ts'

/** TCP_RACK_RECOVERY_THRESH: so many recoveries a wider reordering window is kept. */
const PERSISTENCE = 16
const MOST_STEPS = 255
/** tcp_recovery's bits beside RACK itself: the window does not grow; three SACKs do not close it. */
const STATIC_WINDOW = 2
const NO_DUPLICATE_THRESHOLD = 4

/** What RACK remembers (struct tcp_rack): the segment sent last of all that have arrived, and its round trip. */
export class Rack {
  readonly #moments: Float64Array
  #end = 0
  /** Something arrived since losses were last looked for. */
  advanced = false
  /** Reordering was seen; the peer reported duplicates since the window was last widened. */
  reordered = false
  duplicates = false
  #steps = 1
  #persist = 0
  #lastDelivered = 0

  constructor(moments: Float64Array) {
    this.#moments = moments
  }

  get trip(): Nanos {
    return this.#moments[RACK_TRIP]
  }

  /** A segment that was sent at `at` and ends with `end` has arrived, after `trip` (tcp_rack_advance). */
  arrived(at: Nanos, end: number, trip: Nanos, again: boolean, least: number): void {
    // It may be the first copy that arrived.
    if (again && trip < least * MICROSECOND) return
    this.advanced = true
    this.#moments[RACK_TRIP] = trip
    if (!this.isAfter(at, end)) {
      this.#moments[RACK_SENT] = at
      this.#end = end
    }
  }

  /** Was the segment that arrived sent after the one that was sent at `at` and ends with `end`? */
  isAfter(at: Nanos, end: number): boolean {
    return this.#moments[RACK_SENT] > at || (this.#moments[RACK_SENT] === at && after(this.#end, end))
  }

  /** The reordering window in quarters of the least round trip follows the duplicates (tcp_rack_update_reo_wnd). */
  adapt(recovery: number, delivered: number, priorDelivered: number): void {
    if ((recovery & STATIC_WINDOW) !== 0 || priorDelivered === 0) return
    if (priorDelivered < this.#lastDelivered) this.duplicates = false
    if (this.duplicates) {
      this.#steps = Math.min(MOST_STEPS, this.#steps + 1)
      this.duplicates = false
      this.#lastDelivered = delivered
      this.#persist = PERSISTENCE
    } else if (this.#persist === 0) this.#steps = 1
  }

  /** A recovery was over without being in vain; or was in vain. */
  settled(): void {
    if (this.#persist > 0) this.#persist--
  }

  fooled(): void {
    this.#persist = Math.min(PERSISTENCE, this.#persist + 1)
  }

  /** tcp_rack_reo_wnd, in nanoseconds. `enough`: as many SACKs as mean a loss; round trips in microseconds. */
  window(state: CongestionState, enough: boolean, recovery: number, least: number, smoothed: number): Nanos {
    if (!this.reordered) {
      if (state === 'Recovery' || state === 'Loss') return 0
      if (enough && (recovery & NO_DUPLICATE_THRESHOLD) === 0) return 0
    }
    return Math.min((least >> 2) * this.#steps, smoothed >> 3) * MICROSECOND
  }
}
