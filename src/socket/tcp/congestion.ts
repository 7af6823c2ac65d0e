/**
 * How much may be in the network at once: slow start, congestion avoidance and recovery (RFC 5681, RFC 6582),
 * counted in segments as Linux counts. Another algorithm is another `CongestionControl`.
 */
import { before } from '../../wire/tcp.ts'

/** RFC 6928. */
export const INITIAL_WINDOW = 10
const UNLIMITED = 0x7fffffff
/** Duplicate acknowledgments that mean a loss (RFC 5681 section 3.2). */
export const DUPLICATES = 3

/** What differs between reno and its successors (tcp_congestion_ops). */
export interface CongestionControl {
  readonly name: string
  /** `acked` segments were acknowledged while not in recovery. */
  acknowledged(congestion: Congestion, acked: number): void
  /** The slow start threshold after a loss. */
  threshold(congestion: Congestion): number
}

/** RFC 5681, as tcp_reno_cong_avoid. */
export const reno: CongestionControl = {
  name: 'reno',
  acknowledged(congestion, acked) {
    let left = acked
    if (congestion.window < congestion.threshold) {
      const grown = Math.min(congestion.window + left, congestion.threshold)
      left -= grown - congestion.window
      congestion.window = grown
      if (left === 0) return
    }
    congestion.credit += left
    if (congestion.credit >= congestion.window) {
      const steps = Math.floor(congestion.credit / congestion.window)
      congestion.credit -= steps * congestion.window
      congestion.window += steps
    }
  },
  threshold(congestion) {
    return Math.max(congestion.window >> 1, 2)
  },
}

/** Linux's tcp_ca_state, as far as it is modelled. */
export type CongestionState = 'Open' | 'Recovery' | 'Loss'

export class Congestion {
  readonly control: CongestionControl
  state: CongestionState = 'Open'
  /** The congestion window in segments (snd_cwnd). */
  window = INITIAL_WINDOW
  threshold = UNLIMITED
  /** Segments acknowledged towards the next step of congestion avoidance (snd_cwnd_cnt). */
  credit = 0
  duplicates = 0
  /** Was the window what stopped the last sending? Otherwise it does not grow (RFC 7661). */
  #limited = false
  /** The most segments that were out in the present round trip, which ends when `#usage` is acknowledged. */
  #mostOut = 0
  #usage = 0
  /** Recovery ends when everything sent before it began is acknowledged. */
  #recover = 0

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

  /** After sending: `out` segments are out, SND.UNA and SND.NXT are these (tcp_cwnd_validate). */
  sent(out: number, limited: boolean, una: number, next: number): void {
    if (!before(una, this.#usage) || limited || (!this.#limited && out > this.#mostOut)) {
      this.#limited = limited
      this.#mostOut = out
      this.#usage = next
    }
  }

  /** New data was acknowledged up to `una`, `acked` segments of it. True: a partial acknowledgment in recovery. */
  acknowledged(una: number, acked: number, sack: boolean): boolean {
    this.duplicates = 0
    if (this.state === 'Recovery') {
      if (before(una, this.#recover)) {
        // With SACK it is known what is missing, and what has arrived is not counted as out.
        if (sack) return false
        // RFC 6582 section 3.2 step 3: deflate by what was acknowledged, and add the one that is resent.
        this.window = Math.max(1, this.window - acked + 1)
        return true
      }
      this.state = 'Open'
      this.window = Math.max(this.threshold, 2)
      this.credit = 0
      return false
    }
    if (this.state === 'Loss' && !before(una, this.#recover)) this.state = 'Open'
    if (this.#limited || (this.inSlowStart && this.window < 2 * this.#mostOut)) this.control.acknowledged(this, acked)
    return false
  }

  /** A duplicate acknowledgment. True: it is the third, and the oldest segment is to be sent again. */
  duplicate(next: number): boolean {
    if (this.state === 'Recovery') this.window++
    if (this.state !== 'Open') return false
    if (++this.duplicates < DUPLICATES) return false
    this.state = 'Recovery'
    this.#recover = next
    this.threshold = this.control.threshold(this)
    this.window = this.threshold + DUPLICATES
    return true
  }

  /** Something is lost, says SACK: recovery begins. */
  recover(next: number): void {
    this.state = 'Recovery'
    this.#recover = next
    this.threshold = this.control.threshold(this)
    this.window = this.threshold
  }

  /** A tail loss probe repaired a loss that nobody else saw. */
  lostTail(): void {
    if (this.state !== 'Open') return
    this.threshold = this.control.threshold(this)
    this.window = this.threshold
  }

  /** The retransmission timer ran out (tcp_enter_loss). */
  timedOut(next: number): void {
    if (this.state !== 'Loss') this.threshold = this.control.threshold(this)
    this.state = 'Loss'
    this.#recover = next
    this.window = 1
    this.credit = 0
    this.duplicates = 0
  }

  /** The handshake is over. When it was lost more than once, one segment must do (RFC 5681 section 3.1). */
  begin(lossy: boolean): void {
    this.state = 'Open'
    this.window = lossy ? 1 : INITIAL_WINDOW
    this.threshold = UNLIMITED
    this.duplicates = 0
  }
}
