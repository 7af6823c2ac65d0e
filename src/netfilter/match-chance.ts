/** Matches that let a share of the packets through: `statistic` by chance or by turns, `limit` by rate. */
import { JIFFY, jiffies } from '../sim/jiffies.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { parseNumber, refuseNot, type Words } from './words.ts'

/** The kernel compares 31 random bits with the probability in units of 2^-31. */
const UNIT = 0x80000000

export class StatisticMatch extends Match {
  readonly name = 'statistic'
  #mode: 'random' | 'nth' | null = null
  #not = false
  #threshold = -1
  #every = 0
  #packet = -1
  #count = 0
  /** The last draw. */
  #drawn = 0

  override get shareable(): boolean {
    return this.#mode === 'random'
  }

  override option(name: string, words: Words, not: boolean): boolean {
    switch (name) {
      case '--mode': {
        refuseNot(not, name)
        const mode = words.value(name)
        if (mode !== 'random' && mode !== 'nth') throw new NetfilterError(`Bad mode "${mode}"`)
        this.#mode = mode
        return true
      }
      case '--probability': {
        const text = words.value(name)
        const probability = Number(text)
        if (text === '' || !(probability >= 0 && probability <= 1)) {
          throw new NetfilterError('statistic: bad value for option "--probability", or out of range (0-1).\n')
        }
        this.#threshold = Math.round(probability * UNIT)
        this.#not = not
        return true
      }
      case '--every':
        this.#every = parseNumber(words.value(name), name, 1)
        this.#not = not
        return true
      case '--packet':
        refuseNot(not, name)
        this.#packet = parseNumber(words.value(name), name)
        return true
      default:
        return false
    }
  }

  override check(): void {
    if (this.#every !== 0 && this.#packet < 0) {
      throw new NetfilterError('statistic: option "--every" also requires "--packet".\n')
    }
    if (this.#mode !== 'nth') {
      if (this.#threshold >= 0) return
      throw new NetfilterError('--probability must be specified when using random mode')
    }
    if (this.#every === 0) throw new NetfilterError('--every must be specified when using nth mode')
    if (this.#packet >= this.#every) throw new NetfilterError('the --packet p must be 0 <= p <= n-1')
    this.#count = this.#every - 1 - this.#packet
  }

  override test(packet: Packet): boolean {
    if (this.#mode === 'random') {
      this.#drawn = packet.world.random.int32() & 0x7fffffff
      return this.#drawn < this.#threshold !== this.#not
    }
    this.#count = this.#count === this.#every - 1 ? 0 : this.#count + 1
    return (this.#count === 0) !== this.#not
  }

  override get fickle(): boolean {
    return true
  }

  override reason(): string {
    if (this.#mode === 'nth') {
      return `${this.#count === 0 ? 'it is the turn' : 'it is not the turn'} of this packet, one in ${this.#every}`
    }
    const below = this.#drawn < this.#threshold
    const chance = (this.#threshold / UNIT).toFixed(11)
    return `chance drew ${(this.#drawn / UNIT).toFixed(4)}, ${below ? 'below' : 'not below'} ${chance}`
  }

  override save(): string {
    const not = bang(this.#not)
    if (this.#mode === 'random') return `--mode random ${not}--probability ${(this.#threshold / UNIT).toFixed(11)}`
    return `--mode nth ${not}--every ${this.#every} --packet ${this.#packet}`
  }

  override list(): string {
    const not = this.#not ? ' !' : ''
    if (this.#mode === 'random') {
      return `statistic mode random${not} probability ${(this.#threshold / UNIT).toFixed(11)}`
    }
    return `statistic mode nth${not} every ${this.#every}${this.#packet === 0 ? '' : ` packet ${this.#packet}`}`
  }
}

const PERIODS: readonly (readonly [name: string, period: Nanos])[] = [
  ['sec', SECOND],
  ['min', 60 * SECOND],
  ['hour', 3600 * SECOND],
  ['day', 86_400 * SECOND],
]

/** XT_LIMIT_SCALE. */
const SCALE = 10_000

/** `-m limit --limit 3/min --limit-burst 5`: a bucket of tokens, refilled at that rate. */
export class LimitMatch extends Match {
  readonly name = 'limit'
  #rate = 3
  #unit = 2
  #burst = 5
  /** Nanoseconds of credit, and when they were last reckoned. */
  #state = new Float64Array(2)
  /** The last test's outcome. */
  #held = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--limit' && name !== '--limit-burst') return false
    refuseNot(not, name, 'limit')
    const text = words.value(name)
    if (name === '--limit-burst') {
      this.#burst = parseNumber(text, name, 1, 10_000)
      return true
    }
    const [rate, word = 'second'] = text.split('/')
    this.#unit = PERIODS.findIndex(([unit]) => word !== '' && longer(unit).startsWith(word))
    const number = /^[0-9]+$/.test(rate) ? Number(rate) : 0
    if (number === 0 || this.#unit < 0) throw new NetfilterError(`bad rate "${text}"'`)
    this.#setRate(text, number)
    return true
  }

  /** A rate is kept as the time one packet costs, in ten-thousandths of a second, and read back from that. */
  #setRate(text: string, number: number): void {
    const cost = Math.floor((PERIODS[this.#unit][1] / SECOND) * (SCALE / number))
    if (cost === 0) throw new NetfilterError(`Rate too fast "${text}"`)
    this.#unit = PERIODS.length - 1
    while (this.#unit > 0) {
      const next = (PERIODS[this.#unit - 1][1] / SECOND) * SCALE
      if (cost > next || Math.floor(next / cost) < next % cost) break
      this.#unit--
    }
    this.#rate = Math.floor(((PERIODS[this.#unit][1] / SECOND) * SCALE) / cost)
  }

  override check(): void {
    this.#state[0] = this.#cost() * this.#burst
    this.#state[1] = 0
  }

  override test(packet: Packet): boolean {
    const now = jiffies(packet.world.scheduler.now) * JIFFY
    const state = this.#state
    const cost = this.#cost()
    state[0] = Math.min(state[0] + now - state[1], cost * this.#burst)
    state[1] = now
    this.#held = state[0] >= cost
    if (!this.#held) return false
    state[0] -= cost
    return true
  }

  override get fickle(): boolean {
    return true
  }

  override reason(): string {
    const left = Math.floor(this.#state[0] / this.#cost())
    return this.#held ? `within the limit, ${left} more at once` : 'over the limit'
  }

  #cost(): Nanos {
    return PERIODS[this.#unit][1] / this.#rate
  }

  override save(): string {
    const burst = this.#burst === 5 ? '' : ` --limit-burst ${this.#burst}`
    return `--limit ${this.#rate}/${PERIODS[this.#unit][0]}${burst}`
  }

  override list(): string {
    return `limit: avg ${this.#rate}/${PERIODS[this.#unit][0]} burst ${this.#burst}`
  }
}

function longer(unit: string): string {
  return { sec: 'second', min: 'minute', hour: 'hour', day: 'day' }[unit] ?? unit
}
