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

export class SentSegments {
  #begin = new Int32Array(16)
  #end = new Int32Array(16)
  #time = new Float64Array(16)
  #flags = new Uint8Array(16)
  #delivered = new Float64Array(16)
  #marks = new Uint8Array(16)
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
    return this.#begin[this.#slot(i)]
  }

  /** One past its last sequence number; SYN and FIN count. */
  end(i: number): number {
    return this.#end[this.#slot(i)]
  }

  sentAt(i: number): number {
    return this.#time[this.#slot(i)]
  }

  flags(i: number): number {
    return this.#flags[this.#slot(i)]
  }

  marks(i: number): number {
    return this.#marks[this.#slot(i)]
  }

  push(begin: number, end: number, flags: number, now: number, marks: number, delivered: number): void {
    if (this.#size === this.#begin.length) this.#grow()
    const slot = this.#slot(this.#size++)
    this.#begin[slot] = begin
    this.#end[slot] = end
    this.#flags[slot] = flags
    this.#time[slot] = this.#stamp(now)
    this.#marks[slot] = marks
    this.#delivered[slot] = delivered
  }

  /** How many segments had been delivered when this one left. */
  deliveredAt(i: number): number {
    return this.#delivered[this.#slot(i)]
  }

  /** Forgets the oldest: it was acknowledged. */
  shift(): void {
    const marks = this.#marks[this.#head]
    if ((marks & LOST) !== 0) this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    if ((marks & SACKED) !== 0) this.#sacked--
    this.#head = (this.#head + 1) & (this.#begin.length - 1)
    this.#size--
  }

  /** Forgets the latest: it did not leave. */
  pop(): void {
    this.#size--
  }

  /** The front of the oldest was acknowledged. */
  trim(begin: number): void {
    this.#begin[this.#head] = begin
  }

  markLost(i: number): void {
    const slot = this.#slot(i)
    const marks = this.#marks[slot]
    if ((marks & SACKED) !== 0) return
    if ((marks & LOST) === 0) this.#lost++
    else if ((marks & RESENT) === 0) return
    this.everLost++
    if ((marks & RESENT) !== 0) this.#resent--
    this.#marks[slot] = (marks | LOST) & ~RESENT
  }

  markSacked(i: number): void {
    const slot = this.#slot(i)
    const marks = this.#marks[slot]
    const end = this.#end[slot]
    if (this.#sacked === 0 || after(end, this.#highest)) this.#highest = end
    this.#sacked++
    if ((marks & LOST) === 0) {
      // A retransmission that nobody asked for is still on its way.
      this.#marks[slot] = marks | SACKED
      return
    }
    this.#lost--
    if ((marks & RESENT) !== 0) this.#resent--
    this.#marks[slot] = (marks | SACKED) & ~(LOST | RESENT)
  }

  /** A retransmission arrived beside the original. */
  forgetResent(i: number): void {
    const slot = this.#slot(i)
    if ((this.#marks[slot] & RESENT) === 0) return
    this.#resent--
    this.#marks[slot] &= ~RESENT
  }

  /** The peer has forgotten what it had reported. */
  forgetSacks(): void {
    for (let i = 0; i < this.#size; i++) this.#marks[this.#slot(i)] &= ~SACKED
    this.#sacked = 0
  }

  /** Nothing was lost after all. */
  forgetLost(): void {
    for (let i = 0; i < this.#size; i++) this.#marks[this.#slot(i)] &= ~LOST
    this.#lost = 0
  }

  markResent(i: number, now: number, delivered: number, probe: boolean): void {
    const slot = this.#slot(i)
    this.#delivered[slot] = delivered
    this.#marks[slot] |= EVER_RESENT
    this.#time[slot] = this.#stamp(now)
    if (probe || (this.#marks[slot] & RESENT) !== 0) return
    this.#marks[slot] |= RESENT
    this.#resent++
  }

  /** It was to be sent again, and the local queue refused it: no round trip is measured on it all the same. */
  markTried(i: number): void {
    this.#marks[this.#slot(i)] |= EVER_RESENT
  }

  /** Cuts segment `i` in two at `sequence`; FIN and PSH stay with the second part. */
  split(i: number, sequence: number, lastOnly: number): void {
    if (this.#size === this.#begin.length) this.#grow()
    for (let k = this.#size; k > i; k--) this.#copy(this.#slot(k - 1), this.#slot(k))
    this.#size++
    const first = this.#slot(i)
    const marks = this.#marks[first]
    this.#end[first] = sequence
    this.#flags[first] &= ~lastOnly
    this.#begin[this.#slot(i + 1)] = sequence
    this.#marks[this.#slot(i + 1)] &= ~JOINED
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
    const marks = this.#marks[from]
    this.#end[to] = this.#end[from]
    this.#flags[to] |= this.#flags[from]
    this.#marks[to] |= marks & EVER_RESENT
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
      const joined: boolean = merging && (this.#marks[from] & (JOINED | SACKED)) === JOINED
      const long = ((this.#end[from] - this.#begin[from]) | 0) > longest
      merging = (joined || long) && (this.#marks[from] & SACKED) === 0
      if (merging) this.markLost(i)
      const to = this.#slot(joined ? kept - 1 : kept++)
      if (!joined) this.#copy(from, to)
      else {
        this.#end[to] = this.#end[from]
        this.#flags[to] |= this.#flags[from]
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
    return (this.#head + i) & (this.#begin.length - 1)
  }

  #copy(from: number, to: number): void {
    this.#begin[to] = this.#begin[from]
    this.#end[to] = this.#end[from]
    this.#time[to] = this.#time[from]
    this.#flags[to] = this.#flags[from]
    this.#marks[to] = this.#marks[from]
    this.#delivered[to] = this.#delivered[from]
  }

  #grow(): void {
    const size = this.#begin.length
    const begin = new Int32Array(size * 2)
    const end = new Int32Array(size * 2)
    const time = new Float64Array(size * 2)
    const flags = new Uint8Array(size * 2)
    const marks = new Uint8Array(size * 2)
    const delivered = new Float64Array(size * 2)
    for (let i = 0; i < this.#size; i++) {
      const slot = this.#slot(i)
      begin[i] = this.#begin[slot]
      end[i] = this.#end[slot]
      time[i] = this.#time[slot]
      flags[i] = this.#flags[slot]
      marks[i] = this.#marks[slot]
      delivered[i] = this.#delivered[slot]
    }
    this.#begin = begin
    this.#end = end
    this.#time = time
    this.#flags = flags
    this.#marks = marks
    this.#delivered = delivered
    this.#head = 0
  }
}
