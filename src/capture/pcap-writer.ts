/**
 * Writing classic pcap, with nanoseconds: what `tcpdump -w` makes with `--time-stamp-precision=nano`.
 *
 *   file:   ┌──────────┬─────────┬──────┬─────────┬──────────┐
 *           │ a1b23c4d │ 2 │ 4   │ 0  0 │ snaplen │ linktype │  24 bytes, little endian
 *           └──────────┴─────────┴──────┴─────────┴──────────┘
 *   packet: ┌─────────┬───────┬──────────┬──────────┬───────┐
 *           │ seconds │ nanos │ captured │ original │ bytes │
 *           └─────────┴───────┴──────────┴──────────┴───────┘
 *
 * The room watches devices and keeps what it saw; it may import `link` and what is below, and touches no file:
 * whoever wants one writes the bytes.
 */
import { ETHERNET, SNAPLEN } from './capture-file.ts'

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
    const at = this.#make(2)
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
  }

  put32(value: number): void {
    const at = this.#make(4)
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value >>> 16
    this.#bytes[at + 3] = value >>> 24
  }

  /** Copies `length` bytes from `at`. */
  put(from: Uint8Array, at: number, length: number): void {
    const to = this.#make(length)
    const bytes = this.#bytes
    if (length > 128) bytes.set(from.subarray(at, at + length), to)
    else for (let i = 0; i < length; i++) bytes[to + i] = from[at + i]
  }

  /** Zeros up to the next multiple of four. */
  pad(): void {
    const at = this.#make(-this.#length & 3)
    this.#bytes.fill(0, at, this.#length)
  }

  /** Overwrites four bytes written before. */
  patch32(at: number, value: number): void {
    this.#bytes[at] = value
    this.#bytes[at + 1] = value >>> 8
    this.#bytes[at + 2] = value >>> 16
    this.#bytes[at + 3] = value >>> 24
  }

  /** A copy of what was written. */
  copy(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #make(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    return at
  }
}

export class PcapWriter {
  #out = new GrowingBytes()
  readonly #nanos: boolean

  /** `nanos` false: microseconds only, as tcpdump itself writes unless it is told otherwise. */
  constructor(linkType = ETHERNET, nanos = true) {
    this.#nanos = nanos
    this.#out.put32(nanos ? 0xa1b23c4d : 0xa1b2c3d4)
    this.#out.put16(2)
    this.#out.put16(4)
    this.#out.put32(0)
    this.#out.put32(0)
    this.#out.put32(SNAPLEN)
    this.#out.put32(linkType)
  }

  /** `seconds` since 1970, `nanos` within the second; `length` bytes from `at` of a packet of `original` bytes. */
  packet(seconds: number, nanos: number, bytes: Uint8Array, at: number, length: number, original = length): void {
    const captured = length > SNAPLEN ? SNAPLEN : length
    this.#out.put32(seconds)
    this.#out.put32(this.#nanos ? nanos : Math.floor(nanos / 1000))
    this.#out.put32(captured)
    this.#out.put32(original)
    this.#out.put(bytes, at, captured)
  }

  /** The file so far. */
  file(): Uint8Array {
    return this.#out.copy()
  }
}
