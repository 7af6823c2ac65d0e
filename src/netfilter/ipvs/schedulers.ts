/**
 * Which real server a new connection goes to (ip_vs_rr.c and its kin). A scheduler belongs to one virtual service, and
 * hears of every change of its servers.
 */
import type { World } from '../../link/world.ts'
import type { Random } from '../../sim/random.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { overhead, takes } from './load.ts'
import { LocalityLeastConnections, LocalityWithReplication } from './locality.ts'
import { Maglev } from './maglev.ts'
import { type RealServer, ScheduleFlag, type Scheduler, type VirtualService } from './service.ts'

/** One after the other. */
class RoundRobin implements Scheduler {
  readonly name = 'rr'
  /** Who was chosen last; -1: the head of the list. */
  #place = -1

  changed(_service: VirtualService, added: boolean, place: number): void {
    if (place < 0) return
    if (added) {
      if (this.#place >= 0) this.#place++
    } else if (place <= this.#place) this.#place--
  }

  choose({ servers }: VirtualService): RealServer | null {
    const count = servers.length
    let place = this.#place
    for (let i = 0; i < count; i++) {
      place = place + 1 === count ? 0 : place + 1
      if (!takes(servers[place])) continue
      this.#place = place
      return servers[place]
    }
    return null
  }
}

/** In rounds, each of them for the servers of at least a certain weight. */
class WeightedRoundRobin implements Scheduler {
  readonly name = 'wrr'
  #place = -1
  #current = 0
  #most = 0
  #step = 1

  changed({ servers }: VirtualService): void {
    let divisor = 0
    let most = 0
    for (const { weight } of servers) {
      if (weight > 0) divisor = greatestCommonDivisor(weight, divisor)
      if (weight > most) most = weight
    }
    this.#place = -1
    this.#step = Math.max(divisor, 1)
    this.#most = most === 0 ? 0 : most - (this.#step - 1)
    if (this.#current > this.#most || this.#current === 0) this.#current = this.#most
    else if (this.#step > 1) this.#current = Math.floor(this.#current / this.#step) * this.#step + 1
  }

  choose({ servers }: VirtualService): RealServer | null {
    if (this.#most === 0) return null
    const count = servers.length
    // The rest of this round, all rounds, and the round in which it began.
    const rounds = Math.ceil(this.#most / this.#step) + 1
    for (let round = 0; round <= rounds; round++) {
      while (++this.#place < count) {
        const server = servers[this.#place]
        if (!server.overloaded && server.weight >= this.#current) return server
      }
      this.#place = -1
      this.#current -= this.#step
      if (this.#current <= 0) this.#current = this.#most
    }
    return null
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

/** With the fewest connections. */
class LeastConnections implements Scheduler {
  readonly name = 'lc'

  changed(): void {}

  choose({ servers }: VirtualService): RealServer | null {
    let least: RealServer | null = null
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i]
      if (takes(server) && (least === null || overhead(server) < overhead(least))) least = server
    }
    return least
  }
}

/** With the least load for its weight, by one of three ideas of load. */
abstract class LeastLoad implements Scheduler {
  abstract readonly name: string
  protected abstract load(server: RealServer): number
  /** A server that has nothing to do is taken at once. */
  protected readonly idleFirst: boolean = false

  changed(): void {}

  choose({ servers }: VirtualService): RealServer | null {
    let least: RealServer | null = null
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i]
      if (!takes(server)) continue
      if (this.idleFirst && server.active === 0) return server
      if (least === null || this.load(least) * server.weight > this.load(server) * least.weight) least = server
    }
    return least
  }
}

class WeightedLeastConnections extends LeastLoad {
  readonly name = 'wlc'

  protected load(server: RealServer): number {
    return overhead(server)
  }
}

/** Shortest expected delay: as if the connection were there already. */
class ShortestDelay extends LeastLoad {
  readonly name: string = 'sed'

  protected load({ active }: RealServer): number {
    return active + 1
  }
}

class NeverQueue extends ShortestDelay {
  override readonly name = 'nq'
  protected override readonly idleFirst = true
}

/** The one with the most weight; another only when it is gone. */
class Failover implements Scheduler {
  readonly name = 'fo'

  changed(): void {}

  choose({ servers }: VirtualService): RealServer | null {
    let best: RealServer | null = null
    for (let i = 0; i < servers.length; i++) {
      if (takes(servers[i]) && (best === null || servers[i].weight > best.weight)) best = servers[i]
    }
    return best
  }
}

/** The one with the most weight, until it has more active connections than that. */
class Overflow implements Scheduler {
  readonly name = 'ovf'

  changed(): void {}

  choose({ servers }: VirtualService): RealServer | null {
    let best: RealServer | null = null
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i]
      if (!takes(server) || server.active > server.weight) continue
      if (best === null || server.weight > best.weight) best = server
    }
    return best
  }
}

/** The less busy one of two that are drawn by weight (ip_vs_twos.c). */
class PowerOfTwo implements Scheduler {
  readonly name = 'twos'
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  changed(): void {}

  choose({ servers }: VirtualService): RealServer | null {
    let total = 0
    for (let i = 0; i < servers.length; i++) if (takes(servers[i])) total += servers[i].weight
    if (total === 0) return null
    const one = drawn(servers, this.#random.below(total))
    const other = drawn(servers, this.#random.below(total))
    if (one === null || other === null) return one
    return other.weight * overhead(one) > one.weight * overhead(other) ? other : one
  }
}

/** The kernel's way gives the first server one draw more than its weight, and the last one less. */
function drawn(servers: readonly RealServer[], weight: number): RealServer | null {
  let left = weight
  for (let i = 0; i < servers.length; i++) {
    if (!takes(servers[i])) continue
    left -= servers[i].weight
    if (left <= 0) return servers[i]
  }
  return null
}

const BUCKETS = 256
const GOLDEN_RATIO_32 = 0x61c88647

/** hash_32 to eight bits. */
function hash8(value: number): number {
  return Math.imul(value, GOLDEN_RATIO_32) >>> 24
}

/** By the client's address: servers fill 256 places in turn, as many at a time as they have weight. */
class SourceHash implements Scheduler {
  readonly name = 'sh'
  readonly #buckets = new Array<RealServer | null>(BUCKETS).fill(null)

  changed({ servers }: VirtualService): void {
    let place = 0
    let filled = 0
    for (let i = 0; i < BUCKETS; i++) {
      const server = servers.length === 0 ? null : servers[place]
      this.#buckets[i] = server
      if (server === null || ++filled < server.weight) continue
      place = (place + 1) % servers.length
      filled = 0
    }
  }

  choose({ flags }: VirtualService, source: Ipv4, sourcePort: number): RealServer | null {
    const port = (flags & ScheduleFlag.SECOND) === 0 ? 0 : sourcePort
    const first = hash8((port + source) | 0)
    const server = this.#buckets[first]
    if (server === null || takes(server)) return server
    if ((flags & ScheduleFlag.FIRST) === 0) return null
    for (let i = 0; i < BUCKETS; i++) {
      const other = this.#buckets[(((first + i) & 255) + first) & 255]
      if (other !== null && takes(other)) return other
    }
    return null
  }
}

/** By the address that the client speaks to. */
class DestinationHash implements Scheduler {
  readonly name = 'dh'
  readonly #buckets = new Array<RealServer | null>(BUCKETS).fill(null)

  changed({ servers }: VirtualService): void {
    for (let i = 0; i < BUCKETS; i++) this.#buckets[i] = servers.length === 0 ? null : servers[i % servers.length]
  }

  choose(_service: VirtualService, _source: Ipv4, _sourcePort: number, destination: Ipv4): RealServer | null {
    const server = this.#buckets[hash8(destination)]
    return server !== null && takes(server) ? server : null
  }
}

const makers: Readonly<Record<string, (world: World) => Scheduler>> = {
  rr: () => new RoundRobin(),
  wrr: () => new WeightedRoundRobin(),
  lc: () => new LeastConnections(),
  wlc: () => new WeightedLeastConnections(),
  sed: () => new ShortestDelay(),
  nq: () => new NeverQueue(),
  fo: () => new Failover(),
  ovf: () => new Overflow(),
  sh: () => new SourceHash(),
  dh: () => new DestinationHash(),
  mh: () => new Maglev(),
  lblc: ({ scheduler }) => new LocalityLeastConnections(scheduler),
  lblcr: ({ scheduler }) => new LocalityWithReplication(scheduler),
  twos: ({ random }) => new PowerOfTwo(random),
}

/** Null: there is none of this name. */
export function makeScheduler(name: string, world: World): Scheduler | null {
  return Object.hasOwn(makers, name) ? makers[name](world) : null
}
