/**
 * The segments that were sent and not yet acknowledged (Linux's retransmission queue), oldest first, in rows of
 * typed arrays: where each begins and ends, when it last left, with which flags, and what became of it.
 */

import { after, before } from '../../wire/tcp.ts'

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

/** Rows of a new connection: it has a SYN, and seldom more than one segment besides. */
const FEW = 2

export class SentSegments {
  // Two to a row, since an array costs more than what few connections ever put into it:
  /** where it begins, and ends; */
  #bounds = new Int32Array(2 * FEW)
  /** when it last left, and how many segments had been delivered then; */
  #times = new Float64Array(2 * FEW)
  /** its TCP flags, and what became of it. */
  #states = new Uint8Array(2 * FEW)
  /** A power of two. */
  #rows = FEW
  #head = 0
  #size = 0
  #lost = 0
  #resent = 0
  #sacked = 0
  readonly #last = Float64Array.of(-1)
  #highest = 0
  /** Without SACK: duplicate acknowledgments, each of which says that something arrived. */
  duplicates = 0
  /** How many segments were ever given up. */
  everLost = 0

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
    return this.#bounds[2 * this.#slot(i)]
  }

  /** One past its last sequence number; SYN and FIN count. */
  end(i: number): number {
    return this.#bounds[2 * this.#slot(i) + 1]
  }

  sentAt(i: number): number {
    return this.#times[2 * this.#slot(i)]
  }

  flags(i: number): number {
    return this.#states[2 * this.#slot(i)]
  }

  marks(i: number): number {
    return this.#states[2 * this.#slot(i) + 1]
  }

  push(begin: number, end: number, flags: number, now: number, marks: number, delivered: number): void {
    if (this.#size === this.#rows) this.#grow()
    const slot = this.#slot(this.#size++)
    this.#bounds[2 * slot] = begin
    this.#bounds[2 * slot + 1] = end
    this.#states[2 * slot] = flags
    this.#times[2 * slot] = this.#stamp(now)
    this.#states[2 * slot + 1] = marks
    this.#times[2 * slot + 1] = delivered
  }

  /** How many segments had been delivered when this one left. */
  deliveredAt(i: number): number {
    return this.#times[2 * this.#slot(i) + 1]
  }

  /** Forgets the oldest: it was acknowledged. */
  shift(): void {
    const marks = this.#states[2 * this.#head + 1]
    if ((marks & LOST) !== 0) this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    if ((marks & SACKED) !== 0) this.#sacked--
    this.#head = (this.#head + 1) & (this.#rows - 1)
    this.#size--
  }

  /** Forgets the latest: it did not leave. */
  pop(): void {
    this.#size--
  }

  /** The front of the oldest was acknowledged. */
  trim(begin: number): void {
    this.#bounds[2 * this.#head] = begin
  }

  markLost(i: number): void {
    const slot = this.#slot(i)
    const marks = this.#states[2 * slot + 1]
    if ((marks & SACKED) !== 0) return
    if ((marks & LOST) === 0) this.#lost++
    else if ((marks & RESENT) === 0) return
    this.everLost++
    if ((marks & RESENT) !== 0) this.#resent--
    this.#states[2 * slot + 1] = (marks | LOST) & ~RESENT
  }

  markSacked(i: number): void {
    const slot = this.#slot(i)
    const marks = this.#states[2 * slot + 1]
    const end = this.#bounds[2 * slot + 1]
    if (this.#sacked === 0 || after(end, this.#highest)) this.#highest = end
    this.#sacked++
    if ((marks & LOST) === 0) {
      // A retransmission that nobody asked for is still on its way.
      this.#states[2 * slot + 1] = marks | SACKED
      return
    }
    this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    this.#states[2 * slot + 1] = (marks | SACKED) & ~(LOST | RESENT)
  }

  /** A retransmission arrived beside the original. */
  forgetResent(i: number): void {
    const slot = this.#slot(i)
    if ((this.#states[2 * slot + 1] & RESENT) === 0) return
    this.#resent--
    this.#states[2 * slot + 1] &= ~RESENT
  }

  /** The peer has forgotten what it had reported. */
  forgetSacks(): void {
    for (let i = 0; i < this.#size; i++) this.#states[2 * this.#slot(i) + 1] &= ~SACKED
    this.#sacked = 0
  }

  /** Nothing was lost after all. */
  forgetLost(): void {
    for (let i = 0; i < this.#size; i++) this.#states[2 * this.#slot(i) + 1] &= ~LOST
    this.#lost = 0
  }

  markResent(i: number, now: number, delivered: number, probe: boolean): void {
    const slot = this.#slot(i)
    this.#times[2 * slot + 1] = delivered
    this.#states[2 * slot + 1] |= EVER_RESENT
    this.#times[2 * slot] = this.#stamp(now)
    if (probe || (this.#states[2 * slot + 1] & RESENT) !== 0) return
    this.#states[2 * slot + 1] |= RESENT
    this.#resent++
  }

  /** It was to be sent again, and the local queue refused it: no round trip is measured on it all the same. */
  markTried(i: number): void {
    this.#states[2 * this.#slot(i) + 1] |= EVER_RESENT
  }

  /** Cuts segment `i` in two at `sequence`; FIN and PSH stay with the second part. */
  split(i: number, sequence: number, lastOnly: number): void {
    if (this.#size === this.#rows) this.#grow()
    for (let k = this.#size; k > i; k--) this.#copy(this.#slot(k - 1), this.#slot(k))
    this.#size++
    const first = this.#slot(i)
    const marks = this.#states[2 * first + 1]
    this.#bounds[2 * first + 1] = sequence
    this.#states[2 * first] &= ~lastOnly
    this.#bounds[2 * this.#slot(i + 1)] = sequence
    this.#states[2 * this.#slot(i + 1) + 1] &= ~JOINED
    if ((marks & LOST) !== 0) this.#lost++
    if ((marks & RESENT) !== 0) this.#resent++
  }

  /** Is it alone in its buffer, and not known to have arrived? */
  mayJoin(i: number): boolean {
    if ((this.marks(i) & (JOINED | SACKED)) !== 0) return false
    return i + 1 === this.#size || (this.marks(i + 1) & JOINED) === 0
  }

  /** Makes one segment of `i` and the next. */
  absorbNext(i: number): void {
    const to = this.#slot(i)
    const from = this.#slot(i + 1)
    const marks = this.#states[2 * from + 1]
    this.#bounds[2 * to + 1] = this.#bounds[2 * from + 1]
    this.#states[2 * to] |= this.#states[2 * from]
    this.#states[2 * to + 1] |= marks & EVER_RESENT
    if ((marks & LOST) !== 0) this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    this.#size--
    for (let k = i + 1; k < this.#size; k++) this.#copy(this.#slot(k + 1), this.#slot(k))
  }

  /** Makes one segment of each burst whose segments are longer than this, to be cut anew, and gives it up for lost. */
  rejoin(longest: number): void {
    let kept = 0
    let merging = false
    for (let i = 0; i < this.#size; i++) {
      const from = this.#slot(i)
      const joined: boolean = merging && (this.#states[2 * from + 1] & (JOINED | SACKED)) === JOINED
      const long = ((this.#bounds[2 * from + 1] - this.#bounds[2 * from]) | 0) > longest
      merging = (joined || long) && (this.#states[2 * from + 1] & SACKED) === 0
      if (merging) this.markLost(i)
      const to = this.#slot(joined ? kept - 1 : kept++)
      if (!joined) this.#copy(from, to)
      else {
        this.#bounds[2 * to + 1] = this.#bounds[2 * from + 1]
        this.#states[2 * to] |= this.#states[2 * from]
        this.#lost--
      }
    }
    this.#size = kept
  }

  clear(): void {
    this.#head = 0
    this.#size = 0
    this.#lost = 0
    this.#resent = 0
    this.#sacked = 0
    this.duplicates = 0
  }

  /** Times tell in which order segments left, also those of one instant. */
  #stamp(now: number): number {
    const last = this.#last
    last[0] = now > last[0] ? now : last[0] + 1
    return last[0]
  }

  #slot(i: number): number {
    return (this.#head + i) & (this.#rows - 1)
  }

  #copy(from: number, to: number): void {
    this.#bounds[2 * to] = this.#bounds[2 * from]
    this.#bounds[2 * to + 1] = this.#bounds[2 * from + 1]
    this.#times[2 * to] = this.#times[2 * from]
    this.#states[2 * to] = this.#states[2 * from]
    this.#states[2 * to + 1] = this.#states[2 * from + 1]
    this.#times[2 * to + 1] = this.#times[2 * from + 1]
  }

  #grow(): void {
    const rows = this.#rows * 2
    const bounds = new Int32Array(2 * rows)
    const times = new Float64Array(2 * rows)
    const states = new Uint8Array(2 * rows)
    for (let i = 0; i < 2 * this.#size; i++) {
      const at = 2 * this.#slot(i >> 1) + (i & 1)
      bounds[i] = this.#bounds[at]
      times[i] = this.#times[at]
      states[i] = this.#states[at]
    }
    this.#bounds = bounds
    this.#times = times
    this.#states = states
    this.#rows = rows
    this.#head = 0
  }
}
