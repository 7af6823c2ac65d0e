/**
 * Routing tables (net/ipv4/fib_trie.c, fib_frontend.c): longest prefix, then lowest metric. A table is a list
 * in that order; the namespace keeps a cache in front of it, so a look-up that misses may cost a short scan.
 */
import type { NetDevice } from '../link/device.ts'
import { type Cidr, formatCidr, type Ipv4, mask } from '../wire/address.ts'

/** `throw` ends the search in its table: the next rule is asked. */
export type RouteType = 'unicast' | 'local' | 'broadcast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'
export type RouteScope = 'global' | 'link' | 'host'
/** Who made the route: `kernel`, `boot` (a plain `ip route add`), `static`, or a number of rt_protos. */
export type RouteProtocol = 'kernel' | 'boot' | 'static' | number

export interface Route {
  readonly type: RouteType
  readonly destination: Cidr
  readonly gateway: Ipv4 | null
  readonly device: NetDevice | null
  /** Preferred source address. */
  readonly source: Ipv4 | null
  readonly scope: RouteScope
  readonly protocol: RouteProtocol
  readonly metric: number
  /** The gateway is reachable on the device, whatever its address (flannel's routes). */
  readonly onlink: boolean
  /** 0: the device's. */
  readonly mtu: number
  readonly mtuLocked: boolean
}

/** A route with everything that is not said at its default. */
export function route(fields: Partial<Route> & { readonly destination: Cidr }): Route {
  return {
    type: fields.type ?? 'unicast',
    destination: fields.destination,
    gateway: fields.gateway ?? null,
    device: fields.device ?? null,
    source: fields.source ?? null,
    scope: fields.scope ?? 'global',
    protocol: fields.protocol ?? 'boot',
    metric: fields.metric ?? 0,
    onlink: fields.onlink ?? false,
    mtu: fields.mtu ?? 0,
    mtuLocked: fields.mtuLocked ?? false,
  }
}

const ANYWHERE: Cidr = { network: 0 as Ipv4, prefix: 0 }
/** What rules say that refuse a packet without asking a table. */
export const BLACKHOLE = route({ type: 'blackhole', destination: ANYWHERE })
export const PROHIBITED = route({ type: 'prohibit', destination: ANYWHERE })

const tableNames = new Map<number, string>([
  [253, 'default'],
  [254, 'main'],
  [255, 'local'],
])

export interface RouteListener {
  route(route: Route, table: string, gone: boolean): void
}

export class RouteTable {
  readonly id: number
  #routes: Route[] = []
  #changed: () => void
  /** Hears of routes that come and go; null while nobody wants to know. */
  listener: RouteListener | null = null

  constructor(id: number, changed: () => void) {
    this.id = id
    this.#changed = changed
  }

  /** Its name in rt_tables, or its number. */
  get name(): string {
    return tableNames.get(this.id) ?? String(this.id)
  }

  /** False when a route to the same destination with the same metric and type is there already (EEXIST). */
  add(added: Route): boolean {
    const twin = (r: Route) => sameKey(r, added) && (this.id !== 255 || r.device === added.device)
    if (this.#routes.some(twin)) return false
    this.#insert(added)
    return true
  }

  /** `ip route append`: behind routes of the same destination and metric, which go on being used first. */
  append(added: Route): void {
    this.#insert(added)
  }

  /** `ip route replace`. */
  replace(added: Route): void {
    this.#routes = this.#routes.filter((r) => !sameKey(r, added))
    this.#insert(added)
  }

  /** Removes what matches; says how many. */
  remove(matches: (route: Route) => boolean): number {
    if (this.listener !== null) for (const r of this.#routes) if (matches(r)) this.listener.route(r, this.name, true)
    return this.purge(matches)
  }

  /** The same without telling anybody (fib_table_flush): what goes because its device did. */
  purge(matches: (route: Route) => boolean): number {
    const before = this.#routes.length
    this.#routes = this.#routes.filter((r) => !matches(r))
    if (this.#routes.length !== before) this.#changed()
    return before - this.#routes.length
  }

  /** With a device named, only what leaves by it counts. */
  lookup(destination: Ipv4, output: NetDevice | null = null): Route | null {
    const routes = this.#routes
    for (let i = 0; i < routes.length; i++) {
      const { network, prefix } = routes[i].destination
      if ((destination & mask(prefix)) !== network) continue
      if (output === null || routes[i].device === null || routes[i].device === output) return routes[i]
    }
    return null
  }

  /** In the order in which `ip route show` prints: by network, longer prefixes first, the default route before all. */
  list(): readonly Route[] {
    return [...this.#routes].sort(
      (a, b) =>
        (a.destination.network >>> 0) - (b.destination.network >>> 0) ||
        Number(b.destination.prefix === 0) - Number(a.destination.prefix === 0) ||
        b.destination.prefix - a.destination.prefix ||
        a.metric - b.metric,
    )
  }

  #insert(added: Route): void {
    const at = this.#routes.findIndex(
      (r) =>
        r.destination.prefix < added.destination.prefix ||
        (r.destination.prefix === added.destination.prefix && r.metric > added.metric),
    )
    this.#routes.splice(at < 0 ? this.#routes.length : at, 0, added)
    this.#changed()
    this.listener?.route(added, this.name, false)
  }
}

function sameKey(a: Route, b: Route): boolean {
  return (
    a.destination.network === b.destination.network &&
    a.destination.prefix === b.destination.prefix &&
    a.metric === b.metric &&
    (a.type === b.type || (a.type !== 'broadcast' && b.type !== 'broadcast'))
  )
}

/** `10.244.2.0/24 via 10.244.2.0 dev flannel.1`, short: for explanations, not the layout of `ip route`. */
export function describeRoute(found: Route): string {
  return `${found.type} ${formatCidr(found.destination)}${found.device === null ? '' : ` dev ${found.device.name}`}`
}

/** Answers look-ups from a direct-mapped table of the last destinations; emptied by every change. */
export class RouteCache {
  #destinations = new Int32Array(256)
  #routes: (Route | null)[] = new Array<Route | null>(256).fill(null)

  get(destination: Ipv4): Route | null {
    const slot = slotOf(destination)
    return this.#destinations[slot] === destination ? this.#routes[slot] : null
  }

  set(destination: Ipv4, found: Route): void {
    const slot = slotOf(destination)
    this.#destinations[slot] = destination
    this.#routes[slot] = found
  }

  clear(): void {
    this.#routes.fill(null)
  }
}

function slotOf(destination: Ipv4): number {
  return (destination ^ (destination >>> 8) ^ (destination >>> 16)) & 255
}
