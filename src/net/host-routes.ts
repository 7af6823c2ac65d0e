/**
 * The routes of a table that lead to one address only, found by hashing it: a node of a large cluster has one for each
 * Service in its local table (kube-ipvs0), and a look-up must not walk them.
 */
import type { Cidr, Ipv4 } from '../wire/address.ts'

const NONE = -1

/** The heads of a table without such routes. */
const NO_HEADS = new Int32Array(1).fill(NONE)

interface Leading {
  readonly destination: Cidr
}

export class HostRoutes {
  /** Of the routes that it was built of, so many stand first and are for one address. */
  count = 0
  /** By the hash of an address: the place of its first route. */
  #heads = NO_HEADS
  /** By place: the next route of the same hash. */
  #next = NO_HEADS

  /** How many there are for each address, and in all. */
  readonly #known = new Map<Ipv4, number>()
  size = 0

  has(address: Ipv4): boolean {
    return this.#known.has(address)
  }

  came({ destination }: Leading): void {
    if (destination.prefix !== 32) return
    this.size++
    this.#known.set(destination.network, (this.#known.get(destination.network) ?? 0) + 1)
  }

  went({ destination }: Leading): void {
    if (destination.prefix !== 32) return
    this.size--
    const left = (this.#known.get(destination.network) ?? 0) - 1
    if (left > 0) this.#known.set(destination.network, left)
    else this.#known.delete(destination.network)
  }

  /** Routes in the table's order: longest prefix first. */
  build(routes: readonly Leading[]): void {
    let count = 0
    while (count < routes.length && routes[count].destination.prefix === 32) count++
    this.count = count
    if (count === 0 && this.#heads === NO_HEADS) return
    if (this.#next.length < count || this.#heads === NO_HEADS) {
      const size = 1 << (32 - Math.clz32(count * 2))
      this.#heads = new Int32Array(size)
      this.#next = new Int32Array(size)
    }
    this.#heads.fill(NONE)
    for (let place = count - 1; place >= 0; place--) {
      const slot = this.#slotOf(routes[place].destination.network)
      this.#next[place] = this.#heads[slot]
      this.#heads[slot] = place
    }
  }

  /** The first place worth a look; negative: there is none. */
  first(address: Ipv4): number {
    return this.#heads[this.#slotOf(address)]
  }

  /** The one behind it. */
  after(place: number): number {
    return this.#next[place]
  }

  #slotOf(address: Ipv4): number {
    const hash = Math.imul(address ^ (address >>> 15), 0x9e3779b1)
    return (hash ^ (hash >>> 16)) & (this.#heads.length - 1)
  }
}
