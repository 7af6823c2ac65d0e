/** A queue of records in shared memory, from one thread to one other, without locks. */

/** Words of 8 bytes. The two ends write places in cache lines of their own. */
const HEAD = 0
const TAIL = 32
const PLACES = 64

/** A record's first word: how many words of 8 bytes it has, and its kind; kind 0 fills up the end of the queue. */
const FILLER = 0

export class Ring {
  /** The queue's memory: a record begins at `at` words of 8 bytes. */
  readonly doubles: Float64Array
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly #places: Int32Array
  readonly #size: number
  #head: number
  #tail: number
  /** The other end's place when it was last asked. */
  #seen: number

  /** Bytes of a queue with `size` words of 8 bytes, a power of two. */
  static bytes(size: number): number {
    return PLACES * 4 + size * 8
  }

  constructor(buffer: SharedArrayBuffer, offset: number, size: number) {
    this.#places = new Int32Array(buffer, offset, PLACES)
    this.doubles = new Float64Array(buffer, offset + PLACES * 4, size)
    this.words = new Int32Array(buffer, offset + PLACES * 4, size * 2)
    this.bytes = new Uint8Array(buffer, offset + PLACES * 4, size * 8)
    this.#size = size
    this.#head = Atomics.load(this.#places, HEAD)
    this.#tail = Atomics.load(this.#places, TAIL)
    this.#seen = this.#tail
  }

  /** Where a record of so many words may be written, by the sender; -1: there is no room now. Then `push`. */
  room(words: number, kind: number): number {
    const mask = this.#size - 1
    const left = this.#size - (this.#head & mask)
    const needed = words > left ? words + left : words
    if (needed > this.#size - ((this.#head - this.#seen) | 0)) {
      this.#seen = Atomics.load(this.#places, TAIL)
      if (needed > this.#size - ((this.#head - this.#seen) | 0)) return -1
    }
    if (words > left) {
      this.#sign(this.#head & mask, left, FILLER)
      this.#head = (this.#head + left) | 0
    }
    const at = this.#head & mask
    this.#sign(at, words, kind)
    this.#head = (this.#head + words) | 0
    return at
  }

  #sign(at: number, words: number, kind: number): void {
    this.words[at * 2] = words
    this.words[at * 2 + 1] = kind
  }

  /** What was written is the receiver's now. */
  push(): void {
    Atomics.store(this.#places, HEAD, this.#head)
  }

  /** For the receiver: where the oldest record is; -1 when there is none. */
  peek(): number {
    for (;;) {
      if (this.#tail === this.#seen) {
        this.#seen = Atomics.load(this.#places, HEAD)
        if (this.#tail === this.#seen) return -1
      }
      const at = this.#tail & (this.#size - 1)
      if (this.kind(at) !== FILLER) return at
      this.shift()
    }
  }

  /** Of the record there. */
  kind(at: number): number {
    return this.words[at * 2 + 1]
  }

  /** The receiver is done with the oldest record. */
  shift(): void {
    this.#tail = (this.#tail + this.words[(this.#tail & (this.#size - 1)) * 2]) | 0
    Atomics.store(this.#places, TAIL, this.#tail)
  }

  /** Has everything been taken that was ever pushed? Anybody may ask. */
  get empty(): boolean {
    return Atomics.load(this.#places, HEAD) === Atomics.load(this.#places, TAIL)
  }
}
