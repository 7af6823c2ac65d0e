/**
 * The schedulers lblc and lblcr (ip_vs_lblc.c, ip_vs_lblcr.c), made for web caches: what goes to one address stays with
 * one server, or with a set of them that grows under load. A virtual service by firewall mark has many addresses; one by
 * address has one, and so one server until that has too much to do.
 */
import { type Scheduler as Clock, SECOND } from '../../sim/scheduler.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { leastByWeight, overhead } from './load.ts'
import type { RealServer, Scheduler, VirtualService } from './service.ts'

/** lblc_expiration and lblcr_expiration. */
const EXPIRATION = 24 * 3600 * SECOND
/** How long what was not used stays when the table is full. */
const FULL = 6 * 60 * SECOND
const MOST = 16 * 1024

/** More active connections than weight, while somebody has not half as many. */
function tooBusy({ active, weight }: RealServer, { servers }: VirtualService): boolean {
  if (active <= weight) return false
  for (let i = 0; i < servers.length; i++) if (servers[i].active * 2 < servers[i].weight) return true
  return false
}

/** What is known of one address. */
interface Entry {
  used: number
}

/**
 * What was used in the last day. The kernel looks each half hour for what is older, here it is asked when it is met.
 */
class Addresses<T extends Entry> {
  readonly #clock: Clock
  readonly #entries = new Map<Ipv4, T>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get now(): number {
    return this.#clock.now
  }

  find(address: Ipv4): T | null {
    const entry = this.#entries.get(address)
    if (entry === undefined || this.now - entry.used > EXPIRATION) return null
    entry.used = this.now
    return entry
  }

  set(address: Ipv4, entry: T): void {
    if (this.#entries.size >= MOST) {
      for (const [key, { used }] of this.#entries) if (this.now - used > FULL) this.#entries.delete(key)
    }
    this.#entries.set(address, entry)
  }
}

interface OneServer extends Entry {
  server: RealServer
}

export class LocalityLeastConnections implements Scheduler {
  readonly name = 'lblc'
  readonly #addresses: Addresses<OneServer>

  constructor(clock: Clock) {
    this.#addresses = new Addresses(clock)
  }

  changed(): void {}

  choose(service: VirtualService, _source: Ipv4, _sourcePort: number, destination: Ipv4): RealServer | null {
    const entry = this.#addresses.find(destination)
    if (entry !== null) {
      const { server } = entry
      if (server.available && server.weight > 0 && !tooBusy(server, service)) return server
    }
    const chosen = leastByWeight(service.servers)
    if (chosen === null) return null
    if (entry !== null) entry.server = chosen
    else this.#addresses.set(destination, { used: this.#addresses.now, server: chosen })
    return chosen
  }
}

interface SomeServers extends Entry {
  readonly servers: RealServer[]
  /** When one was added or taken away. */
  modified: number
}

export class LocalityWithReplication implements Scheduler {
  readonly name = 'lblcr'
  readonly #addresses: Addresses<SomeServers>

  constructor(clock: Clock) {
    this.#addresses = new Addresses(clock)
  }

  changed(): void {}

  choose(service: VirtualService, _source: Ipv4, _sourcePort: number, destination: Ipv4): RealServer | null {
    const { now } = this.#addresses
    const entry = this.#addresses.find(destination)
    if (entry === null) {
      const first = leastByWeight(service.servers)
      if (first !== null) this.#addresses.set(destination, { used: now, servers: [first], modified: now })
      return first
    }
    const least = leastByWeight(entry.servers)
    if (entry.servers.length > 1 && now - entry.modified > EXPIRATION) shrink(entry, now)
    if (least !== null && !tooBusy(least, service)) return least
    const chosen = leastByWeight(service.servers)
    if (chosen !== null && !entry.servers.includes(chosen)) {
      entry.servers.push(chosen)
      entry.modified = now
    }
    return chosen
  }
}

/** Without the one that has the most to do for its weight. */
function shrink(entry: SomeServers, now: number): void {
  const { servers } = entry
  let most = -1
  for (let i = 0; i < servers.length; i++) {
    if (servers[i].weight <= 0) continue
    if (most < 0 || overhead(servers[most]) * servers[i].weight < overhead(servers[i]) * servers[most].weight) most = i
  }
  if (most < 0) return
  servers.splice(most, 1)
  entry.modified = now
}
