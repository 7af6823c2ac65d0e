/**
 * The receiving half of a connection: the bytes the program has not read, the pieces that came out of order,
 * and the window we offer (tcp_select_window of net/ipv4/tcp_output.c).
 *
 *      copied          next                       right edge
 *   ─────┴───── unread ─┴─ gap ─▓▓ piece ▓▓─ gap ────┴─────▶ sequence
 *
 * Pieces lie in the ring where they belong; filling a gap copies nothing.
 */
import { after, before } from '../../wire/tcp.ts'
import { ByteRing } from './ring.ts'

/** More pieces than this are not remembered; the segments are dropped as if the network had lost them. */
const PIECES = 256
const NONE = new Int32Array(0)

export class ReceiveQueue {
  /** RCV.NXT. */
  next = 0
  /** What the program has read up to (copied_seq). */
  copied = 0
  /** RCV.NXT when the window was last offered (rcv_wup), and how much was offered (rcv_wnd). */
  #offeredAt = 0
  window = 0
  #refused = false
  /** Window scale that we told the peer. */
  scale = 0
  /** The peer's FIN was received in order. */
  finished = false
  /** A FIN was seen, with this number; bytes before it may be missing. */
  #finSeen = false
  #finAt = 0
  /** Half of the buffer's memory is for payload (tcp_adv_win_scale 1). */
  #space = 65536
  /** The window is not opened beyond this (rcv_ssthresh, window_clamp). */
  #threshold = 0
  #clamp = 0
  #ring = new ByteRing()
  // Pieces out of order, sorted; `#touched` tells the latest (RFC 2018 section 4 names it first).
  #begin = NONE
  #end = NONE
  #touched = NONE
  #touch = 0
  pieces = 0
  /** A stretch that came twice, to be reported once as D-SACK (RFC 2883). */
  duplicateBegin = 0
  duplicateEnd = 0

  /** Unread bytes in order; the FIN takes a sequence number behind the last of them. */
  get readable(): number {
    return ((this.next - this.copied) | 0) - (this.finished ? 1 : 0)
  }

  /** Half of SO_RCVBUF. */
  get space(): number {
    return this.#space
  }

  get threshold(): number {
    return this.#threshold
  }

  /** How much of the window offered last is left (tcp_receive_window). */
  get offered(): number {
    return Math.max((this.#offeredAt + this.window - this.next) | 0, 0)
  }

  /**
   * The window for a SYN: the largest multiple of the segment size (tcp_select_initial_window). `buffer` is
   * tcp_rmem's default.
   */
  open(segment: number, buffer: number): void {
    this.#space = buffer >> 1
    const whole = this.#space > segment ? this.#space - (this.#space % segment) : this.#space
    this.window = Math.min(whole, 65535)
    this.#threshold = this.window
    this.#clamp = this.#space
  }

  /** The peer's SYN names its first sequence number. */
  begin(sequence: number): void {
    this.next = (sequence + 1) | 0
    this.copied = this.next
    this.#offeredAt = this.next
  }

  /** The handshake is over: one segment of the buffer is kept in reserve (tcp_init_buffer_space). */
  established(segment: number): void {
    this.#clamp = this.#space
    if (this.#clamp > 2 * segment) this.#clamp = Math.max(2 * segment, this.#space - segment)
    this.#threshold = Math.min(this.#threshold, this.#clamp)
  }

  /** Is a segment that begins here the one whose timestamp is to be echoed? (RFC 7323 section 4.3) */
  mayStamp(begin: number): boolean {
    return !after(begin, this.#offeredAt)
  }

  /** Does the segment touch the window? (tcp_sequence) */
  acceptable(begin: number, end: number): boolean {
    return !before(end, this.#offeredAt) && !after(begin, (this.next + this.offered) | 0)
  }

  /** Has the window offered last reached as far as this number? */
  startsBeyond(begin: number): boolean {
    return !before(begin, (this.next + this.offered) | 0)
  }

  /** What would be offered now (__tcp_select_window). `segment` is the peer's segment size. */
  selectable(segment: number): number {
    const unit = 1 << this.scale
    const full = Math.min(this.#clamp, this.#space)
    let free = this.#space - this.readable
    if (free < full >> 1) {
      free -= free & (unit - 1)
      if (free < this.#space >> 4 || free < Math.min(segment, full)) return 0
    }
    if (free > this.#threshold) free = this.#threshold
    if (this.scale > 0) return (free + unit - 1) & -unit
    if (this.window <= free - segment || this.window > free) return free - (free % segment)
    return this.window
  }

  /** There was no memory for what came: the next window offered is 0 (ICSK_ACK_NOMEM). */
  refuse(): void {
    this.#refused = true
  }

  /** Offers a window and returns the field's value; what was offered is never taken back. */
  select(segment: number): number {
    const unit = 1 << this.scale
    const offered = this.offered
    let window = this.selectable(segment)
    if (this.#refused) window = 0
    else if (window < offered) window = (offered + unit - 1) & -unit
    this.window = window
    this.#offeredAt = this.next
    this.#refused = false
    return Math.min(window, 65535 << this.scale) >> this.scale
  }

  /** How much came since the window was last offered. */
  get unacknowledged(): number {
    return (this.next - this.#offeredAt) | 0
  }

  /** Half of the window is used up: reading may be worth a window update. */
  get mayReopen(): boolean {
    return 2 * this.offered <= this.#clamp
  }

  /** Takes bytes that begin at or before RCV.NXT, without the old ones. Returns how many were new. */
  append(sequence: number, bytes: Uint8Array, at: number, length: number): number {
    const old = (this.next - sequence) | 0
    const fresh = this.#fitting(this.next, length - old)
    if (fresh <= 0) return 0
    this.#ring.write(this.next, bytes, at + old, fresh)
    this.next = (this.next + fresh) | 0
    return fresh
  }

  /** The pieces that RCV.NXT has reached join the stream (tcp_ofo_queue). True: something joined. */
  join(): boolean {
    let gone = 0
    while (gone < this.pieces && !after(this.#begin[gone], this.next)) {
      if (after(this.#end[gone], this.next)) this.next = this.#end[gone]
      gone++
    }
    if (gone > 0) this.#remove(0, gone)
    return gone > 0
  }

  /** Keeps a piece from beyond a gap. False when it is nothing new or does not fit. */
  keep(sequence: number, bytes: Uint8Array, at: number, length: number): boolean {
    const fresh = this.#fitting(sequence, length)
    if (fresh <= 0) return false
    const end = (sequence + fresh) | 0
    let first = 0
    while (first < this.pieces && before(this.#end[first], sequence)) first++
    let last = first
    while (last < this.pieces && !after(this.#begin[last], end)) last++
    if (first === last && this.pieces === PIECES) return false
    const duplicate = first < last && !before(sequence, this.#begin[first]) && !after(end, this.#end[first])
    this.#ring.write(sequence, bytes, at, fresh)
    if (first === last) this.#insert(first, sequence, end)
    else {
      if (before(sequence, this.#begin[first])) this.#begin[first] = sequence
      const reach = this.#end[last - 1]
      this.#end[first] = after(reach, end) ? reach : end
      if (last - first > 1) this.#remove(first + 1, last - first - 1)
    }
    this.#touched[first] = ++this.#touch
    if (duplicate) this.duplicated(sequence, end)
    return !duplicate
  }

  /** Keeps a bare FIN from beyond a gap: a piece without bytes, so that SACK can name it. */
  keepEnd(sequence: number): void {
    let first = 0
    while (first < this.pieces && before(this.#end[first], sequence)) first++
    if (first < this.pieces && !after(this.#begin[first], sequence)) this.#touched[first] = ++this.#touch
    else if (this.pieces < PIECES) {
      this.#insert(first, sequence, sequence)
      this.#touched[first] = ++this.#touch
    }
  }

  /** Remembers that this stretch came twice. */
  duplicated(begin: number, end: number): void {
    this.duplicateBegin = begin
    this.duplicateEnd = end
  }

  /** The piece that changed `rank`-th last, as an index; -1 when there is none. */
  latest(rank: number): number {
    let limit = 0x7fffffff
    let found = -1
    for (let r = 0; r <= rank; r++) {
      found = -1
      for (let i = 0; i < this.pieces; i++) {
        if (this.#touched[i] < limit && (found < 0 || this.#touched[i] > this.#touched[found])) found = i
      }
      if (found < 0) return -1
      limit = this.#touched[found]
    }
    return found
  }

  pieceBegin(i: number): number {
    return this.#begin[i]
  }

  /** For SACK a FIN counts. */
  pieceEnd(i: number): number {
    const end = this.#end[i]
    return this.#finSeen && end === this.#finAt ? (end + 1) | 0 : end
  }

  /** The program takes up to `length` bytes; returns how many it got. */
  read(into: Uint8Array, at: number, length: number): number {
    const taken = Math.min(this.readable, length)
    if (taken <= 0) return 0
    this.#ring.read(this.copied, into, at, taken)
    this.copied = (this.copied + taken) | 0
    return taken
  }

  /** MSG_PEEK: as `read`, and everything stays. */
  peek(into: Uint8Array, at: number, length: number): number {
    const seen = Math.min(this.readable, length)
    if (seen > 0) this.#ring.read(this.copied, into, at, seen)
    return Math.max(seen, 0)
  }

  /** MSG_TRUNC: bytes are taken and seen by nobody. */
  skip(length: number): number {
    const taken = Math.max(Math.min(this.readable, length), 0)
    this.copied = (this.copied + taken) | 0
    return taken
  }

  /** The peer's stream ends before this number. */
  awaitFin(sequence: number): void {
    this.#finSeen = true
    this.#finAt = sequence
  }

  /** Everything before the FIN is here. */
  get finDue(): boolean {
    return this.#finSeen && !this.finished && this.next === this.#finAt
  }

  /** The stream is over; nothing behind the FIN counts. */
  finish(): void {
    this.next = (this.next + 1) | 0
    this.finished = true
    this.pieces = 0
  }

  release(): void {
    this.#ring.release()
    this.pieces = 0
    this.copied = (this.next - (this.finished ? 1 : 0)) | 0
  }

  /** How many of `length` bytes from `sequence` on there is room for; makes the room. */
  #fitting(sequence: number, length: number): number {
    const offset = (sequence - this.copied) | 0
    // Rounding the window up moves its right edge a little with each acknowledgment, so the promise may exceed
    // the space; as in Linux there is twice as much memory as space.
    const room = 2 * this.#space - offset
    const fitting = Math.min(length, room)
    if (fitting > 0) this.#ring.reserve(this.copied, this.#reach(), offset + fitting)
    return fitting
  }

  /** From the first unread byte to the end of the last piece. */
  #reach(): number {
    const end = this.pieces > 0 ? this.#end[this.pieces - 1] : this.next
    return (end - this.copied) | 0
  }

  #insert(at: number, begin: number, end: number): void {
    if (this.#begin === NONE) {
      this.#begin = new Int32Array(PIECES)
      this.#end = new Int32Array(PIECES)
      this.#touched = new Int32Array(PIECES)
    }
    for (let i = this.pieces; i > at; i--) {
      this.#begin[i] = this.#begin[i - 1]
      this.#end[i] = this.#end[i - 1]
      this.#touched[i] = this.#touched[i - 1]
    }
    this.#begin[at] = begin
    this.#end[at] = end
    this.pieces++
  }

  #remove(at: number, count: number): void {
    for (let i = at; i + count < this.pieces; i++) {
      this.#begin[i] = this.#begin[i + count]
      this.#end[i] = this.#end[i + count]
      this.#touched[i] = this.#touched[i + count]
    }
    this.pieces -= count
  }
}
