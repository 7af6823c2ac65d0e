/**
 * The segments that were sent and not yet acknowledged (Linux's retransmission queue), oldest first, in rows of
 * typed arrays: where each begins and ends, when it last left, with which flags, and what became of it.
 */

import { after, before, FIN, SYN } from '../../wire/tcp.ts'
import { DELIVERED_AT, FIRST_SENT, LAST_SENT } from './moments.ts'

/** Given up: its time-out passed, or duplicate acknowledgments point at it. */
export const LOST = 1
/** Sent again since it was last given up. */
export const RESENT = 2
/** Was ever sent again: no round trip is measured on it (Karn). */
export const EVER_RESENT = 4
/** Went out in one burst with the segment before it: Linux keeps the two in one buffer (GSO). */
export const JOINED = 8
/** Arrived, says the peer's SACK, though what comes before it has not. */
export const SACKED = 16
/** Left while the program was what held sending back (is_app_limited). */
export const LIMITED = 32

/** Rows of a new connection: it has a SYN, and seldom more than one segment besides. */
const FEW = 1

// Places in a row of numbers, and in a row of times:
const BEGIN = 0
const END = 1
const FLAGS = 2
const MARKS = 3
/** when it last left; how many segments had been delivered then; */
const SENT = 0
const DELIVERED = 1
/** when the segment left that had been delivered last of all then, and when that was known (tx.first_tx_mstamp, delivered_mstamp). */
const SINCE_SENT = 2
const SINCE_DELIVERED = 3

export class SentSegments {
  // Two arrays of rows of four, since an array costs more than what few connections ever put into it: where a segment begins
  // and ends, its TCP flags, and what became of it; and its times.
  #rows = new Int32Array(4 * FEW)
  #times = new Float64Array(4 * FEW)
  /** The number of rows, a power of two, less one. */
  #mask = FEW - 1
  #head = 0
  #size = 0
  #lost = 0
  #resent = 0
  #sacked = 0
  /** The connection's. */
  readonly #moments: Float64Array
  #highest = 0
  /** Without SACK: duplicate acknowledgments, each of which says that something arrived. */
  duplicates = 0
  /** How many segments were ever given up. */
  everLost = 0
  /** Time passed since a segment left last that the clock does not show (`Sockets.pause`). */
  paused = false
  /** Buffers of Linux's that hold them; a burst is one. */
  buffers = 0

  constructor(moments: Float64Array) {
    this.#moments = moments
  }

  /** When a segment left last (tcp_wstamp_ns). */
  get lastAt(): number {
    return this.#moments[LAST_SENT]
  }

  /** Linux's packets_out. */
  get size(): number {
    return this.#size
  }

  /** How many are marked lost. */
  get lost(): number {
    return this.#lost
  }

  get sacked(): number {
    return this.#sacked
  }

  /** Segments that are thought to be in the network (tcp_packets_in_flight). */
  get inFlight(): number {
    return this.#size - this.#lost - this.#sacked - this.duplicates + this.#resent
  }

  /** Retransmissions that are out. */
  get resent(): number {
    return this.#resent
  }

  /** One past the highest number that SACK has named; `una` when it has named none. */
  highestOr(una: number): number {
    return this.#sacked > 0 ? this.#highest : una
  }

  /** The first segment that begins at this number or later. */
  firstFrom(begin: number): number {
    let low = 0
    let high = this.#size
    while (low < high) {
      const middle = (low + high) >> 1
      if (before(this.begin(middle), begin)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Sequence number of the first byte of segment `i`, counted from the oldest. */
  begin(i: number): number {
    return this.#rows[this.#row(i) + BEGIN]
  }

  /** One past its last sequence number; SYN and FIN count. */
  end(i: number): number {
    return this.#rows[this.#row(i) + END]
  }

  /** How many bytes it carries. */
  bytes(i: number): number {
    return ((this.end(i) - this.begin(i)) | 0) - ((this.flags(i) & (SYN | FIN)) === 0 ? 0 : 1)
  }

  sentAt(i: number): number {
    return this.#times[this.#row(i) + SENT]
  }

  flags(i: number): number {
    return this.#rows[this.#row(i) + FLAGS]
  }

  marks(i: number): number {
    return this.#rows[this.#row(i) + MARKS]
  }

  push(begin: number, end: number, flags: number, now: number, marks: number, delivered: number): void {
    if (this.#size > this.#mask) this.#grow()
    const row = this.#row(this.#size)
    const rows = this.#rows
    if ((marks & JOINED) === 0) this.buffers++
    rows[row + BEGIN] = begin
    rows[row + END] = end
    rows[row + FLAGS] = flags
    rows[row + MARKS] = marks
    this.#stamp(row, now, delivered)
    this.#size++
  }

  /** How many segments had been delivered when this one left. */
  deliveredAt(i: number): number {
    return this.#times[this.#row(i) + DELIVERED]
  }

  /** When the segment left that had been delivered last of all when this one left. */
  sinceSent(i: number): number {
    return this.#times[this.#row(i) + SINCE_SENT]
  }

  /** And when its delivery was known; -1: this one has already served as a sample of the rate. */
  sinceDelivered(i: number): number {
    return this.#times[this.#row(i) + SINCE_DELIVERED]
  }

  markSampled(i: number): void {
    this.#times[this.#row(i) + SINCE_DELIVERED] = -1
  }

  /** Forgets the oldest: it was acknowledged. */
  shift(): void {
    const marks = this.#rows[4 * this.#head + MARKS]
    if ((marks & LOST) !== 0) this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    if ((marks & SACKED) !== 0) this.#sacked--
    this.#head = (this.#head + 1) & this.#mask
    this.#size--
    if (this.#size === 0 || (this.#rows[this.#row(0) + MARKS] & JOINED) === 0) this.buffers--
  }

  /** Forgets the latest: it did not leave. */
  pop(): void {
    this.#size--
    if ((this.#rows[this.#row(this.#size) + MARKS] & JOINED) === 0) this.buffers--
  }

  /** The front of the oldest was acknowledged. */
  trim(begin: number): void {
    this.#rows[4 * this.#head + BEGIN] = begin
  }

  markLost(i: number): void {
    const at = this.#row(i) + MARKS
    const marks = this.#rows[at]
    if ((marks & SACKED) !== 0) return
    if ((marks & LOST) === 0) this.#lost++
    else if ((marks & RESENT) === 0) return
    this.everLost++
    if ((marks & RESENT) !== 0) this.#resent--
    this.#rows[at] = (marks | LOST) & ~RESENT
  }

  markSacked(i: number): void {
    const row = this.#row(i)
    const marks = this.#rows[row + MARKS]
    const end = this.#rows[row + END]
    if (this.#sacked === 0 || after(end, this.#highest)) this.#highest = end
    this.#sacked++
    if ((marks & LOST) === 0) {
      // A retransmission that nobody asked for is still on its way.
      this.#rows[row + MARKS] = marks | SACKED
      return
    }
    this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    this.#rows[row + MARKS] = (marks | SACKED) & ~(LOST | RESENT)
  }

  /** A retransmission arrived beside the original. */
  forgetResent(i: number): void {
    const at = this.#row(i) + MARKS
    if ((this.#rows[at] & RESENT) === 0) return
    this.#resent--
    this.#rows[at] &= ~RESENT
  }

  /** The peer has forgotten what it had reported. */
  forgetSacks(): void {
    for (let i = 0; i < this.#size; i++) this.#rows[this.#row(i) + MARKS] &= ~SACKED
    this.#sacked = 0
  }

  /** Nothing was lost after all. */
  forgetLost(): void {
    for (let i = 0; i < this.#size; i++) this.#rows[this.#row(i) + MARKS] &= ~LOST
    this.#lost = 0
  }

  markResent(i: number, now: number, delivered: number, probe: boolean, limited: number): void {
    const row = this.#row(i)
    this.#stamp(row, now, delivered)
    const marks = (this.#rows[row + MARKS] & ~LIMITED) | EVER_RESENT | limited
    const again = probe || (marks & RESENT) !== 0
    this.#rows[row + MARKS] = again ? marks : marks | RESENT
    if (!again) this.#resent++
  }

  /** It was to be sent again, and the local queue refused it: no round trip is measured on it all the same. */
  markTried(i: number): void {
    this.#rows[this.#row(i) + MARKS] |= EVER_RESENT
  }

  /** Cuts segment `i` in two at `sequence`; FIN and PSH stay with the second part, which may stay in the same buffer. */
  split(i: number, sequence: number, lastOnly: number, joined = false): void {
    if (this.#size > this.#mask) this.#grow()
    for (let k = this.#size; k > i; k--) this.#copy(this.#row(k - 1), this.#row(k))
    this.#size++
    const first = this.#row(i)
    const second = this.#row(i + 1)
    const marks = this.#rows[first + MARKS]
    this.#rows[first + END] = sequence
    this.#rows[first + FLAGS] &= ~lastOnly
    this.#rows[second + BEGIN] = sequence
    if (joined) this.#rows[second + MARKS] |= JOINED
    else {
      this.#rows[second + MARKS] &= ~JOINED
      this.buffers++
    }
    if ((marks & LOST) !== 0) this.#lost++
    if ((marks & RESENT) !== 0) this.#resent++
  }

  /** Segment `i` begins a buffer of its own (tcp_fragment). */
  separate(i: number): void {
    if (i === 0 || i >= this.#size) return
    const row = this.#row(i)
    if ((this.#rows[row + MARKS] & JOINED) === 0) return
    this.#rows[row + MARKS] &= ~JOINED
    this.buffers++
  }

  /** How many segments from `i` on, at most so many, are one buffer that was lost and did not go again. */
  run(i: number, most: number): number {
    let count = 1
    while (count < most && i + count < this.#size) {
      if ((this.marks(i + count) & (JOINED | LOST | RESENT | SACKED)) !== (JOINED | LOST)) break
      count++
    }
    return count
  }

  /** Is it alone in its buffer, and not known to have arrived? */
  mayJoin(i: number): boolean {
    if ((this.marks(i) & (JOINED | SACKED)) !== 0) return false
    return i + 1 === this.#size || (this.marks(i + 1) & JOINED) === 0
  }

  /** Makes one segment of `i` and the next. */
  absorbNext(i: number): void {
    const to = this.#row(i)
    const from = this.#row(i + 1)
    const marks = this.#rows[from + MARKS]
    this.#rows[to + END] = this.#rows[from + END]
    this.#rows[to + FLAGS] |= this.#rows[from + FLAGS]
    this.#rows[to + MARKS] |= marks & EVER_RESENT
    if ((marks & LOST) !== 0) this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    this.#size--
    this.buffers--
    for (let k = i + 1; k < this.#size; k++) this.#copy(this.#row(k + 1), this.#row(k))
  }

  /** Makes one segment of each burst whose segments are longer than this, to be cut anew, and gives it up for lost. */
  rejoin(longest: number): void {
    const rows = this.#rows
    let kept = 0
    let merging = false
    for (let i = 0; i < this.#size; i++) {
      const from = this.#row(i)
      const joined: boolean = merging && (rows[from + MARKS] & (JOINED | SACKED)) === JOINED
      const long = ((rows[from + END] - rows[from + BEGIN]) | 0) > longest
      merging = (joined || long) && (rows[from + MARKS] & SACKED) === 0
      if (merging) this.markLost(i)
      const to = this.#row(joined ? kept - 1 : kept++)
      if (!joined) this.#copy(from, to)
      else {
        rows[to + END] = rows[from + END]
        rows[to + FLAGS] |= rows[from + FLAGS]
        this.#lost--
      }
    }
    this.#size = kept
    this.buffers = 0
    for (let i = 0; i < kept; i++) if (i === 0 || (this.marks(i) & JOINED) === 0) this.buffers++
  }

  clear(): void {
    this.#head = 0
    this.#size = 0
    this.#lost = 0
    this.#resent = 0
    this.#sacked = 0
    this.duplicates = 0
    this.buffers = 0
  }

  /**
   * The segment of this row leaves. Times tell in which order segments left, also those of one instant; the first that
   * is out begins a new stretch for the delivery rate (tcp_rate_skb_sent).
   */
  #stamp(row: number, now: number, delivered: number): void {
    const moments = this.#moments
    const times = this.#times
    const last = moments[LAST_SENT]
    const at = now > last ? now : last + 1
    moments[LAST_SENT] = at
    this.paused = false
    if (this.#size === 0) {
      moments[FIRST_SENT] = at
      moments[DELIVERED_AT] = at
    }
    times[row + SENT] = at
    times[row + DELIVERED] = delivered
    times[row + SINCE_SENT] = moments[FIRST_SENT]
    times[row + SINCE_DELIVERED] = moments[DELIVERED_AT]
  }

  /** Where the row of segment `i` begins. */
  #row(i: number): number {
    return ((this.#head + i) & this.#mask) << 2
  }

  #copy(from: number, to: number): void {
    for (let k = 0; k < 4; k++) {
      this.#rows[to + k] = this.#rows[from + k]
      this.#times[to + k] = this.#times[from + k]
    }
  }

  #grow(): void {
    const length = 2 * this.#rows.length
    const rows = new Int32Array(length)
    const times = new Float64Array(length)
    for (let i = 0; i < 4 * this.#size; i++) {
      const at = this.#row(i >> 2) + (i & 3)
      rows[i] = this.#rows[at]
      times[i] = this.#times[at]
    }
    this.#rows = rows
    this.#times = times
    this.#mask = (length >> 2) - 1
    this.#head = 0
  }
}
