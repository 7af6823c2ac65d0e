/**
 * SipHash-2-4 (Aumasson, Bernstein 2012) over 32-bit words, as lib/siphash.c computes it: the kernel's hash for what
 * strangers may choose. 64-bit numbers are pairs of halves here; nothing is allocated.
 */

/** The hash of `length` words (an even number, little endian) with a key whose two halves are `k0` and `k1`: its low half. */
export class SipHash {
  /** v0 to v3, each as its low and its high half. */
  readonly #v = new Int32Array(8)

  /** `low` and `high` are the halves of both 64-bit parts of the key, which are equal. */
  hash(words: Int32Array, low: number, high: number): number {
    const v = this.#v
    v[0] = 0x70736575 ^ low
    v[1] = 0x736f6d65 ^ high
    v[2] = 0x6e646f6d ^ low
    v[3] = 0x646f7261 ^ high
    v[4] = 0x6e657261 ^ low
    v[5] = 0x6c796765 ^ high
    v[6] = 0x79746573 ^ low
    v[7] = 0x74656462 ^ high
    for (let i = 0; i < words.length; i += 2) this.#take(words[i], words[i + 1])
    // The length in bytes stands in the last block's highest byte.
    this.#take(0, (words.length * 4) << 24)
    v[4] ^= 0xff
    for (let i = 0; i < 4; i++) this.#round()
    return v[0] ^ v[2] ^ v[4] ^ v[6]
  }

  #take(low: number, high: number): void {
    const v = this.#v
    v[6] ^= low
    v[7] ^= high
    this.#round()
    this.#round()
    v[0] ^= low
    v[1] ^= high
  }

  #round(): void {
    this.#add(0, 2)
    this.#rotate(2, 13)
    this.#xor(2, 0)
    this.#swap(0)
    this.#add(4, 6)
    this.#rotate(6, 16)
    this.#xor(6, 4)
    this.#add(0, 6)
    this.#rotate(6, 21)
    this.#xor(6, 0)
    this.#add(4, 2)
    this.#rotate(2, 17)
    this.#xor(2, 4)
    this.#swap(4)
  }

  /** v[to] += v[from] */
  #add(to: number, from: number): void {
    const v = this.#v
    const low = (v[to] >>> 0) + (v[from] >>> 0)
    v[to] = low
    v[to + 1] += v[from + 1] + (low > 0xffffffff ? 1 : 0)
  }

  #xor(to: number, from: number): void {
    const v = this.#v
    v[to] ^= v[from]
    v[to + 1] ^= v[from + 1]
  }

  /** Left, by less than 32. */
  #rotate(at: number, by: number): void {
    const v = this.#v
    const low = v[at]
    const high = v[at + 1]
    v[at] = (low << by) | (high >>> (32 - by))
    v[at + 1] = (high << by) | (low >>> (32 - by))
  }

  /** Left, by 32. */
  #swap(at: number): void {
    const v = this.#v
    const low = v[at]
    v[at] = v[at + 1]
    v[at + 1] = low
  }
}
