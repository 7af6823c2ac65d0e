/**
 * How much more than expected is acknowledged at a time, on paths that hold acknowledgments back and then let many go
 * (bbr_update_ack_aggregation of net/ipv4/tcp_bbr.c): the most of the last five to ten round trips, in segments.
 */
import { WHOLE } from './bbr-units.ts'
import type { Flow } from './congestion.ts'
import { DELIVERED_AT } from './moments.ts'
import { sample } from './rate.ts'
import { since } from './rtt.ts'

/** Round trips of one of the two halves of the window. */
const ROUNDS = 5
/** An epoch ends when so much was acknowledged in it. */
const LONGEST = 1 << 20
/** At most what the path carries in so many microseconds. */
const MOST = 100_000

export class Aggregation {
  #this = 0
  #last = 0
  #rounds = 0
  #acked = 0
  /** When the epoch began. */
  readonly #began = new Float64Array(1)

  begin(flow: Flow): void {
    this.#this = 0
    this.#last = 0
    this.#rounds = 0
    this.restart(flow)
  }

  /** A new epoch: sending begins again. */
  restart({ world }: Flow): void {
    this.#began[0] = world.scheduler.now
    this.#acked = 0
  }

  update({ moments, congestion }: Flow, bandwidth: number, newRound: boolean): void {
    if (sample.acked <= 0 || sample.delivered < 0 || sample.interval <= 0) return
    if (newRound && ++this.#rounds >= ROUNDS) {
      this.#rounds = 0
      this.#last = this.#this
      this.#this = 0
    }
    const elapsed = since(moments[DELIVERED_AT], this.#began[0])
    let expected = Math.floor((bandwidth * elapsed) / WHOLE)
    if (this.#acked <= expected || this.#acked + sample.acked >= LONGEST) {
      this.#acked = 0
      this.#began[0] = moments[DELIVERED_AT]
      expected = 0
    }
    this.#acked = Math.min(this.#acked + sample.acked, LONGEST - 1)
    const extra = Math.min(this.#acked - expected, congestion.window)
    if (extra > this.#this) this.#this = extra
  }

  /** How many segments more than the path holds may be out. */
  allowance(bandwidth: number): number {
    return Math.min(Math.max(this.#this, this.#last), Math.floor((bandwidth * MOST) / WHOLE))
  }
}
