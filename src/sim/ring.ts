/** A queue of objects that allocates only when it grows: first in, first out. */

/** The slots of queues in which nothing was ever put; an array of objects as all others are (V8's elements kind). */
const EMPTY: never[] = new Array<never>(1).fill(null as never)
EMPTY.length = 0

export class Ring<T> {
  #slots: (T | null)[] = EMPTY
  readonly #first: number
  #head = 0
  #size = 0

  /** `first`: how many items it is made for when the first comes, a power of two. */
  constructor(first = 8) {
    this.#first = first
  }

  get size(): number {
    return this.#size
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow()
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item
    this.#size++
  }

  /** The newest item, which stays; null when empty. */
  peek(): T | null {
    return this.#size === 0 ? null : this.#slots[(this.#head + this.#size - 1) & (this.#slots.length - 1)]
  }

  /** Takes the oldest item; null when empty. */
  shift(): T | null {
    if (this.#size === 0) return null
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = null
    this.#head = (this.#head + 1) & (this.#slots.length - 1)
    this.#size--
    return item
  }

  /** All items, oldest first; they stay. */
  list(): T[] {
    return Array.from({ length: this.#size }, (_, i) => this.#slots[(this.#head + i) & (this.#slots.length - 1)] as T)
  }

  #grow(): void {
    const larger = new Array<T | null>(Math.max(this.#first, this.#slots.length * 2)).fill(null)
    for (let i = 0; i < this.#size; i++) larger[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)]
    this.#slots = larger
    this.#head = 0
  }
}
