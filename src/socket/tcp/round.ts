/**
 * What one arriving acknowledgment turned out to say (the flags and tcp_sacktag_state of tcp_ack). There is one for
 * all connections: it is filled and used up before the next segment is looked at.
 */

/** It carried data, opened the window, acknowledged data or the SYN. */
export const DATA = 1
export const WINDOW = 2
export const DATA_ACKED = 4
export const SYN_ACKED = 8
/** Among what it acknowledged was something sent again. */
export const RESENT_ACKED = 16
/** It named news by SACK, reported ECN's congestion, a duplicate by D-SACK, which was that of a tail loss probe. */
export const DATA_SACKED = 32
export const CONGESTED = 64
export const DUPLICATED = 128
export const PROBE_DUPLICATED = 256
/** SND.UNA moved on. */
export const ADVANCED = 512
/** Something that was sent only once arrived from before the high mark. */
export const ORIGINAL_ARRIVED = 1024
/** A retransmission was lost in its turn. */
export const RESENT_LOST = 2048
/** The peer takes back what it had reported by SACK. */
export const RENEGED = 4096
/** The timers are to be set anew. */
export const TIMER = 8192
/** It may have waited at the receiver. */
export const MAYBE_DELAYED = 16_384

export const ACKED = DATA_ACKED | SYN_ACKED
export const NOT_DUPLICATE = DATA | WINDOW | ACKED
export const ALERT = DATA_SACKED | CONGESTED | DUPLICATED
export const PROGRESS = ACKED | DATA_SACKED

/** What is to be sent when the window is known: nothing, what is lost, or new data first (REXMIT_*). */
export const Resend = { NONE: 0, LOST: 1, NEW: 2 } as const

const FIRST_SACKED = 0
const LAST_SACKED = 1

class Round {
  flags = 0
  /** SND.UNA, and the highest number that SACK had named, before. */
  una = 0
  highest = 0
  /** The lowest number that arrived by SACK after higher ones had (state->reord). */
  reordered = 0
  /** Connection's counts before: segments delivered, given up. */
  delivered = 0
  lost = 0
  resend = 0
  readonly #times = new Float64Array(2)

  begin(una: number, next: number, delivered: number, lost: number): void {
    this.flags = 0
    this.una = una
    this.highest = una
    this.reordered = next
    this.delivered = delivered
    this.lost = lost
    this.resend = Resend.NONE
    this.#times[FIRST_SACKED] = -1
    this.#times[LAST_SACKED] = -1
  }

  has(flags: number): boolean {
    return (this.flags & flags) !== 0
  }

  /** When the first and the last segment left that SACK has now named; -1: none. */
  get firstSacked(): number {
    return this.#times[FIRST_SACKED]
  }

  get lastSacked(): number {
    return this.#times[LAST_SACKED]
  }

  sacked(sentAt: number): void {
    if (this.#times[FIRST_SACKED] < 0) this.#times[FIRST_SACKED] = sentAt
    this.#times[LAST_SACKED] = sentAt
  }
}

export const round = new Round()
