/** IPv4 identification of what belongs to no connection: ip_idents_reserve of net/ipv4/route.c. */
import type { World } from '../link/world.ts'
import { jiffies } from '../sim/jiffies.ts'
import type { Ipv4 } from '../wire/address.ts'

const BUCKETS = 64

/** Counters shared by a hash of addresses and protocol, which also jump a little with the time between uses. */
export class Identifications {
  readonly #world: World
  readonly #counters: Int32Array
  readonly #times = new Int32Array(BUCKETS)

  constructor(world: World) {
    this.#world = world
    this.#counters = Int32Array.from({ length: BUCKETS }, () => world.random.below(65_536))
  }

  next(source: Ipv4, destination: Ipv4, protocol: number): number {
    const bucket = (source ^ (source >>> 8) ^ destination ^ (destination >>> 6) ^ protocol) & (BUCKETS - 1)
    const now = jiffies(this.#world.scheduler.now)
    const elapsed = now - this.#times[bucket]
    this.#times[bucket] = now
    this.#counters[bucket] += 1 + (elapsed > 0 ? this.#world.random.below(elapsed) : 0)
    return this.#counters[bucket] & 0xffff
  }
}
