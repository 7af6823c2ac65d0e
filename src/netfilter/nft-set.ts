/**
 * Sets and maps of nf_tables. Keys are words of 32 bits, one value behind the other. A plain set is a hash table
 * (nft_set_hash.c); one with intervals of one value is an ordered list asked by bisection (nft_set_rbtree.c); one with
 * intervals of several values is gone through from its beginning, where the kernel has nft_set_pipapo.c.
 */
import type { Verdict } from './hook.ts'
import type { NftLimit, NftPlainCounter } from './nft-state.ts'
import type { JumpTarget, SetOwner } from './nft-target.ts'
import { type Datatype, wordCount } from './nft-type.ts'

/** One value of a key or of what a map gives. */
export interface Part {
  readonly type: Datatype
  readonly bits: number
  /** Its first word in the key, and how many there are. */
  readonly at: number
  readonly words: number
}

export function partsOf(types: readonly Datatype[]): Part[] {
  let at = 0
  return types.map((type) => {
    const part = { type, bits: type.bits, at, words: wordCount(type.bits) }
    at += part.words
    return part
  })
}

export class NftElement {
  readonly low: Int32Array
  /** The end of an interval, inside it; the same array when it is one value. */
  readonly high: Int32Array
  data: Int32Array | null = null
  /** Of a verdict map; -1 otherwise. */
  verdict: Verdict | -1 = -1
  chain: JumpTarget | null = null
  comment = ''
  /** Nanoseconds; 0: it stays. */
  timeout = 0
  /** When it ends. */
  due = Number.POSITIVE_INFINITY
  counter: NftPlainCounter | null = null
  limit: NftLimit | null = null
  hash = 0
  next: NftElement | null = null

  constructor(low: Int32Array, high: Int32Array) {
    this.low = low
    this.high = high
  }
}

export interface SetFlags {
  constant: boolean
  interval: boolean
  dynamic: boolean
  timeout: boolean
}

const FEW = 16

export class NftSet {
  readonly table: SetOwner
  readonly name: string
  handle = 0
  readonly key: readonly Part[]
  readonly words: number
  /** What a map gives; null: a set, or a verdict map. */
  readonly data: readonly Part[] | null
  readonly verdicts: boolean
  readonly anonymous: boolean
  readonly flags: SetFlags = { constant: false, interval: false, dynamic: false, timeout: false }
  /** `typeof ip saddr` instead of `type ipv4_addr`. */
  typeofText = ''
  typeText = ''
  comment = ''
  /** Nanoseconds. */
  timeout = 0
  gcInterval = 0
  size = 0
  memory = false
  autoMerge = false
  /** Each element counts (or is limited). */
  counts = false
  /** Rules write into it. */
  grows = false
  /** Rules that read it. */
  uses = 0
  #buckets: (NftElement | null)[] = new Array(FEW).fill(null)
  #count = 0
  #ordered: NftElement[] = []

  constructor(
    table: SetOwner,
    name: string,
    key: readonly Datatype[],
    data: readonly Datatype[] | 'verdict' | null,
    anonymous: boolean,
  ) {
    this.table = table
    this.name = name
    this.key = partsOf(key)
    this.words = this.key.reduce((sum, part) => sum + part.words, 0)
    this.verdicts = data === 'verdict'
    this.data = data === null || data === 'verdict' ? null : partsOf(data)
    this.anonymous = anonymous
  }

  get isMap(): boolean {
    return this.verdicts || this.data !== null
  }

  get count(): number {
    return this.#count
  }

  /** The element that holds the key in these registers; null when none does, or it has ended. */
  lookup(registers: Int32Array, at: number, now: number): NftElement | null {
    let found: NftElement | null
    if (!this.flags.interval) found = this.#hashed(registers, at)
    else if (this.key.length === 1) found = this.#bisect(registers, at)
    else found = this.#scan(registers, at)
    return found === null || found.due <= now ? null : found
  }

  #hashed(registers: Int32Array, at: number): NftElement | null {
    const { words } = this
    const hash = hashOf(registers, at, words)
    let element = this.#buckets[hash & (this.#buckets.length - 1)]
    while (element !== null) {
      if (element.hash === hash && same(element.low, registers, at, words)) return element
      element = element.next
    }
    return null
  }

  #bisect(registers: Int32Array, at: number): NftElement | null {
    const all = this.#ordered
    let low = 0
    let high = all.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const element = all[middle]
      if (compare(element.low, registers, at, 0, this.words) > 0) high = middle - 1
      else if (compare(element.high, registers, at, 0, this.words) < 0) low = middle + 1
      else return element
    }
    return null
  }

  #scan(registers: Int32Array, at: number): NftElement | null {
    const all = this.#ordered
    for (let i = 0; i < all.length; i++) if (this.#within(all[i], registers, at)) return all[i]
    return null
  }

  #within(element: NftElement, registers: Int32Array, at: number): boolean {
    const { key } = this
    for (let i = 0; i < key.length; i++) {
      const part = key[i]
      if (compare(element.low, registers, at, part.at, part.words) > 0) return false
      if (compare(element.high, registers, at, part.at, part.words) < 0) return false
    }
    return true
  }

  /** The element with exactly this key or interval. */
  find(low: Int32Array, high: Int32Array): NftElement | null {
    if (!this.flags.interval) return this.#hashed(low, 0)
    const equal = (element: NftElement) =>
      same(element.low, low, 0, this.words) && same(element.high, high, 0, this.words)
    return this.#ordered.find(equal) ?? null
  }

  /** Does any interval share a value with this one? */
  overlaps(low: Int32Array, high: Int32Array): NftElement | null {
    if (!this.flags.interval) return this.#hashed(low, 0)
    const shares = (element: NftElement) =>
      this.key.every(
        ({ at, words }) =>
          compare(element.low, high, 0, at, words) <= 0 && compare(element.high, low, 0, at, words) >= 0,
      )
    return this.#ordered.find(shares) ?? null
  }

  insert(element: NftElement): void {
    this.#count++
    if (this.flags.interval) {
      if (this.key.length > 1) {
        this.#ordered.push(element)
        return
      }
      let place = this.#ordered.length
      while (place > 0 && compare(this.#ordered[place - 1].low, element.low, 0, 0, this.words) > 0) place--
      this.#ordered.splice(place, 0, element)
      return
    }
    element.hash = hashOf(element.low, 0, this.words)
    if (this.#count > this.#buckets.length) this.#grow()
    const bucket = element.hash & (this.#buckets.length - 1)
    element.next = this.#buckets[bucket]
    this.#buckets[bucket] = element
  }

  remove(element: NftElement): void {
    this.#count--
    if (this.flags.interval) {
      this.#ordered.splice(this.#ordered.indexOf(element), 1)
      return
    }
    const bucket = element.hash & (this.#buckets.length - 1)
    let each = this.#buckets[bucket]
    if (each === element) this.#buckets[bucket] = element.next
    while (each !== null && each !== element) {
      if (each.next === element) each.next = element.next
      each = each.next
    }
    element.next = null
  }

  #grow(): void {
    const all = this.elements()
    this.#buckets = new Array(this.#buckets.length * 2).fill(null)
    for (const element of all) {
      const bucket = element.hash & (this.#buckets.length - 1)
      element.next = this.#buckets[bucket]
      this.#buckets[bucket] = element
    }
  }

  /** All of them, in no particular order unless there are intervals. */
  elements(): NftElement[] {
    if (this.flags.interval) return [...this.#ordered]
    const all: NftElement[] = []
    for (const first of this.#buckets) {
      for (let element = first; element !== null; element = element.next) all.push(element)
    }
    return all
  }

  /** Takes out what has ended (nft_rhash_gc). */
  expire(now: number): void {
    if (!this.flags.timeout) return
    for (const element of this.elements()) if (element.due <= now) this.remove(element)
  }
}

function hashOf(words: Int32Array, at: number, count: number): number {
  let hash = 0x811c9dc5 | 0
  for (let i = 0; i < count; i++) {
    hash = Math.imul(hash ^ words[at + i], 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash >>> 0
}

function same(key: Int32Array, registers: Int32Array, at: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (key[i] !== registers[at + i]) return false
  return true
}

/** As unsigned numbers, the first word in front; both from word `from` on. */
function compare(key: Int32Array, registers: Int32Array, at: number, from: number, count: number): number {
  for (let i = from; i < from + count; i++) {
    const a = key[i] >>> 0
    const b = registers[at + i] >>> 0
    if (a !== b) return a < b ? -1 : 1
  }
  return 0
}
