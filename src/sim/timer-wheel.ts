/**
 * The timers that are not due soon: millions of them, each put in and taken out by a few words of memory (Varghese and Lauck's
 * hierarchical wheels). Time is cut into spans of 67 ms. A span is a number of five digits of six bits; a timer waits in
 * the row of the highest digit in which its span differs from the present one, at that digit's place:
 *
 *   row 0: the 64 spans around the present      row 1: 64 times 64 spans      …      row 4: 104 days
 *
 * When the present enters a place of a higher row, its timers move to lower rows. No order is kept within a span: the
 * scheduler's heap sorts those that are due soon, so moments and ties are exact whatever waits here.
 */
import type { Timer } from './timer.ts'

/** A span of time, in nanoseconds: longer than most things take, shorter than TCP's shortest retransmission timer. */
const SPAN = 2 ** 26
/** Moments are exact up to 2^53 ns; whatever is later waits in the last span. */
const LAST = 2 ** 27 - 1
const BITS = 6
const PLACES = 1 << BITS
const ROWS = 5
const NONE = -1

export class TimerWheel {
  /** How many timers wait. */
  size = 0
  /** Before this moment nothing waits here, and nothing may be put in. */
  readonly horizon = new Float64Array(1)
  #present = 0
  #heads = new Int32Array(ROWS * PLACES).fill(NONE)
  /** Which places of a row are taken, as bits: two words a row. */
  #taken = new Int32Array(ROWS * 2)
  // The timers, by entry; `next` also chains the entries that are free.
  #timers: (Timer | null)[] = []
  #due = new Float64Array(0)
  #order = new Float64Array(0)
  #next = new Int32Array(0)
  #previous = new Int32Array(0)
  #place = new Int16Array(0)
  #free = NONE

  /** Puts a timer in, due at `key[0]`, which is not before the horizon; returns its entry. */
  add(timer: Timer, key: Float64Array): number {
    if (this.#free === NONE) this.#grow()
    const entry = this.#free
    this.#free = this.#next[entry]
    this.#timers[entry] = timer
    this.#due[entry] = key[0]
    this.#order[entry] = key[1]
    this.size++
    this.#link(entry)
    return entry
  }

  remove(entry: number): void {
    const next = this.#next[entry]
    const previous = this.#previous[entry]
    const place = this.#place[entry]
    if (next !== NONE) this.#previous[next] = previous
    if (previous !== NONE) this.#next[previous] = next
    else {
      this.#heads[place] = next
      if (next === NONE) this.#taken[place >> 5] &= ~(1 << (place & 31))
    }
    this.#release(entry)
  }

  dueOf(entry: number): number {
    return this.#due[entry]
  }

  /**
   * Moves the horizon behind the next span in which a timer is due, and gives its timers away, in no order. The wheel must
   * not be empty.
   */
  advance(heir: { inherit(timer: Timer, times: Float64Array, orders: Float64Array, entry: number): void }): void {
    let row = 0
    let digit = this.#firstFrom(0, this.#present & (PLACES - 1))
    while (digit === NONE) {
      row++
      digit = this.#firstFrom(row, ((this.#present >>> (BITS * row)) & (PLACES - 1)) + 1)
      if (digit === NONE) continue
      const above = BITS * (row + 1)
      this.#enter(((this.#present >>> above) << above) | (digit << (BITS * row)))
      row = 0
      digit = this.#firstFrom(0, this.#present & (PLACES - 1))
    }
    const span = (this.#present & ~(PLACES - 1)) | digit
    for (let entry = this.#unhook(digit); entry !== NONE; ) {
      const next = this.#next[entry]
      heir.inherit(this.#timers[entry] as Timer, this.#due, this.#order, entry)
      this.#release(entry)
      entry = next
    }
    this.horizon[0] = span === LAST ? Number.POSITIVE_INFINITY : (span + 1) * SPAN
    this.#enter(span + 1)
  }

  /** The present is another span: what waits in places that it is in now belongs into lower rows. */
  #enter(span: number): void {
    this.#present = span
    for (let row = ROWS - 1; row > 0; row--) {
      const digit = (span >>> (BITS * row)) & (PLACES - 1)
      for (let entry = this.#unhook(row * PLACES + digit); entry !== NONE; ) {
        const next = this.#next[entry]
        this.#link(entry)
        entry = next
      }
    }
  }

  #link(entry: number): void {
    const due = this.#due[entry]
    const span = due < LAST * SPAN ? Math.floor(due / SPAN) : LAST
    const apart = span ^ this.#present
    const row = apart === 0 ? 0 : ((31 - Math.clz32(apart)) / BITS) | 0
    const place = row * PLACES + ((span >>> (BITS * row)) & (PLACES - 1))
    const head = this.#heads[place]
    this.#next[entry] = head
    this.#previous[entry] = NONE
    this.#place[entry] = place
    this.#heads[place] = entry
    if (head !== NONE) this.#previous[head] = entry
    else this.#taken[place >> 5] |= 1 << (place & 31)
  }

  /** Empties a place; returns the first entry of what was in it. */
  #unhook(place: number): number {
    const head = this.#heads[place]
    if (head === NONE) return NONE
    this.#heads[place] = NONE
    this.#taken[place >> 5] &= ~(1 << (place & 31))
    return head
  }

  /** The first place of the row, from this one on, that is taken. */
  #firstFrom(row: number, from: number): number {
    for (let word = from >> 5; word < 2; word++) {
      const skipped = word === from >> 5 ? from & 31 : 0
      const bits = (this.#taken[row * 2 + word] >>> skipped) << skipped
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits)
    }
    return NONE
  }

  #release(entry: number): void {
    this.#timers[entry] = null
    this.#next[entry] = this.#free
    this.#free = entry
    this.size--
  }

  #grow(): void {
    const before = this.#due.length
    const after = Math.max(64, before * 2)
    this.#due = enlarged(this.#due, new Float64Array(after))
    this.#order = enlarged(this.#order, new Float64Array(after))
    this.#next = enlarged(this.#next, new Int32Array(after))
    this.#previous = enlarged(this.#previous, new Int32Array(after))
    this.#place = enlarged(this.#place, new Int16Array(after))
    for (let entry = after - 1; entry >= before; entry--) {
      this.#next[entry] = this.#free
      this.#free = entry
    }
  }
}

function enlarged<Words extends Float64Array | Int32Array | Int16Array>(from: Words, to: Words): Words {
  to.set(from)
  return to
}
