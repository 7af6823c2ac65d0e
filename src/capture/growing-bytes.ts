/** Bytes that grow at their end, integers little endian: doubling, so that a packet allocates nothing. */
export class GrowingBytes {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  /** The bytes themselves, for reading: they move when more is written. */
  get raw(): Uint8Array {
    return this.#bytes
  }

  put16(value: number): void {
    const at = this.reserve(2)
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
  }

  put32(value: number): void {
    this.patch32(this.reserve(4), value)
  }

  /** Copies `length` bytes from `at`. */
  put(from: Uint8Array, at: number, length: number): void {
    this.patch(this.reserve(length), from, at, length)
  }

  /** Zeros up to the next multiple of four. */
  pad(): void {
    const at = this.reserve(-this.#length & 3)
    this.#bytes.fill(0, at, this.#length)
  }

  /** Room for so many bytes, which hold anything; the answer is where it begins. */
  reserve(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) this.#grow(at)
    return at
  }

  /** Overwrites four bytes written or reserved before. */
  patch32(at: number, value: number): void {
    const bytes = this.#bytes
    bytes[at] = value
    bytes[at + 1] = value >>> 8
    bytes[at + 2] = value >>> 16
    bytes[at + 3] = value >>> 24
  }

  /** Overwrites `length` bytes by those from `at`: `set` and the view that it needs cost as much as some dozen turns of a loop. */
  patch(to: number, from: Uint8Array, at: number, length: number): void {
    const bytes = this.#bytes
    if (length > 32) bytes.set(from.subarray(at, at + length), to)
    else for (let i = 0; i < length; i++) bytes[to + i] = from[at + i]
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Forgets what was written, and keeps the room. */
  clear(): void {
    this.#length = 0
  }

  #grow(used: number): void {
    const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, used))
    this.#bytes = larger
  }
}
