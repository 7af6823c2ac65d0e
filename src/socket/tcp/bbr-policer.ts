/**
 * BBR's eye for policers (bbr_lt_bw_sampling of net/ipv4/tcp_bbr.c): a token bucket lets a burst pass and then drops what
 * exceeds its rate. Two intervals with many losses and about the same rate are taken for one, and that rate is kept for
 * a while instead of probing for more.
 */
import { MILLISECOND } from '../../sim/scheduler.ts'
import { bytesPerSecond, UNIT, WHOLE } from './bbr-units.ts'
import type { Flow } from './congestion.ts'
import { DELIVERED_AT } from './moments.ts'

/** An interval lasts at least so many round trips, and is given up after four times as many. */
const LEAST_ROUNDS = 4
const MOST_ROUNDS = 4 * LEAST_ROUNDS
/** A fifth of the segments is lost, in 256ths. */
const LOSSY = 50
/** Rates are alike within an eighth, or within 4 kbit/s. */
const ALIKE = UNIT >> 3
const ALIKE_BYTES = 4000 / 8
/** So many round trips a rate is believed. */
const BELIEVED = 48

/** What an observation means: nothing; two rates agree; what was believed is old, probe anew. */
export const Verdict = { NONE: 0, POLICED: 1, OVER: 2 } as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

export class PolicerWatch {
  /** The rate in the unit of BBR's bandwidth, and whether it is believed. */
  rate = 0
  believed = false
  #sampling = false
  #rounds = 0
  /** When the interval began, in milliseconds, and what had been delivered and lost then. */
  #began = 0
  #delivered = 0
  #lost = 0

  reset(flow: Flow): void {
    this.rate = 0
    this.believed = false
    this.#sampling = false
    this.#beginInterval(flow)
  }

  /** An acknowledgment came: it gave up `losses`, and may begin a round; `steady`: BBR has found its bandwidth and probes. */
  observe(flow: Flow, losses: number, limited: boolean, newRound: boolean, steady: boolean): Verdict {
    if (this.believed) return this.#doubt(flow, newRound, steady)
    if (!this.#sampling) {
      // The first loss says that the bucket is empty: what follows is the policer's rate.
      if (losses === 0) return Verdict.NONE
      this.#beginInterval(flow)
      this.#sampling = true
    }
    if (limited) {
      this.reset(flow)
      return Verdict.NONE
    }
    if (newRound) this.#rounds++
    if (this.#rounds < LEAST_ROUNDS) return Verdict.NONE
    if (this.#rounds > MOST_ROUNDS) {
      this.reset(flow)
      return Verdict.NONE
    }
    // An interval ends with a loss, when the bucket is empty again.
    return losses === 0 ? Verdict.NONE : this.#measure(flow)
  }

  #doubt(flow: Flow, newRound: boolean, steady: boolean): Verdict {
    if (!steady || !newRound || ++this.#rounds < BELIEVED) return Verdict.NONE
    this.reset(flow)
    return Verdict.OVER
  }

  #measure(flow: Flow): Verdict {
    const lost = flow.send.sent.everLost - this.#lost
    const delivered = flow.delivered - this.#delivered
    if (delivered === 0 || lost * UNIT < LOSSY * delivered) return Verdict.NONE
    const milliseconds = now(flow) - this.#began
    if (milliseconds < 1) return Verdict.NONE
    const rate = Math.floor((delivered * WHOLE) / (milliseconds * 1000))
    if (this.rate > 0) {
      const apart = Math.abs(rate - this.rate)
      const alike = apart * UNIT <= ALIKE * this.rate || bytesPerSecond(apart, flow.mss, UNIT) <= ALIKE_BYTES
      if (alike) {
        this.rate = Math.floor((rate + this.rate) / 2)
        this.believed = true
        this.#rounds = 0
        return Verdict.POLICED
      }
    }
    this.rate = rate
    this.#beginInterval(flow)
    return Verdict.NONE
  }

  #beginInterval(flow: Flow): void {
    this.#began = now(flow)
    this.#delivered = flow.delivered
    this.#lost = flow.send.sent.everLost
    this.#rounds = 0
  }
}

/** Of the latest delivery, milliseconds. */
function now({ moments }: Flow): number {
  return Math.floor(moments[DELIVERED_AT] / MILLISECOND)
}
