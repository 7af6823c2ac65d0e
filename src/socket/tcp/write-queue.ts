/**
 * What was written and not sent yet, in the buffers that tcp_sendmsg made of it (sk_write_queue): where each ends, and
 * how. The first may have lost its front, which was sent.
 */
import { after } from '../../wire/tcp.ts'

/** A call ended here (TCPHDR_PSH); so did a record (MSG_EOR), and nothing is added behind it. */
export const PUSHED = 1
export const RECORD = 2

const NONE = new Int32Array(0)
const FEW = 4

export class WriteQueue {
  /** Two to a buffer: its end and its marks. A ring, made when something is written. */
  #rows = NONE
  #mask = 0
  #first = 0
  size = 0

  /** One past the last byte of the first buffer, and its marks. */
  get headEnd(): number {
    return this.#rows[2 * this.#first]
  }

  get headMarks(): number {
    return this.#rows[2 * this.#first + 1]
  }

  /** Where the last buffer begins: the end of the one before, or what is sent next. */
  tailBegin(next: number): number {
    return this.size > 1 ? this.#rows[2 * ((this.#first + this.size - 2) & this.#mask)] : next
  }

  get tailMarks(): number {
    return this.#rows[2 * this.#tail + 1]
  }

  /** One more buffer, empty as yet. */
  add(end: number): void {
    if (this.size === this.#rows.length >> 1) this.#grow()
    this.size++
    const tail = this.#tail
    this.#rows[2 * tail] = end
    this.#rows[2 * tail + 1] = 0
  }

  /** The last buffer reaches to here. */
  extend(end: number): void {
    this.#rows[2 * this.#tail] = end
  }

  unmark(mark: number): void {
    this.#rows[2 * this.#tail + 1] &= ~mark
  }

  mark(mark: number): void {
    if (this.size > 0) this.#rows[2 * this.#tail + 1] |= mark
  }

  /** The first buffer takes so many bytes of the next (tcp_grow_skb). */
  pull(amount: number): void {
    const first = this.#first
    if (this.size < 2 || (this.#rows[2 * first + 1] & RECORD) !== 0) return
    const second = (first + 1) & this.#mask
    const end = (this.#rows[2 * first] + amount) | 0
    this.#rows[2 * first] = end
    if (!after(this.#rows[2 * second], end)) {
      this.#rows[2 * second + 1] |= this.#rows[2 * first + 1]
      this.#first = second
      this.size--
    }
  }

  /** The marks of all buffers that end no later than this. */
  marksTo(end: number): number {
    let marks = 0
    for (let i = 0; i < this.size; i++) {
      const row = 2 * ((this.#first + i) & this.#mask)
      if (after(this.#rows[row], end)) break
      marks |= this.#rows[row + 1]
    }
    return marks
  }

  /** What ends before this was sent. */
  sent(next: number): void {
    while (this.size > 0 && !after(this.#rows[2 * this.#first], next)) {
      this.#first = (this.#first + 1) & this.#mask
      this.size--
    }
  }

  clear(): void {
    this.size = 0
  }

  get #tail(): number {
    return (this.#first + this.size - 1) & this.#mask
  }

  #grow(): void {
    const rows = new Int32Array(Math.max(2 * FEW, 2 * this.#rows.length))
    for (let i = 0; i < 2 * this.size; i++) rows[i] = this.#rows[2 * ((this.#first + (i >> 1)) & this.#mask) + (i & 1)]
    this.#rows = rows
    this.#mask = (rows.length >> 1) - 1
    this.#first = 0
  }
}
