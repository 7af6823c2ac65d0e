/**
 * The receiving half of a connection: the bytes the program has not read, and the pieces that came out of order.
 * The window that is offered for them is in receive-window.
 *
 *      copied          next                       right edge
 *   ─────┴───── unread ─┴─ gap ─▓▓ piece ▓▓─ gap ────┴─────▶ sequence
 *
 * Pieces lie in the ring where they belong; filling a gap copies nothing.
 */
import { after, before } from '../../wire/tcp.ts'
import { memoryOf, ReceiveWindow, tailOf } from './receive-window.ts'
import { ByteRing } from './ring.ts'
import { SelectiveAcks } from './selective.ts'

/** More pieces than this are not remembered; the segments are dropped as if the network had lost them. */
const PIECES = 256
const NONE = new Int32Array(0)
/** What one buffer holds after tcp_collapse: a page, and what it takes. */
const COLLAPSED = 3776
const COLLAPSED_MEMORY = 4352
const PAGE = 4096

export class ReceiveQueue extends ReceiveWindow {
  /** A FIN was seen, with this number; bytes before it may be missing. */
  #finSeen = false
  #finAt = 0
  readonly #ring = new ByteRing()
  // Pieces out of order, sorted; `#held` is their memory.
  #begin = NONE
  #end = NONE
  #held = NONE
  pieces = 0
  /** What of them the peer is told. */
  readonly told = new SelectiveAcks()
  /** A stretch that came twice, to be reported once as D-SACK (RFC 2883). */
  duplicateBegin = 0
  duplicateEnd = 0
  // Buffers of unread bytes in order, a ring: where each ends, and its memory.
  #bufferEnd = NONE
  #bufferMemory = NONE
  #first = 0
  #buffers = 0
  /** How many more bytes fit into the last. */
  #tail = 0

  /**
   * Takes bytes that begin at or before RCV.NXT, without the old ones. Returns how many were new. `full`: the segment
   * is one of full size.
   */
  append(sequence: number, bytes: Uint8Array, at: number, length: number, full: boolean): number {
    const old = (this.next - sequence) | 0
    const fresh = length - old
    if (fresh <= 0) return 0
    this.#ring.reserve(this.copied, this.#reach(), ((this.next - this.copied) | 0) + fresh)
    this.#ring.write(this.next, bytes, at + old, fresh)
    this.next = (this.next + fresh) | 0
    if (this.#buffers > 0 && fresh <= this.#tail) {
      this.#tail -= fresh
      this.#bufferEnd[this.#last()] = this.next
    } else {
      this.#charge(this.next, memoryOf(length, full))
      this.#tail = tailOf(length, full)
    }
    return fresh
  }

  /**
   * Is there memory for a segment? (tcp_try_rmem_schedule) What comes as expected is not asked while it fits into the
   * page that is begun (sk_forward_alloc). `advertised` is our segment size.
   */
  admits(length: number, advertised: number, expected: boolean, full: boolean): boolean {
    if (this.memory + length <= this.buffer) return true
    if (expected && this.pieces === 0 && memoryOf(length, full) <= (-this.memory & (PAGE - 1))) return true
    if (this.memory === 0) return false
    this.clampWindow(advertised)
    if (this.memory + length <= this.buffer) return true
    this.#collapse()
    if (this.memory + length <= this.buffer) return true
    while (this.pieces > 0 && this.memory + length > this.buffer) {
      this.#remove(this.pieces - 1, 1, true)
      this.told.clear()
    }
    return this.memory + length <= this.buffer
  }

  /**
   * The pieces that RCV.NXT has reached join the stream (tcp_ofo_queue); what the stream had of them already is told by
   * D-SACK. True: something joined.
   */
  join(): boolean {
    let gone = 0
    const had = this.next
    while (gone < this.pieces && !after(this.#begin[gone], this.next)) {
      this.#twice(this.#begin[gone], had)
      if (after(this.#end[gone], this.next)) {
        this.next = this.#end[gone]
        this.memory -= this.#held[gone]
        this.#charge(this.next, this.#held[gone])
        this.#held[gone] = 0
      }
      gone++
    }
    if (gone > 0) {
      this.#tail = 0
      this.#remove(0, gone, true)
    }
    return gone > 0
  }

  /**
   * Keeps a piece from beyond a gap. Returns the memory it takes; 0 when all of it was here before, -1 when there are
   * too many pieces.
   */
  keep(sequence: number, bytes: Uint8Array, at: number, length: number, full: boolean): number {
    const end = (sequence + length) | 0
    let first = 0
    while (first < this.pieces && before(this.#end[first], sequence)) first++
    let last = first
    while (last < this.pieces && !after(this.#begin[last], end)) last++
    if (first === last && this.pieces === PIECES) return -1
    this.#again(first, last, sequence, end)
    const duplicate = first < last && !before(sequence, this.#begin[first]) && !after(end, this.#end[first])
    if (!duplicate) {
      this.#ring.reserve(this.copied, this.#reach(), ((sequence - this.copied) | 0) + length)
      this.#ring.write(sequence, bytes, at, length)
    }
    if (first === last) this.#insert(first, sequence, end)
    else {
      if (before(sequence, this.#begin[first])) this.#begin[first] = sequence
      const reach = this.#end[last - 1]
      this.#end[first] = after(reach, end) ? reach : end
      for (let i = first + 1; i < last; i++) this.#held[first] += this.#held[i]
      if (last - first > 1) this.#remove(first + 1, last - first - 1, false)
    }
    if (duplicate) return 0
    const memory = memoryOf(length, full)
    this.#held[first] += memory
    this.memory += memory
    return memory
  }

  /** What of a segment was in these pieces before is told by D-SACK, as far as it is one stretch. */
  #again(first: number, last: number, begin: number, end: number): void {
    for (let i = first; i < last; i++) {
      const from = before(this.#begin[i], begin) ? begin : this.#begin[i]
      this.#twice(from, after(this.#end[i], end) ? end : this.#end[i])
    }
  }

  #twice(begin: number, end: number): void {
    if (!this.tunables.dsack || !before(begin, end)) return
    if (this.duplicateBegin === this.duplicateEnd) this.duplicated(begin, end)
    else if (begin === this.duplicateEnd) this.duplicateEnd = end
  }

  /** Keeps a bare FIN from beyond a gap: a piece without bytes, so that SACK can name it. */
  keepEnd(sequence: number): void {
    let first = 0
    while (first < this.pieces && before(this.#end[first], sequence)) first++
    if (first < this.pieces && !after(this.#begin[first], sequence)) return
    if (this.pieces < PIECES) this.#insert(first, sequence, sequence)
  }

  /** Remembers that this stretch came twice. */
  duplicated(begin: number, end: number): void {
    this.duplicateBegin = begin
    this.duplicateEnd = end
  }

  /** The program takes up to `length` bytes; returns how many it got. */
  read(into: Uint8Array, at: number, length: number): number {
    const taken = Math.min(this.readable, length)
    if (taken <= 0) return 0
    this.#ring.read(this.copied, into, at, taken)
    return this.skip(taken)
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
    const first = this.#buffers > 0 ? (this.#bufferEnd[this.#first] - this.copied) | 0 : taken
    this.glimpse = (this.copied + Math.min(first, taken)) | 0
    this.copied = (this.copied + taken) | 0
    this.#free()
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
    this.#remove(0, this.pieces, true)
    this.told.clear()
  }

  release(): void {
    this.#ring.release()
    this.#remove(0, this.pieces, true)
    this.told.clear()
    this.copied = (this.next - (this.finished ? 1 : 0)) | 0
    this.#free()
  }

  /** How far the latest piece reaches beyond RCV.NXT. */
  get behindGap(): number {
    return this.pieces > 0 ? (this.#end[this.pieces - 1] - this.next) | 0 : 0
  }

  /** One buffer more of unread bytes. */
  #charge(end: number, memory: number): void {
    if (this.#buffers === this.#bufferEnd.length) this.#moreBuffers()
    this.#buffers++
    const slot = this.#last()
    this.#bufferEnd[slot] = end
    this.#bufferMemory[slot] = memory
    this.memory += memory
  }

  /** What was read to its end is free. */
  #free(): void {
    const mask = this.#bufferEnd.length - 1
    while (this.#buffers > 0 && !after(this.#bufferEnd[this.#first], this.copied)) {
      this.memory -= this.#bufferMemory[this.#first]
      this.#first = (this.#first + 1) & mask
      this.#buffers--
    }
  }

  /** Buffers that waste memory are copied together (tcp_collapse). */
  #collapse(): void {
    let held = 0
    for (let i = 0; i < this.#buffers; i++) held += this.#bufferMemory[(this.#first + i) & (this.#bufferEnd.length - 1)]
    if (this.payload(held) > this.readable && this.readable > 0) {
      this.memory -= held
      const end = this.#bufferEnd[this.#last()]
      this.#buffers = 0
      this.#tail = 0
      for (let at = this.copied; before(at, end); ) {
        at = (at + COLLAPSED) | 0
        this.#charge(before(at, end) ? at : end, COLLAPSED_MEMORY)
      }
    }
    for (let i = 0; i < this.pieces; i++) {
      const packed = Math.ceil(((this.#end[i] - this.#begin[i]) | 0) / COLLAPSED) * COLLAPSED_MEMORY
      if (packed >= this.#held[i]) continue
      this.memory -= this.#held[i] - packed
      this.#held[i] = packed
    }
  }

  #last(): number {
    return (this.#first + this.#buffers - 1) & (this.#bufferEnd.length - 1)
  }

  #moreBuffers(): void {
    const size = this.#bufferEnd.length
    const end = new Int32Array(Math.max(16, size * 2))
    const memory = new Int32Array(end.length)
    for (let i = 0; i < this.#buffers; i++) {
      const slot = (this.#first + i) & (size - 1)
      end[i] = this.#bufferEnd[slot]
      memory[i] = this.#bufferMemory[slot]
    }
    this.#bufferEnd = end
    this.#bufferMemory = memory
    this.#first = 0
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
      this.#held = new Int32Array(PIECES)
    }
    for (let i = this.pieces; i > at; i--) {
      this.#begin[i] = this.#begin[i - 1]
      this.#end[i] = this.#end[i - 1]
      this.#held[i] = this.#held[i - 1]
    }
    this.#begin[at] = begin
    this.#end[at] = end
    this.#held[at] = 0
    this.pieces++
  }

  #remove(at: number, count: number, forgotten: boolean): void {
    if (forgotten) for (let i = at; i < at + count; i++) this.memory -= this.#held[i]
    for (let i = at; i + count < this.pieces; i++) {
      this.#begin[i] = this.#begin[i + count]
      this.#end[i] = this.#end[i + count]
      this.#held[i] = this.#held[i + count]
    }
    this.pieces -= count
  }
}
