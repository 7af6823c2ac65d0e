/**
 * Pacing (tcp_needs_internal_pacing of net/ipv4/tcp_output.c): after each burst the sender waits as long as the burst would
 * take at the pacing rate. Connections whose program or congestion control asks for it have one of these.
 */
import type { Nanos, Scheduler, Timer } from '../../sim/scheduler.ts'

/** The first segments leave at once, as from sch_fq. */
const UNPACED = 10
const SECOND = 1e9

export class Pacing {
  readonly timer: Timer
  /** When the next burst may leave (tcp_wstamp_ns), and when the latest could have left and did. */
  departure: Nanos = 0
  #due: Nanos = 0
  #left: Nanos = 0
  /** Bytes of the latest burst. */
  #bytes = 0

  constructor(timer: Timer) {
    this.timer = timer
  }

  /** Is it too early for the next burst? Then the timer stands for it (tcp_pacing_check). */
  holds(scheduler: Scheduler): boolean {
    if (this.departure <= scheduler.now) return false
    if (!this.timer.armed) scheduler.at(this.timer, this.departure)
    return true
  }

  /**
   * So many bytes left, in a burst of their own or `joined` to the latest (tcp_update_skb_after_send). `rate`: bytes a
   * second; `segments`: with data, ever sent.
   */
  sent(bytes: number, joined: boolean, rate: number, segments: number, now: Nanos): void {
    if (!joined) {
      this.#due = this.departure
      this.#left = Math.max(this.departure, now)
      this.#bytes = 0
    }
    this.#bytes += bytes
    this.departure = this.#left
    if (rate === 0 || rate === Number.POSITIVE_INFINITY || segments < UNPACED) return
    const length = Math.floor((this.#bytes * SECOND) / rate)
    // What a late timer lost is made good, up to half of the time.
    this.departure += length - Math.min(Math.floor(length / 2), this.#left - this.#due)
  }

  /** How long until the next may leave. */
  ahead(now: Nanos): Nanos {
    return Math.max(this.departure - now, 0)
  }
}
