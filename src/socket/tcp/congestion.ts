/**
 * How much may be in the network at once: slow start, congestion avoidance, proportional rate reduction (RFC 5681,
 * RFC 6937), counted in segments as Linux counts. How the window grows and shrinks is a `CongestionControl`'s.
 */

import type { World } from '../../link/world.ts'
import { before } from '../../wire/tcp.ts'
import type { BbrInfo } from './bbr-units.ts'
import type { Ecn } from './ecn.ts'
import type { Pacing } from './pacing.ts'
import type { RoundTrip } from './rtt.ts'
import type { SendQueue } from './send.ts'
import type { Tunables } from './tunables.ts'

/** RFC 6928. */
export const INITIAL_WINDOW = 10
export const UNLIMITED = 0x7fffffff
/** Duplicate acknowledgments that mean a loss (RFC 5681 section 3.2). */
export const DUPLICATES = 3

/** What congestion control asks of a flow. */
export interface Flow {
  readonly world: World
  readonly tunables: Tunables
  readonly congestion: Congestion
  readonly roundTrip: RoundTrip
  readonly send: SendQueue
  readonly ecn: Ecn
  readonly mss: number
  /** The retransmission time-out, in jiffies. */
  readonly timeout: number
  readonly wantsRoom: boolean
  tailProbed: boolean
  /** Segments known to have arrived; what it will be when the program no longer holds sending back, 0: it does not. */
  readonly delivered: number
  appLimited: number
  /** The latest sample of the delivery rate: segments, microseconds, and whether the program held sending back. */
  rateDelivered: number
  rateInterval: number
  rateLimited: boolean
  /** Where `moments.ts` says. */
  readonly moments: Float64Array
  /** Null: bursts leave as soon as the windows allow. */
  readonly pacing: Pacing | null
  jiffies(): number
  /** From now on bursts are paced. */
  pace(): void
  /** No faster than the program wants it (SO_MAX_PACING_RATE), bytes a second. */
  limitRate(rate: number): number
}

/** What differs between reno and its successors (tcp_congestion_ops). One object serves one flow. */
export interface CongestionControl {
  readonly name: string
  /** The send buffer has room for so many windows (sndbuf_expand). */
  readonly expand: number
  /** The connection begins, or this algorithm takes it over. */
  begin(flow: Flow): void
  /** `acked` segments were acknowledged while the window was in use: it may grow. */
  avoid(flow: Flow, acked: number): void
  /** The slow start threshold after a loss. */
  threshold(flow: Flow): number
  /** A round trip was measured, microseconds. */
  measured(flow: Flow, trip: number): void
  /** The retransmission timer ran out. */
  timedOut(flow: Flow): void
  /** Sending begins again after so many jiffies of silence. */
  resumed(flow: Flow, idle: number): void
  /**
   * Each acknowledgment, with the sample of the rate that it gave: window and pacing rate are this algorithm's alone, and
   * no reduction is made for it (cong_control). Absent: `avoid` and rate reduction do it.
   */
  steer?(flow: Flow): void
  /** The window when a reduction turns out to have been for nothing; absent: what it was before. */
  undo?(flow: Flow): number
  /** Segments of the smallest burst; absent: tcp_min_tso_segs. */
  minimumBurst?(flow: Flow): number
  info?(flow: Flow): BbrInfo
}

/** tcp_slow_start: one more for each acknowledged, up to the threshold; returns what is left. */
export function slowStart(congestion: Congestion, acked: number): number {
  const grown = Math.min(congestion.window + acked, congestion.threshold)
  const left = acked - (grown - congestion.window)
  congestion.window = grown
  return left
}

/** tcp_cong_avoid_ai: one more for every `every` acknowledged. */
export function additiveIncrease(congestion: Congestion, every: number, acked: number): void {
  if (congestion.credit >= every) {
    congestion.credit = 0
    congestion.window++
  }
  congestion.credit += acked
  if (congestion.credit >= every) {
    const steps = Math.floor(congestion.credit / every)
    congestion.credit -= steps * every
    congestion.window += steps
  }
}

/** RFC 5681, as tcp_reno_cong_avoid. */
export const reno: CongestionControl = {
  name: 'reno',
  expand: 2,
  begin() {},
  avoid({ congestion }, acked) {
    const left = congestion.inSlowStart ? slowStart(congestion, acked) : acked
    if (left > 0) additiveIncrease(congestion, congestion.window, left)
  },
  threshold({ congestion }) {
    return Math.max(congestion.window >> 1, 2)
  },
  measured() {},
  timedOut() {},
  resumed() {},
}

/** Linux's tcp_ca_state. */
export type CongestionState = 'Open' | 'Disorder' | 'CWR' | 'Recovery' | 'Loss'

export class Congestion {
  control: CongestionControl
  state: CongestionState = 'Open'
  /** The congestion window in segments (snd_cwnd). */
  window = INITIAL_WINDOW
  threshold = UNLIMITED
  /** Segments acknowledged towards the next step of congestion avoidance (snd_cwnd_cnt). */
  credit = 0
  /** The present state may end when this is acknowledged (high_seq). */
  high = 0
  /** Window and threshold before the last reduction; a threshold of 0 is not to be restored. */
  priorWindow = 0
  priorThreshold = 0
  /** Bytes a second (sk_pacing_rate). It bounds bursts also where nothing is paced. */
  pacingRate = Number.POSITIVE_INFINITY
  /** Segments delivered and sent since the reduction began (RFC 6937). */
  #delivered = 0
  #sent = 0
  /** Was the window what stopped the last sending? Otherwise it does not grow (RFC 7661). */
  #limited = false
  /** The most segments that were out in the present round trip, which ends when `#usage` is acknowledged. */
  #mostOut = 0
  #usage = 0
  /** The most segments out since the window was last in full use, and when that was, in jiffies. */
  #used = 0
  #stamp = 0

  constructor(control: CongestionControl) {
    this.control = control
  }

  get inSlowStart(): boolean {
    return this.window < this.threshold
  }

  /** `unlimited` for ss: no threshold was ever set. */
  get thresholdKnown(): boolean {
    return this.threshold !== UNLIMITED
  }

  /** tcp_in_cwnd_reduction. */
  get reducing(): boolean {
    return this.state === 'Recovery' || this.state === 'CWR'
  }

  /** tcp_is_cwnd_limited. */
  get limited(): boolean {
    return this.#limited || (this.inSlowStart && this.window < 2 * this.#mostOut)
  }

  /** After sending: what is out, and whether the window stopped it (tcp_cwnd_validate). */
  sent(flow: Flow, limited: boolean): void {
    const { send } = flow
    const out = send.sent.size
    if (!before(send.una, this.#usage) || limited || (!this.#limited && out > this.#mostOut)) {
      this.#limited = limited
      this.#mostOut = out
      this.#usage = send.next
    }
    if (this.limited) {
      this.#used = 0
      this.#stamp = flow.jiffies()
      return
    }
    if (out > this.#used) this.#used = out
    const { slowStartAfterIdle } = flow.tunables
    if (this.control.steer !== undefined) return
    if (slowStartAfterIdle && flow.jiffies() - this.#stamp >= flow.timeout) this.#underused(flow)
  }

  /** A program that sends less than it may does not keep a window it has not tried (tcp_cwnd_application_limited). */
  #underused(flow: Flow): void {
    if (this.state === 'Open' && !flow.wantsRoom) {
      const used = Math.max(this.#used, INITIAL_WINDOW)
      if (used < this.window) {
        this.threshold = this.keptThreshold
        this.window = (this.window + used) >> 1
      }
      this.#used = 0
    }
    this.#stamp = flow.jiffies()
  }

  /** tcp_current_ssthresh. */
  get keptThreshold(): number {
    if (this.reducing) return this.threshold
    return Math.max(this.threshold, (this.window >> 1) + (this.window >> 2))
  }

  /** After a silence longer than the time-out the window is forgotten step by step (tcp_cwnd_restart). */
  restart(flow: Flow, silence: number): void {
    const { timeout } = flow
    this.threshold = this.keptThreshold
    const least = Math.min(INITIAL_WINDOW, this.window)
    let window = this.window
    for (let left = silence - timeout; left > 0 && window > least; left -= timeout) window >>= 1
    this.window = Math.max(window, least)
    this.#stamp = flow.jiffies()
    this.#used = 0
  }

  /** A reduction begins (tcp_init_cwnd_reduction). */
  beginReduction(flow: Flow): void {
    this.high = flow.send.next
    flow.tailProbed = false
    this.credit = 0
    this.priorWindow = this.window
    this.#delivered = 0
    this.#sent = 0
    this.threshold = this.control.threshold(flow)
    flow.ecn.queueReduced()
  }

  /** Proportional rate reduction: as much leaves as arrives, a little less (tcp_cwnd_reduction). */
  reduce(inFlight: number, delivered: number, lost: number, advanced: boolean): void {
    if (delivered <= 0 || this.priorWindow === 0) return
    const delta = this.threshold - inFlight
    this.#delivered += delivered
    let count: number
    if (delta < 0) {
      const share = Math.floor((this.threshold * this.#delivered + this.priorWindow - 1) / this.priorWindow)
      count = share - this.#sent
    } else {
      count = Math.max(this.#delivered - this.#sent, delivered)
      if (advanced && lost === 0) count++
      count = Math.min(delta, count)
    }
    count = Math.max(count, this.#sent > 0 ? 0 : 1)
    this.window = inFlight + count
  }

  /** Segments are longer than before by 1/`factor`: fewer make the same window (tcp_mtup_probe_success). */
  rescale(factor: number, now: number): void {
    this.priorThreshold = this.keptThreshold
    this.window = Math.max(1, Math.floor(this.window * factor))
    this.credit = 0
    this.#stamp = now
    this.threshold = this.keptThreshold
  }

  /** So many segments left during a reduction. */
  sentNew(count: number): void {
    this.#sent += count
  }

  /** tcp_end_cwnd_reduction. `undoable`: the reduction was not taken back. */
  endReduction(flow: Flow, undoable: boolean): void {
    if (this.control.steer !== undefined || !this.thresholdKnown || (this.state !== 'CWR' && !undoable)) return
    this.window = this.threshold
    this.#stamp = flow.jiffies()
  }

  /** The retransmission timer ran out: one segment (tcp_enter_loss). */
  collapse(flow: Flow, inFlight: number): void {
    this.window = inFlight + 1
    this.credit = 0
    this.#stamp = flow.jiffies()
  }

  /** A reduction was for nothing (tcp_undo_cwnd_reduction). */
  undo(flow: Flow): void {
    if (this.priorThreshold !== 0) {
      this.window = this.control.undo?.(flow) ?? Math.max(this.window, this.priorWindow)
      if (this.priorThreshold > this.threshold) {
        this.threshold = this.priorThreshold
        flow.ecn.withdrawReduced()
      }
    }
    this.#stamp = flow.jiffies()
  }

  /** The handshake is over. When it was lost more than once, one segment must do (RFC 5681 section 3.1). */
  begin(flow: Flow, lossy: boolean): void {
    this.state = 'Open'
    this.window = lossy ? 1 : INITIAL_WINDOW
    this.threshold = UNLIMITED
    this.#stamp = flow.jiffies()
    this.control.begin(flow)
    if (this.control.steer === undefined) this.updateRate(flow)
  }

  /** Another algorithm takes over (tcp_reinit_congestion_control). */
  change(flow: Flow, control: CongestionControl): void {
    this.control = control
    this.priorThreshold = 0
    control.begin(flow)
  }

  /** tcp_update_pacing_rate: twice the window a round trip in slow start, 1.2 times later. */
  updateRate(flow: Flow): void {
    const { roundTrip, mss, send, tunables } = flow
    const gain = this.window < this.threshold >> 1 ? tunables.pacingSlowStart : tunables.pacingAvoidance
    const rate = mss * 80_000 * gain * Math.max(this.window, send.sent.size)
    this.pacingRate = flow.limitRate(roundTrip.smoothed === 0 ? rate : Math.floor(rate / roundTrip.smoothed))
  }
}
