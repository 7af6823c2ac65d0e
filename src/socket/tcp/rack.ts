/** What RACK remembers (struct tcp_rack): the segment sent last of all that have arrived, and its round trip. */
import type { Nanos } from '../../sim/scheduler.ts'
import { after } from '../../wire/tcp.ts'

const SENT = 0
const TRIP = 1

export class Rack {
  readonly #times = Float64Array.of(-1, 0)
  #end = 0

  get trip(): Nanos {
    return this.#times[TRIP]
  }

  /** A segment that was sent at `at` and ends with `end` has arrived, after `trip`. */
  arrived(at: Nanos, end: number, trip: Nanos): void {
    this.#times[TRIP] = trip
    if (!this.isAfter(at, end)) {
      this.#times[SENT] = at
      this.#end = end
    }
  }

  /** Was the segment that arrived sent after the one that was sent at `at` and ends with `end`? */
  isAfter(at: Nanos, end: number): boolean {
    return this.#times[SENT] > at || (this.#times[SENT] === at && after(this.#end, end))
  }
}
