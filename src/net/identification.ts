/** IPv4 identification of what belongs to no connection: ip_idents_reserve of net/ipv4/route.c. */
import type { World } from '../link/world.ts'
import { jiffies } from '../sim/jiffies.ts'
import type { Random } from '../sim/random.ts'
import type { Ipv4 } from '../wire/address.ts'

const BUCKETS = 64
const NONE = new Int32Array(0)

/** Counters shared by a hash of addresses and protocol, which also jump a little with the time between uses. */
export class Identifications {
  readonly #world: World
  /** Where chance stood when this was made: the counters' first values are drawn from there when one is asked for. */
  #chance: Random | null
  #counters = NONE
  #times = NONE

  constructor(world: World) {
    this.#world = world
    this.#chance = world.random.fork()
    for (let i = 0; i < BUCKETS; i++) world.random.int32()
  }

  /** `count`: of packets at this instant; returns the last one's. */
  next(source: Ipv4, destination: Ipv4, protocol: number, count = 1): number {
    if (this.#chance !== null) this.#draw(this.#chance)
    const bucket = (source ^ (source >>> 8) ^ destination ^ (destination >>> 6) ^ protocol) & (BUCKETS - 1)
    const now = jiffies(this.#world.scheduler.now)
    const elapsed = now - this.#times[bucket]
    this.#times[bucket] = now
    this.#counters[bucket] += count + (elapsed > 0 ? this.#world.random.below(elapsed) : 0)
    return this.#counters[bucket] & 0xffff
  }

  #draw(chance: Random): void {
    this.#chance = null
    this.#times = new Int32Array(BUCKETS)
    this.#counters = Int32Array.from({ length: BUCKETS }, () => chance.below(65_536))
  }
}
