/** An interface's time stamps in pcapng: 64-bit ticks of a resolution of its own, since a moment of its own. */
import { PcapError } from './capture-file.ts'

/** Up to here a tick's remainder and sixteen more bits fit a double. */
const EXACT = 2 ** 37

export class PcapngClock {
  /** Of the stamp that was read last: seconds since 1970. */
  seconds = 0
  nanos = 0
  /** Ticks a second. */
  readonly #rate: bigint
  readonly #fast: number
  /** Seconds to add. */
  readonly #offset: number

  /** `resolution` is if_tsresol: a power of ten, or of two when the highest bit is set. @throws PcapError */
  constructor(resolution: number, offset: bigint) {
    const exponent = resolution & 0x7f
    const base = resolution & 0x80 ? 2n : 10n
    if (exponent > (base === 2n ? 63 : 19)) {
      throw new PcapError(`Interface Description Block if_tsresol option resolution ${base}^-${exponent} is too high`)
    }
    this.#rate = base ** BigInt(exponent)
    this.#fast = this.#rate <= EXACT ? Number(this.#rate) : 0
    this.#offset = Number(offset)
  }

  /** The stamp's halves, each of 32 bits. */
  read(high: number, low: number): void {
    if (this.#fast === 0) {
      const ticks = (BigInt(high) << 32n) | BigInt(low)
      this.seconds = Number(ticks / this.#rate) + this.#offset
      this.nanos = Number(((ticks % this.#rate) * 1_000_000_000n) / this.#rate)
      return
    }
    // Long division by digits of sixteen bits, exact in doubles.
    const rate = this.#fast
    const rest = this.#digits(this.#digits(0, high, rate), low, rate)
    this.nanos = 1e9 % rate === 0 ? rest * (1e9 / rate) : Number((BigInt(rest) * 1_000_000_000n) / this.#rate)
    this.seconds = this.#quotient(high, low, rate) + this.#offset
  }

  #digits(rest: number, word: number, rate: number): number {
    return (((rest * 65_536 + (word >>> 16)) % rate) * 65_536 + (word & 0xffff)) % rate
  }

  #quotient(high: number, low: number, rate: number): number {
    let rest = 0
    let seconds = 0
    for (let i = 0; i < 4; i++) {
      const word = i < 2 ? high : low
      const value = rest * 65_536 + (i % 2 === 0 ? word >>> 16 : word & 0xffff)
      seconds = seconds * 65_536 + Math.floor(value / rate)
      rest = value % rate
    }
    return seconds
  }
}
