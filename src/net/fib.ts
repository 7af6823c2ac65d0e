/**
 * How a namespace finds the way for a packet (net/ipv4/fib_frontend.c, route.c): routing tables by number, the
 * rules that choose among them, what ICMP taught about single destinations, and a cache in front of it all.
 *
 * Without rules of its own a namespace asks local, main and default, and the answer depends on the destination
 * alone, so it is cached by that. With rules every packet asks again.
 */
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { Loopback } from '../link/loopback.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { RouteExceptions } from './exception.ts'
import { BLACKHOLE, PROHIBITED, type Route, RouteCache, type RouteListener, RouteTable } from './route.ts'
import { Flow, matches, type Rule, Rules, TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN } from './rules.ts'

/** What the look-up needs of its namespace. */
export interface FibHost {
  readonly loopback: Loopback
}

export class Fib {
  readonly local: RouteTable
  readonly main: RouteTable
  readonly rules: Rules
  readonly exceptions: RouteExceptions
  /** The table that the last look-up by rules ended in. */
  answeredBy = 0
  #default: RouteTable | null = null
  #host: FibHost
  #tables = new Map<number, RouteTable>()
  #cache = new RouteCache()
  #flow = new Flow()
  #listener: RouteListener | null = null

  constructor(host: FibHost, exceptions: RouteExceptions) {
    this.#host = host
    this.exceptions = exceptions
    this.rules = new Rules(() => this.#cache.clear())
    this.local = this.table(TABLE_LOCAL)
    this.main = this.table(TABLE_MAIN)
  }

  /** Forgets remembered answers: something that they depend on has changed. */
  changed(): void {
    this.#cache.clear()
  }

  /** The table of this number, which is there from now on. */
  table(id: number): RouteTable {
    let found = this.#tables.get(id)
    if (found === undefined) {
      found = new RouteTable(id, () => this.#cache.clear())
      found.listener = this.#listener
      this.#tables.set(id, found)
      if (id === TABLE_DEFAULT) this.#default = found
      this.#cache.clear()
    }
    return found
  }

  /** Null: nobody has put a route into it yet. */
  existing(id: number): RouteTable | null {
    return this.#tables.get(id) ?? null
  }

  /** In the order in which the kernel dumps them: by the low byte of their number. */
  tables(): RouteTable[] {
    return [...this.#tables.values()].sort((a, b) => (a.id & 255) - (b.id & 255) || b.id - a.id)
  }

  /** Takes routes out of all tables but local. */
  remove(doomed: (route: Route) => boolean): void {
    for (const table of this.#tables.values()) if (table !== this.local) table.remove(doomed)
  }

  /** The same without telling anybody: what goes because its device did. */
  purge(doomed: (route: Route) => boolean): void {
    for (const table of this.#tables.values()) if (table !== this.local) table.purge(doomed)
  }

  /** Who hears of routes that come and go; null: nobody. */
  listen(listener: RouteListener | null): void {
    this.#listener = listener
    for (const table of this.#tables.values()) table.listener = listener
  }

  /** Which way to a destination, for a question that names nothing else; null: network unreachable. */
  lookup(destination: Ipv4, source: Ipv4 = ANY): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    const flow = this.#flow
    flow.clear()
    flow.destination = destination
    flow.source = source
    flow.input = this.#host.loopback
    return this.find(flow)
  }

  /** The way of a packet that this host sends: frame.network is its header. ANY as source: the route chooses it. */
  output(frame: Frame, source: Ipv4, destination: Ipv4): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    return this.find(this.#flowOf(frame, source, destination, this.#host.loopback))
  }

  /** The way of a packet that came in. */
  input(frame: Frame, source: Ipv4, destination: Ipv4, input: NetDevice): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    return this.find(this.#flowOf(frame, source, destination, input))
  }

  /** The way back to where a packet came from; its mark counts if that is asked for. */
  reverse(frame: Frame, source: Ipv4, destination: Ipv4, withMark: boolean): Route | null {
    const known = this.#cache.get(source)
    if (known !== null) return known
    const flow = this.#flow
    flow.clear()
    flow.destination = source
    flow.source = destination
    flow.input = this.#host.loopback
    flow.mark = withMark ? frame.mark : 0
    return this.find(flow)
  }

  /** The answer for everything that is known of a packet. */
  find(flow: Flow): Route | null {
    const found = this.resolve(flow)
    if (found === null) return null
    return this.exceptions.redirects === 0 ? found : this.exceptions.redirected(found, flow.destination)
  }

  /** The route itself, before what ICMP taught. */
  resolve(flow: Flow): Route | null {
    if (this.rules.custom) return this.#byRules(flow)
    const { destination } = flow
    const found = this.#plain(destination, flow.output)
    if (found !== null && flow.output === null && this.exceptions.redirects === 0) this.#cache.set(destination, found)
    return found
  }

  #plain(destination: Ipv4, output: NetDevice | null): Route | null {
    let found = this.local.lookup(destination, output)
    this.answeredBy = TABLE_LOCAL
    if (found === null || found.type === 'throw') {
      found = this.main.lookup(destination, output)
      this.answeredBy = TABLE_MAIN
      if ((found === null || found.type === 'throw') && this.#default !== null) {
        found = this.#default.lookup(destination, output)
        this.answeredBy = TABLE_DEFAULT
      }
    }
    return found === null || found.type === 'throw' ? null : found
  }

  /** fib_rules_lookup. */
  #byRules(flow: Flow): Route | null {
    const rules = this.rules.list()
    for (let i = 0; i < rules.length; i++) {
      const each = rules[i]
      if (!matches(each, flow)) continue
      if (each.action === 'unreachable') return null
      if (each.action === 'blackhole') return BLACKHOLE
      if (each.action === 'prohibit') return PROHIBITED
      if (each.action === 'goto') {
        const target = rules.findIndex((other) => other.priority === each.target)
        if (target > i) i = target - 1
        continue
      }
      if (each.action === 'nop') continue
      const found = this.#inTable(each, flow)
      if (found !== null) return found
    }
    return null
  }

  #inTable(each: Rule, flow: Flow): Route | null {
    const found = this.#tables.get(each.table)?.lookup(flow.destination, flow.output) ?? null
    if (found === null || found.type === 'throw' || found.destination.prefix <= each.suppressPrefix) return null
    this.answeredBy = each.table
    return found
  }

  #flowOf(frame: Frame, source: Ipv4, destination: Ipv4, input: NetDevice): Flow {
    const { bytes, network: at, transport } = frame
    const flow = this.#flow
    flow.clear()
    flow.destination = destination
    flow.source = frame.sourceChosen ? ANY : source
    flow.mark = frame.mark
    flow.input = input
    flow.tos = ipv4.tos(bytes, at)
    flow.protocol = ipv4.protocol(bytes, at)
    const ported = flow.protocol === ipv4.IPPROTO_TCP || flow.protocol === ipv4.IPPROTO_UDP
    if (ported && ipv4.fragmentOffset(bytes, at) === 0 && transport + 4 <= frame.end) {
      flow.sourcePort = u16(bytes, transport)
      flow.destinationPort = u16(bytes, transport + 2)
    }
    return flow
  }
}
