/**
 * How much a receiver lets come: the window it offers, and the memory behind it (tcp_select_window of
 * net/ipv4/tcp_output.c; tcp_grow_window, tcp_rcv_space_adjust of net/ipv4/tcp_input.c).
 *
 * Linux counts a segment by the memory it takes, which is more than its bytes, and learns the ratio of the two from
 * the segments that come. The offered window grows while segments use their memory well (`threshold`), never
 * beyond what the buffer holds (`clamp`); the buffer grows with what the program reads in a round trip.
 */

import { MICROSECOND, type Nanos } from '../../sim/scheduler.ts'
import { after, before } from '../../wire/tcp.ts'
import { SPACE_AT, TRIP_AT } from './moments.ts'
import type { Tunables } from './tunables.ts'

/** TCP_RMEM_TO_WIN_SCALE: a ratio is in 256ths. Before any segment has told, half. */
const RATIO_ONE = 256
const RATIO_INITIAL = 128
/** What a small segment's buffer takes beside its bytes: the sk_buff, its shared info, the smallest head. */
const OVERHEAD = 832
/** A full segment, cut from a large buffer, has a head from a slab whose size is a power of two. */
const SKB = 256
const SHARED_INFO = 320
const HEADROOM = 192
const SMALLEST_BUFFER = 2304
const LARGEST_UNSCALED = 65_535
const MOST_SCALE = 14
const LARGEST_SCALED = LARGEST_UNSCALED << MOST_SCALE
/** net.core.rmem_max. */
const MOST_ASKED = 4_194_304
const INITIAL_SEGMENTS = 10

/** The memory that a buffer with so many bytes of payload takes (skb->truesize). */
export function memoryOf(length: number, full: boolean): number {
  if (!full) return length + OVERHEAD
  let head = 1024
  while (head < length + HEADROOM + SHARED_INFO) head *= 2
  return head + SKB
}

/** How many more bytes fit behind those of a segment (skb_tailroom, after skb_linearize of a whole buffer). */
export function tailOf(length: number, full: boolean): number {
  const behind = full ? 0 : 128
  let head = 1024
  while (head < HEADROOM + length + behind + SHARED_INFO) head *= 2
  return head - SHARED_INFO - HEADROOM - length
}

export class ReceiveWindow {
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
  /** SO_RCVBUF, and whether the program set it (SOCK_RCVBUF_LOCK). */
  buffer = 131_072
  locked = false
  /** Memory of what was received and not read (sk_rmem_alloc). */
  memory = 0
  /** The window is not opened beyond this (rcv_ssthresh), nor ever beyond that (window_clamp). */
  threshold = 0
  clamp = 0
  #ratio = RATIO_INITIAL
  /** Bytes the program read in a round trip (rcvq_space), and from where they are counted. */
  space = 0
  #spaceSequence = 0
  /** Where the latest read was when it had copied its first buffer: there Linux measures. */
  protected glimpse = 0
  /** Eight times the round trip as a receiver sees it, in microseconds (rcv_rtt_est); 0: not known. */
  trip = 0
  #tripSequence = 0
  #tripBegun = false
  #lastEcho = 0
  readonly #moments: Float64Array
  readonly tunables: Tunables

  constructor(tunables: Tunables, moments: Float64Array) {
    this.tunables = tunables
    this.#moments = moments
  }

  /** SO_RCVBUF: from now on the buffer does not grow by itself. */
  lock(buffer: number): void {
    this.buffer = buffer
    this.locked = true
  }

  /** Unread bytes in order; the FIN takes a sequence number behind the last of them. */
  get readable(): number {
    return ((this.next - this.copied) | 0) - (this.finished ? 1 : 0)
  }

  /** How much of the window offered last is left (tcp_receive_window). */
  get offered(): number {
    return Math.max((this.#offeredAt + this.window - this.next) | 0, 0)
  }

  /** The memory of the whole buffer in bytes of payload (tcp_full_space), and of what is free (tcp_space). */
  get fullSpace(): number {
    return this.payload(this.buffer)
  }

  get freeSpace(): number {
    return this.payload(this.buffer - this.memory)
  }

  /** How much of a round trip's eighth is known: microseconds; 0 before the first measurement. */
  get roundTrip(): number {
    return this.trip >> 3
  }

  /** What the program lets the window be: TCP_WINDOW_CLAMP (0: no bound), and SO_RCVBUF (tcp_connect_init). */
  #bound(windowClamp: number): number {
    const bound = windowClamp || LARGEST_SCALED
    return this.locked ? Math.min(bound, this.fullSpace) : bound
  }

  /** The window scale with which 16 bits can name the largest window (tcp_select_initial_window). */
  scaleFor(windowClamp: number): number {
    const largest = Math.max(this.fullSpace, this.tunables.receiveMemory[2], MOST_ASKED)
    return Math.min(Math.max(16 - Math.clz32(Math.min(largest, this.#bound(windowClamp))), 0), MOST_SCALE)
  }

  /** The first window: the largest multiple of the segment size (tcp_select_initial_window). */
  open(segment: number, windowClamp: number): void {
    const bound = this.#bound(windowClamp)
    const space = Math.min(bound, this.fullSpace)
    this.window = space > segment ? space - (space % segment) : space
    this.threshold = this.window
    this.clamp = Math.min(LARGEST_UNSCALED << this.scale, bound)
  }

  /** The peer's SYN names its first sequence number. */
  begin(sequence: number): void {
    this.next = (sequence + 1) | 0
    this.copied = this.next
    this.#offeredAt = this.next
  }

  /** The handshake is over: one segment of the buffer is kept in reserve (tcp_init_buffer_space). */
  established(segment: number, now: Nanos): void {
    this.#moments[SPACE_AT] = now
    this.#spaceSequence = this.copied
    const full = this.fullSpace
    this.clamp = Math.min(this.clamp, LARGEST_UNSCALED << this.scale, full)
    if (this.clamp > 2 * segment && this.clamp + segment > full) this.clamp = Math.max(2 * segment, full - segment)
    this.threshold = Math.min(this.threshold, this.clamp)
    this.space = Math.min(this.threshold, this.window, INITIAL_SEGMENTS * segment)
  }

  /** Is a segment that begins here the one whose timestamp is to be echoed? (RFC 7323 section 4.3) */
  mayStamp(begin: number): boolean {
    return !after(begin, this.#offeredAt)
  }

  /** Does the segment touch the window? One that goes beyond it is taken only by an empty queue (tcp_sequence). */
  acceptable(begin: number, end: number): boolean {
    if (before(end, this.#offeredAt)) return false
    const edge = (this.next + this.offered) | 0
    return !after(end, edge) || (!after(begin, edge) && this.readable === 0)
  }

  /** Of what is not acceptable: does all of it lie before the window? */
  endsBefore(end: number): boolean {
    return before(end, this.#offeredAt)
  }

  /** Of what is not acceptable: does it begin behind the window? */
  startsBehind(begin: number): boolean {
    return after(begin, (this.next + this.offered) | 0)
  }

  /** Has the window offered last reached as far as this number? */
  startsBeyond(begin: number): boolean {
    return !before(begin, (this.next + this.offered) | 0)
  }

  /** Is so much of the buffer in use that segments are not acknowledged quickly any more? (__tcp_select_window) */
  get scarce(): boolean {
    return this.freeSpace < Math.min(this.clamp, this.fullSpace) >> 1
  }

  /** What would be offered now (__tcp_select_window). `segment` is the peer's segment size. */
  selectable(segment: number): number {
    const unit = 1 << this.scale
    const allowed = this.fullSpace
    const full = Math.min(this.clamp, allowed)
    const least = Math.min(segment, full)
    if (least <= 0) return 0
    const shrinking = this.tunables.shrinkWindow && this.scale > 0
    let free = this.freeSpace
    if (shrinking) free &= -unit
    if (free < full >> 1) {
      free &= -unit
      if (free < allowed >> 4 || free < least || free < (shrinking ? unit : 0)) return 0
    }
    if (free > this.threshold) free = shrinking ? (this.threshold + unit - 1) & -unit : this.threshold
    if (this.scale > 0) return (free + unit - 1) & -unit
    if (this.window <= free - least || this.window > free) return free - (free % least)
    return least === full && free > this.window + (full >> 1) ? free : this.window
  }

  /** There was no memory for what came: the next window offered is 0 (ICSK_ACK_NOMEM). */
  refuse(): void {
    this.#refused = true
  }

  /** Offers a window and returns the field's value; what was offered is not taken back. */
  select(segment: number): number {
    const unit = 1 << this.scale
    const offered = this.offered
    let window = 0
    if (!this.#refused) {
      window = this.selectable(segment)
      const mayShrink = this.tunables.shrinkWindow && this.scale > 0
      if (window < offered && !mayShrink) window = (offered + unit - 1) & -unit
    }
    this.window = window
    this.#offeredAt = this.next
    this.#refused = false
    return Math.min(window, LARGEST_UNSCALED << this.scale) >> this.scale
  }

  /** The window field of a SYN, which is never scaled. */
  get initial(): number {
    return Math.min(this.window, LARGEST_UNSCALED)
  }

  /** How much came since the window was last offered. */
  get unacknowledged(): number {
    return (this.next - this.#offeredAt) | 0
  }

  /** Half of the window is used up: reading may be worth a window update. */
  get mayReopen(): boolean {
    return 2 * this.offered <= this.clamp
  }

  /** The peer's segment size is new: what a segment's memory holds is learnt anew (tcp_measure_rcv_mss). */
  learn(length: number, full: boolean): void {
    const ratio = Math.max(1, Math.floor((length * RATIO_ONE) / memoryOf(length, full)))
    if (ratio === this.#ratio) return
    this.#ratio = ratio
    this.setClamp(this.payload(this.buffer))
    this.space = Math.min(this.space, this.clamp)
  }

  /**
   * A segment came: the window may grow (tcp_grow_window). `segment` is the peer's segment size, `advertised` ours.
   * True: it grew, so that at least the next acknowledgment is a quick one.
   */
  grow(length: number, full: boolean, segment: number, advertised: number): boolean {
    const room = Math.min(this.clamp, this.freeSpace) - this.threshold
    if (room <= 0) return false
    const memory = memoryOf(length, full)
    const wasted = this.payload(memory) > length
    const step = wasted ? this.#smallStep(memory, length, segment) : 2 * advertised
    if (step === 0) return false
    this.threshold += Math.min(room, Math.max(step, 2 * length))
    return true
  }

  /** The round trip, when the peer had to wait for our acknowledgment: a window's worth came (tcp_rcv_rtt_measure). */
  measureByWindow(now: Nanos): void {
    const moments = this.#moments
    if (this.#tripBegun) {
      if (before(this.next, this.#tripSequence)) return
      this.#measured(Math.max(1, Math.floor((now - moments[TRIP_AT]) / MICROSECOND)), true)
    }
    this.#tripBegun = true
    this.#tripSequence = (this.next + this.window) | 0
    moments[TRIP_AT] = now
  }

  /** The same by an echoed timestamp, of so many milliseconds ago (tcp_rcv_rtt_measure_ts). */
  measureByEcho(echo: number, milliseconds: number, whole: boolean): void {
    if (echo === this.#lastEcho) return
    this.#lastEcho = echo
    if (whole && milliseconds > 0 && milliseconds < 2_147_483) this.#measured(milliseconds * 1000, false)
  }

  /** The program has read: what it reads in a round trip says how large the buffer should be (tcp_rcv_space_adjust). */
  adjust(now: Nanos, behindGap: number): void {
    const moments = this.#moments
    if (this.trip === 0 || now - moments[SPACE_AT] < (this.trip >> 3) * MICROSECOND) return
    const copied = ((this.glimpse - this.#spaceSequence) | 0) - ((this.next - this.glimpse) | 0)
    if (copied > this.space) this.#growBuffer(copied, behindGap)
    this.#spaceSequence = this.glimpse
    moments[SPACE_AT] = now
  }

  /** Something is missing: what waits behind it needs room as well. */
  growForGap(behindGap: number): void {
    if (this.space > 0) this.#growBuffer(this.space, behindGap)
  }

  /** The buffer is full of poorly used memory: more of it, and a smaller window (tcp_clamp_window). */
  clampWindow(advertised: number): void {
    const most = this.tunables.receiveMemory[2]
    if (this.buffer < most && !this.locked) this.buffer = Math.max(this.buffer, Math.min(this.memory, most))
    if (this.memory > this.buffer) this.threshold = Math.min(this.clamp, 2 * advertised)
  }

  /** tcp_rcvbuf_grow: room for two of the latest round trip, and for the sender's growth meanwhile. */
  #growBuffer(space: number, behindGap: number): void {
    const old = this.space
    this.space = space
    if (!this.tunables.moderateReceiveBuffer || this.locked) return
    let window = 2 * space
    window += 2 * Math.floor((window * (space - old)) / old)
    window += behindGap
    const wanted = Math.min(Math.floor((window * RATIO_ONE) / this.#ratio), this.tunables.receiveMemory[2])
    if (wanted <= this.buffer) return
    this.buffer = wanted
    this.clamp = this.payload(wanted)
  }

  /** tcp_rcv_rtt_update: the least counts; larger ones are smoothed, if it is sure that nobody waited for a program. */
  #measured(microseconds: number, byWindow: boolean): void {
    const sample = microseconds * 8
    if (this.trip === 0 || sample < this.trip) this.trip = sample
    else if (!byWindow) this.trip = this.trip - (this.trip >> 3) + microseconds
  }

  /** __tcp_grow_window: small segments may come as long as the window is a small part of the largest buffer. */
  #smallStep(memory: number, length: number, segment: number): number {
    let wasted = this.payload(memory) >> 1
    let window = this.payload(this.tunables.receiveMemory[2]) >> 1
    while (this.threshold <= window) {
      if (wasted <= length) return 2 * segment
      wasted >>= 1
      window >>= 1
    }
    return 0
  }

  /** tcp_set_window_clamp. */
  setClamp(wanted: number): void {
    const old = this.clamp
    this.clamp = Math.max(wanted, SMALLEST_BUFFER >> 1)
    if (this.clamp < old) this.threshold = Math.min(this.threshold, this.clamp)
    else this.threshold = Math.max(Math.min(this.window, this.clamp), this.threshold)
  }

  /** tcp_win_from_space. */
  protected payload(memory: number): number {
    return Math.floor((memory * this.#ratio) / RATIO_ONE)
  }
}
