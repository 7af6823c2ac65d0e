/**
 * Seeded chance: xoshiro128** with its state in an Int32Array. The same seed gives the same numbers on every
 * machine; nothing below the edges uses any other source.
 */

export class Random {
  #state = new Int32Array(4)

  /** Any 32-bit seed; splitmix32 spreads it over the state, so that neighbouring seeds are unlike. */
  constructor(seed: number) {
    let mixed = seed | 0
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) | 0
      let z = mixed
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      this.#state[i] = z ^ (z >>> 15)
    }
  }

  /** The same numbers again as this one will give from now on. */
  fork(): Random {
    const twin = new Random(0)
    twin.#state.set(this.#state)
    return twin
  }

  /** Draws from the very same stream as this one, each number once, until it is given one of its own (`restart`). */
  shared(): Random {
    const other = new Random(0)
    other.#state = this.#state
    return other
  }

  /** A stream of its own from now on, whoever shared the former one. */
  restart(seed: number): void {
    this.#state = new Random(seed).#state
  }

  /** What `action` draws comes from this seed alone; afterwards all goes on as if nothing had been drawn. */
  during<T>(seed: number, action: () => T): T {
    const before = this.#state
    this.#state = new Random(seed).#state
    try {
      return action()
    } finally {
      this.#state = before
    }
  }

  /** 32 random bits, signed. */
  int32(): number {
    const s = this.#state
    const five = Math.imul(s[1], 5)
    const result = Math.imul((five << 7) | (five >>> 25), 9)
    const shifted = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = (s[3] << 11) | (s[3] >>> 21)
    return result
  }

  /** From 0 up to, not including, `limit`; limit is at most 2^31. */
  below(limit: number): number {
    return Math.floor(((this.int32() >>> 0) / 4294967296) * limit)
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** From 0 up to, not including, 1. */
  fraction(): number {
    return (this.int32() >>> 0) / 4294967296
  }

  /** Lower-case hexadecimal digits. */
  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += (this.int32() >>> 0).toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }
}
