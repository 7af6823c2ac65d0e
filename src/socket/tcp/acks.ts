/**
 * When to acknowledge (Linux's icsk_ack): at once in the first round trips ("quick" mode), later only every
 * second full segment, or with the answer when the two sides talk in turns ("pingpong" mode), or when the
 * delayed-ACK timer runs out. Times are jiffies.
 */
import { HZ } from '../../sim/jiffies.ts'
import { LONGEST_DELAY, RTO_INITIAL } from './rtt.ts'

/** TCP_ATO_MIN and TCP_DELACK_MIN are both 40 ms; TCP_DELACK_MAX is 200 ms. */
const LEAST_DELAY = HZ / 25
const MAX_QUICK = 16
const DEFAULT_MSS = 536
const MIN_MSS = 88
const TCP_HEADER = 20

export class Acknowledging {
  /** An acknowledgment is owed (ICSK_ACK_SCHED). */
  owed = false
  /** ... and must not wait for anything (ICSK_ACK_NOW). */
  now = false
  /** The peer marked the end of a write since the last acknowledgment, and twice so. */
  pushed = false
  pushedTwice = false
  /** Quick acknowledgments left. */
  quick = 0
  #pingpong = false
  /** Answers that followed soon upon what came (icsk_ack.pingpong). */
  #exchanges = 0
  /** The delay that fits the pace of arrivals; 0 before the first data. */
  timeout = 0
  lastReceived = 0
  /** The peer's segment size as seen (rcv_mss). */
  segment = DEFAULT_MSS
  #lastSmall = 0
  /** When the standing delay ends, in jiffies (icsk_delack_timeout). */
  expires = 0
  /** Duplicate acknowledgments sent for RCV.NXT, and those left out since the last (compressed_ack). */
  duplicates = 0
  duplicatesOf = 0
  compressed = 0

  /** tcp_initialize_rcv_mss. */
  start(advertised: number, mss: number, window: number): void {
    const hint = Math.min(advertised, mss, Math.floor(window / 2), DEFAULT_MSS)
    this.segment = Math.max(hint, MIN_MSS)
  }

  get quickMode(): boolean {
    return this.quick > 0 && !this.pingpong
  }

  /** Data came in order (tcp_event_data_recv). `header` is its TCP header's length. True: its size is news. */
  received(
    jiffies: number,
    length: number,
    header: number,
    push: boolean,
    advertised: number,
    window: number,
    rto: number,
  ): boolean {
    this.owed = true
    const news = this.measure(length, header, push, advertised)
    if (this.timeout === 0) {
      this.#refill(MAX_QUICK, window)
      this.timeout = LEAST_DELAY
    } else {
      const gap = jiffies - this.lastReceived
      if (gap <= LEAST_DELAY / 2) this.timeout = (this.timeout >> 1) + LEAST_DELAY / 2
      else if (gap < this.timeout) this.timeout = Math.min((this.timeout >> 1) + gap, rto)
      else if (gap > rto) this.#refill(MAX_QUICK, window)
    }
    this.lastReceived = jiffies
    return news
  }

  /** The offered window grows: the peer should know soon. */
  hasten(): void {
    this.quick |= 1
  }

  /** Something is wrong: acknowledge each segment for a while (tcp_enter_quickack_mode). */
  enterQuickMode(window: number): void {
    this.hurry(MAX_QUICK, window)
  }

  /** The next few at once (tcp_enter_quickack_mode). */
  hurry(most: number, window: number): void {
    this.#refill(most, window)
    this.pingpong = false
    this.timeout = LEAST_DELAY
  }

  /** We sent data (tcp_event_data_sent): an answer soon after what came makes the talk interactive. */
  answered(jiffies: number, threshold: number): void {
    if (jiffies - this.lastReceived < this.timeout && ++this.#exchanges >= threshold) this.#pingpong = true
  }

  /** The two sides talk in turns. */
  get pingpong(): boolean {
    return this.#pingpong
  }

  set pingpong(value: boolean) {
    this.#pingpong = value
    if (!value) this.#exchanges = 0
  }

  /** A segment with ACK left (tcp_event_ack_sent). */
  sent(): void {
    if (this.quick > 0 && this.owed) {
      this.quick--
      if (this.quick === 0) this.timeout = LEAST_DELAY
    }
    this.owed = false
    this.now = false
    this.compressed = 0
    this.pushed = false
    this.pushedTwice = false
  }

  /** How long an owed acknowledgment may wait, `longest` at most. `smoothed` is eight times the round trip in microseconds. */
  delay(smoothed: number, longest: number): number {
    if (this.timeout <= LEAST_DELAY) return Math.min(this.timeout, longest)
    let most = this.pingpong || this.pushed ? LONGEST_DELAY : HZ / 2
    if (smoothed !== 0) most = Math.min(most, Math.max(Math.ceil((smoothed / 8) * (HZ / 1e6)), LEAST_DELAY))
    return Math.min(this.timeout, most, longest)
  }

  /** The delayed acknowledgment's timer ran out: the guess was wrong (tcp_delack_timer_handler). */
  missed(rto: number): void {
    if (this.pingpong) {
      this.pingpong = false
      this.timeout = LEAST_DELAY
    } else this.timeout = Math.min(this.timeout << 1, rto === 0 ? RTO_INITIAL : rto)
  }

  #refill(most: number, window: number): void {
    const fitting = Math.floor(window / (2 * this.segment)) || 2
    this.quick = Math.max(this.quick, Math.min(fitting, most))
  }

  /** tcp_measure_rcv_mss: full segments and repeated lengths tell the peer's segment size. True: it is news. */
  measure(length: number, header: number, push: boolean, advertised: number): boolean {
    const last = this.#lastSmall
    this.#lastSmall = 0
    if (length >= this.segment) {
      const news = length !== this.segment
      this.segment = Math.min(length, advertised)
      if (push) this.pushed = true
      return news
    }
    const withHeader = length + header
    if (withHeader >= DEFAULT_MSS + TCP_HEADER || (withHeader >= MIN_MSS + TCP_HEADER && !push)) {
      this.#lastSmall = length
      if (length === last) {
        this.segment = length
        return false
      }
    }
    if (this.pushed) this.pushedTwice = true
    this.pushed = true
    return false
  }
}
