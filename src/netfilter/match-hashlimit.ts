/** `-m hashlimit`: a bucket of tokens for each address, port or pair of them (xt_hashlimit.c). */
import { JIFFY, jiffies } from '../sim/jiffies.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { type Ipv4, mask } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipv4.ts'
import { missingOption, NetfilterError } from './error.ts'
import { Match } from './match.ts'
import type { Packet } from './packet.ts'
import { parseNumber, refuseNot, type Words } from './words.ts'

const units: readonly (readonly [name: string, long: string, period: Nanos])[] = [
  ['sec', 'second', SECOND],
  ['min', 'minute', 60 * SECOND],
  ['hour', 'hour', 3600 * SECOND],
  ['day', 'day', 86_400 * SECOND],
]
/** In the order in which they are printed. */
const modes: readonly string[] = ['srcip', 'srcport', 'dstip', 'dstport']
const numbers: Readonly<Record<string, string>> = {
  '--hashlimit-htable-size': 'htable-size',
  '--hashlimit-htable-max': 'htable-max',
  '--hashlimit-htable-gcinterval': 'htable-gcinterval',
  '--hashlimit-htable-expire': 'htable-expire',
}

/** The credit that is left, and when it was reckoned; the places of `HashlimitMatch.key` name the bucket. */
class Bucket {
  readonly key: Int32Array
  readonly state = new Float64Array(2)
  next: Bucket | null = null

  constructor(key: Int32Array) {
    this.key = Int32Array.from(key)
  }
}

export class HashlimitMatch extends Match {
  readonly name = 'hashlimit'
  #listName = ''
  #above = false
  #rate = 0
  #unit = 0
  #burst = 5
  #modes: string[] = []
  #sourcePrefix = 32
  #destinationPrefix = 32
  /** The last test's outcome. */
  #held = false
  readonly #table = new Map<string, number>()
  readonly #key = new Int32Array(3)
  readonly #buckets = new Map<number, Bucket>()

  override option(name: string, words: Words, not: boolean): boolean {
    if (name === '--hashlimit-upto' || name === '--hashlimit-above' || name === '--hashlimit') {
      this.#setRate(words.value(name))
      this.#above = (name === '--hashlimit-above') !== not
      return true
    }
    const number = numbers[name]
    if (number !== undefined) this.#table.set(number, parseNumber(words.value(name), name, 1, 0xffffffff, 'hashlimit'))
    else if (name === '--hashlimit-burst') this.#burst = parseNumber(words.value(name), name, 1, 10_000, 'hashlimit')
    else if (name === '--hashlimit-name') this.#listName = words.value(name)
    else if (name === '--hashlimit-srcmask')
      this.#sourcePrefix = parseNumber(words.value(name), name, 0, 32, 'hashlimit')
    else if (name === '--hashlimit-dstmask') {
      this.#destinationPrefix = parseNumber(words.value(name), name, 0, 32, 'hashlimit')
    } else if (name === '--hashlimit-mode') {
      const asked = words.value(name).split(',')
      if (!asked.every((word) => modes.includes(word))) throw new NetfilterError(`bad --hashlimit-mode: \`${asked}'`)
      this.#modes = modes.filter((mode) => asked.includes(mode))
    } else if (name === '--hashlimit-rate-match' || name === '--hashlimit-rate-interval') {
      throw new NetfilterError(`podwire: match hashlimit ${name} is not modelled`)
    } else return false
    refuseNot(not, name, 'hashlimit')
    return true
  }

  #setRate(text: string): void {
    if (/b\/s$/.test(text)) throw new NetfilterError('podwire: match hashlimit with bytes per second is not modelled')
    const [count, word = 'second'] = text.split('/')
    this.#rate = /^[0-9]+$/.test(count) ? Number(count) : 0
    this.#unit = units.findIndex(([, long]) => word !== '' && long.startsWith(word))
    if (this.#rate === 0 || this.#unit < 0) {
      throw new NetfilterError(`hashlimit: bad value for option "--hashlimit-upto", or out of range.\n`)
    }
  }

  override check(): void {
    if (this.#listName === '') throw missingOption('hashlimit', '--hashlimit-name')
    if (this.#rate === 0) throw new NetfilterError('You have to specify --hashlimit')
  }

  override test(packet: Packet): boolean {
    const key = this.#key
    this.#fillKey(packet)
    const hash = Math.imul(key[0], 0x9e3779b1) ^ Math.imul(key[1], 0x85ebca6b) ^ Math.imul(key[2], 0xc2b2ae35)
    let bucket = this.#buckets.get(hash) ?? null
    while (bucket !== null && !same(bucket.key, key)) bucket = bucket.next
    const cost = units[this.#unit][2] / this.#rate
    const now = jiffies(packet.world.scheduler.now) * JIFFY
    if (bucket === null) {
      bucket = new Bucket(key)
      bucket.next = this.#buckets.get(hash) ?? null
      bucket.state[0] = cost * this.#burst
      bucket.state[1] = now
      this.#buckets.set(hash, bucket)
    }
    const { state } = bucket
    state[0] = Math.min(state[0] + now - state[1], cost * this.#burst)
    state[1] = now
    this.#held = state[0] >= cost
    if (!this.#held) return this.#above
    state[0] -= cost
    return !this.#above
  }

  override get fickle(): boolean {
    return true
  }

  override reason(): string {
    return this.#held ? 'within the limit' : 'over the limit'
  }

  #fillKey(packet: Packet): void {
    const key = this.#key
    const list = this.#modes
    key[0] = list.includes('srcip') ? ((packet.source & mask(this.#sourcePrefix)) as Ipv4) : 0
    key[1] = list.includes('dstip') ? ((packet.destination & mask(this.#destinationPrefix)) as Ipv4) : 0
    key[2] = 0
    const ported = packet.protocol === IPPROTO_TCP || packet.protocol === IPPROTO_UDP
    if (!ported || !packet.carries(4)) return
    if (list.includes('srcport')) key[2] |= u16(packet.bytes, packet.transport) << 16
    if (list.includes('dstport')) key[2] |= u16(packet.bytes, packet.transport + 2)
  }

  override save(): string {
    const parts = [`--hashlimit-${this.#above ? 'above' : 'upto'} ${this.#rate}/${units[this.#unit][0]}`]
    parts.push(`--hashlimit-burst ${this.#burst}`)
    if (this.#modes.length > 0) parts.push(`--hashlimit-mode ${this.#modes.join(',')}`)
    parts.push(`--hashlimit-name ${this.#listName}`)
    for (const name of Object.values(numbers)) {
      const value = this.#table.get(name)
      if (value !== undefined) parts.push(`--hashlimit-${name} ${value}`)
    }
    if (this.#sourcePrefix !== 32) parts.push(`--hashlimit-srcmask ${this.#sourcePrefix}`)
    if (this.#destinationPrefix !== 32) parts.push(`--hashlimit-dstmask ${this.#destinationPrefix}`)
    return parts.join(' ')
  }

  override list(): string {
    let text = `limit: ${this.#above ? 'above' : 'up to'} ${this.#rate}/${units[this.#unit][0]} burst ${this.#burst}`
    if (this.#modes.length > 0) text += ` mode ${this.#modes.join('-')}`
    for (const name of Object.values(numbers)) {
      const value = this.#table.get(name)
      if (value !== undefined) text += ` ${name} ${value}`
    }
    if (this.#sourcePrefix !== 32) text += ` srcmask ${this.#sourcePrefix}`
    if (this.#destinationPrefix !== 32) text += ` dstmask ${this.#destinationPrefix}`
    return text
  }
}

function same(a: Int32Array, b: Int32Array): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2]
}
