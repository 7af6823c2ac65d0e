/**
 * Connections by their two addresses and two ports (Linux's ehash): integers hashed into chains that run
 * through the connections themselves, so that finding one allocates nothing.
 */
import type { Ipv4 } from '../../wire/address.ts'

export interface Tuple<T> {
  readonly localAddress: Ipv4
  readonly localPort: number
  readonly remoteAddress: Ipv4
  readonly remotePort: number
  /** The next in the same chain. */
  chain: T | null
}

const FIRST = 64
/** The one chain of a table without connections. */
const NONE: never[] = new Array<never>(1).fill(null as never)

export class TupleTable<T extends Tuple<T>> {
  #buckets: (T | null)[] = NONE
  #size = 0

  get size(): number {
    return this.#size
  }

  find(localAddress: Ipv4, localPort: number, remoteAddress: Ipv4, remotePort: number): T | null {
    let found = this.#buckets[this.#bucket(localAddress, localPort, remoteAddress, remotePort)]
    while (found !== null) {
      if (
        found.remotePort === remotePort &&
        found.localPort === localPort &&
        found.remoteAddress === remoteAddress &&
        found.localAddress === localAddress
      ) {
        return found
      }
      found = found.chain
    }
    return null
  }

  add(item: T): void {
    if (this.#size >= this.#buckets.length || this.#buckets === NONE) this.#grow()
    this.#size++
    this.#link(item)
  }

  remove(item: T): void {
    const bucket = this.#bucketOf(item)
    let before: T | null = null
    let at = this.#buckets[bucket]
    while (at !== null && at !== item) {
      before = at
      at = at.chain
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = item.chain
    else before.chain = item.chain
    item.chain = null
    this.#size--
  }

  all(): T[] {
    const all: T[] = []
    for (const first of this.#buckets) for (let item = first; item !== null; item = item.chain) all.push(item)
    return all
  }

  #link(item: T): void {
    const bucket = this.#bucketOf(item)
    item.chain = this.#buckets[bucket]
    this.#buckets[bucket] = item
  }

  #bucketOf(item: T): number {
    return this.#bucket(item.localAddress, item.localPort, item.remoteAddress, item.remotePort)
  }

  #bucket(localAddress: Ipv4, localPort: number, remoteAddress: Ipv4, remotePort: number): number {
    let hash = Math.imul(localAddress ^ Math.imul(remoteAddress, 0x9e3779b1), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15) ^ ((localPort << 16) | remotePort), 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) & (this.#buckets.length - 1)
  }

  #grow(): void {
    const all = this.all()
    this.#buckets = new Array<T | null>(Math.max(FIRST, this.#buckets.length * 2)).fill(null)
    for (const item of all) this.#link(item)
  }
}
