/**
 * Routes, and the table that holds them (net/ipv4/fib_trie.c): longest prefix first; of one prefix first what asks for
 * a TOS, then the lowest metric. A table is a list in that order; the namespace keeps a cache in front of it, so a
 * look-up that misses may cost a short scan.
 */
import type { NetDevice } from '../link/device.ts'
import { configurationChanged } from '../link/flow-cache.ts'
import { type Cidr, type Ipv4, mask } from '../wire/address.ts'
import { type AddressScope, scopeNumber } from './device-address.ts'
import { HostRoutes } from './host-routes.ts'

/** `throw` ends the search in its table: the next rule is asked. */
export type RouteType = 'unicast' | 'local' | 'broadcast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'
export type RouteScope = AddressScope
/** Who made the route: `kernel`, `boot` (a plain `ip route add`), `static`, or a number of rt_protos. */
export type RouteProtocol = 'kernel' | 'boot' | 'static' | number

export interface Route {
  readonly type: RouteType
  readonly destination: Cidr
  readonly gateway: Ipv4 | null
  readonly device: NetDevice | null
  /** Only packets with this TOS (its three bits of RFC 1349, as the kernel compares them) go by it; 0: any. */
  readonly tos: number
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
  /** A gateway that is an address of this host: only listings name it, what is sent goes straight to the link. */
  readonly ownGateway: Ipv4 | null
  /** The next hops of a route that has more than one: then `gateway` and `device` are null, and a flow's hash chooses. */
  readonly multipath: Multipath | null
}

/** The next hops of a route that has more than one; the class is in multipath.ts. */
export interface Multipath {
  /** Each as a route of its own, which a packet then goes by. */
  readonly hops: readonly Route[]
  /** A hop's share of the flows, from 1 to 256. */
  readonly weights: readonly number[]
  /** RTNH_F_DEAD: the hop's device is down, or speaks no IPv4. */
  readonly dead: readonly boolean[]
  /** Shares the hashes anew. `sourceBy` is what a hop's device would have us send from. */
  balance(judge: HopJudge, sourceBy: (hop: Route) => Ipv4): void
  /** fib_sync_down_dev: the hops by the device are dead. True when no hop is alive any more. */
  kill(device: NetDevice): boolean
  /** fib_sync_up: they live again. */
  revive(device: NetDevice): void
  /** Does any hop leave by the device? */
  uses(device: NetDevice): boolean
  /** The first hop that a packet could take, by this device if one is named (fib_lookup_good_nhc); null: there is none. */
  first(output: NetDevice | null, judge: HopJudge): Route | null
  /**
   * fib_select_multipath: the hop that owns the hash (31 bits). One whose device has the source address, which is ANY
   * for what is forwarded, comes before it. `avoids` passes over hops that the neighbour table knows to be silent; null
   * when nobody is to be asked.
   */
  select(hash: number, source: number, avoids: ((hop: Route) => boolean) | null): Route | null
  equals(other: Multipath): boolean
}

/** What choosing asks of the namespace. */
export interface HopJudge {
  /** Is the device without carrier, and told to ignore routes then (ignore_routes_with_linkdown)? */
  unusable(device: NetDevice): boolean
}

/** A route with everything that is not said at its default. */
export function route(fields: Partial<Route> & { readonly destination: Cidr }): Route {
  return {
    type: fields.type ?? 'unicast',
    destination: fields.destination,
    gateway: fields.gateway ?? null,
    device: fields.device ?? null,
    tos: fields.tos ?? 0,
    source: fields.source ?? null,
    scope: fields.scope ?? 'global',
    protocol: fields.protocol ?? 'boot',
    metric: fields.metric ?? 0,
    onlink: fields.onlink ?? false,
    mtu: fields.mtu ?? 0,
    mtuLocked: fields.mtuLocked ?? false,
    ownGateway: fields.ownGateway ?? null,
    multipath: fields.multipath ?? null,
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
  /** `replaced`: it took another's place (NLM_F_REPLACE). */
  route(route: Route, table: string, gone: boolean): void
}

/** What a table's look-ups depend on, and who depends on them. */
export interface RouteTableHost extends HopJudge {
  /** The routes are others now. */
  changed(): void
  /** A multipath route is to be used from now on. */
  balance(multipath: Multipath): void
}

/** What NLM_F_EXCL, _REPLACE, _APPEND and _CREATE of a request come to, in the words of ip(8). */
export type InsertMode = 'add' | 'change' | 'replace' | 'append' | 'prepend'

/** Puts routes into a table that everybody may rely on, and that nobody has asked for yet. */
export interface RouteSupplier {
  /** Somebody asks for this destination. */
  supply(destination: Ipv4): void
  /** Somebody looks at the whole table, or changes it. */
  all(): void
}

export class RouteTable {
  readonly id: number
  /** How many routes ask for a TOS. */
  tosRoutes = 0
  /** How many have more than one next hop. */
  multipathRoutes = 0
  /** Those to everywhere, in their order. */
  defaults: readonly Route[] = []
  #routes: Route[] = []
  readonly #hosts = new HostRoutes()
  #indexed = false
  #host: RouteTableHost
  /** Null: the table is what it holds. */
  supplier: RouteSupplier | null = null
  /** Hears of routes that come and go; null while nobody wants to know. */
  listener: RouteListener | null = null

  constructor(id: number, host: RouteTableHost) {
    this.id = id
    this.#host = host
  }

  /** Its name in rt_tables, or its number. */
  get name(): string {
    return tableNames.get(this.id) ?? String(this.id)
  }

  /** False when a route to the same destination with the same TOS and metric is there already (EEXIST). */
  add(added: Route): boolean {
    return this.insert(added, 'add') === null
  }

  /** `ip route replace`. */
  replace(added: Route): void {
    this.insert(added, 'replace')
  }

  /** Behind those of the same destination, TOS and metric, which go on being used first. False: the very same is there. */
  append(added: Route): boolean {
    return this.insert(added, 'append') === null
  }

  /** fib_table_insert. */
  insert(added: Route, mode: InsertMode): 'EEXIST' | 'ENOENT' | null {
    this.supplier?.supply(added.destination.network)
    const first = this.#placeOf(added)
    const found = first < this.#routes.length && sameKey(this.#routes[first], added)
    let place = first
    if (found) {
      if (mode === 'add') return 'EEXIST'
      const match = this.#twin(added, first)
      if (mode === 'replace' || mode === 'change') {
        if (match >= 0) return match === first ? null : 'EEXIST'
        this.#drop(this.#routes[first])
        this.#put(added, first, 1)
        return null
      }
      if (match >= 0) return 'EEXIST'
      if (mode === 'append') while (place < this.#routes.length && sameKey(this.#routes[place], added)) place++
    } else if (mode === 'change') return 'ENOENT'
    this.#put(added, place, 0)
    return null
  }

  /** Removes what matches; says how many. */
  remove(matches: (route: Route) => boolean): number {
    this.supplier?.all()
    const gone = this.#routes.filter(matches)
    this.#purge(gone)
    for (const each of gone) this.listener?.route(each, this.name, true)
    return gone.length
  }

  /** The same without telling anybody (fib_table_flush): what goes because its device did. */
  purge(matches: (route: Route) => boolean): number {
    this.supplier?.all()
    const gone = this.#routes.filter(matches)
    this.#purge(gone)
    return gone.length
  }

  /**
   * fib_table_lookup. With a device named, only what leaves by it counts; `scope` is the widest that will do, see
   * Flow.scope.
   */
  lookup(destination: Ipv4, output: NetDevice | null = null, tos = 0, scope = 0): Route | null {
    if (this.supplier !== null) this.supplier.supply(destination)
    const routes = this.#routes
    const hosts = this.#hosts
    if (!this.#indexed) {
      this.#indexed = true
      hosts.build(routes)
    }
    for (let i = hosts.first(destination); i >= 0; i = hosts.after(i)) {
      if (routes[i].destination.network === destination && this.#suits(routes[i], output, tos, scope)) return routes[i]
    }
    for (let i = hosts.count; i < routes.length; i++) {
      const { network, prefix } = routes[i].destination
      if ((destination & mask(prefix)) === network && this.#suits(routes[i], output, tos, scope)) return routes[i]
    }
    return null
  }

  #suits(each: Route, output: NetDevice | null, tos: number, scope: number): boolean {
    if (each.tos !== 0 && each.tos !== (tos & TOS_MASK)) return false
    if (scope !== 0 && scopeNumber(each.scope) < scope) return false
    if (each.multipath !== null) return each.multipath.first(output, this.#host) !== null
    const { device } = each
    if (device === null) return true
    if (output !== null && device !== output) return false
    return each.type === 'local' || scope !== 0 || !this.#host.unusable(device)
  }

  /** All that lead there, in the order in which a look-up sees them. */
  covering(destination: Ipv4): Route[] {
    this.supplier?.supply(destination)
    return this.#routes.filter(({ destination: { network, prefix } }) => (destination & mask(prefix)) === network)
  }

  includes(route: Route): boolean {
    return this.#routes.includes(route)
  }

  /** The routes with more than one next hop. */
  multipaths(): Multipath[] {
    return this.#routes.flatMap((each) => (each.multipath === null ? [] : [each.multipath]))
  }

  /** In the order in which the kernel dumps: by network, of one network longer prefixes first. */
  list(): readonly Route[] {
    this.supplier?.all()
    return [...this.#routes].sort(
      (a, b) =>
        (a.destination.network >>> 0) - (b.destination.network >>> 0) || b.destination.prefix - a.destination.prefix,
    )
  }

  /** fib_find_alias: where the first route of this key stands, or where it would. */
  #placeOf(added: Route): number {
    const { network, prefix } = added.destination
    if (prefix === 32 && !this.#hosts.has(network)) return this.#hosts.size
    const at = this.#routes.findIndex((r) => {
      if (r.destination.prefix !== prefix) return r.destination.prefix < prefix
      if (r.destination.network !== network) return false
      return r.tos <= added.tos && (r.metric >= added.metric || r.tos < added.tos)
    })
    if (at >= 0 && this.#routes[at].destination.prefix === prefix) return at
    let end = at < 0 ? this.#routes.length : at
    for (let i = 0; i < end; i++) if (this.#routes[i].destination.prefix < prefix) end = i
    return end
  }

  /** The very same route among those of its key; -1: there is none. */
  #twin(added: Route, first: number): number {
    for (let i = first; i < this.#routes.length && sameKey(this.#routes[i], added); i++) {
      if (sameRoute(this.#routes[i], added)) return i
    }
    return -1
  }

  #put(added: Route, at: number, replaced: number): void {
    this.#routes.splice(at, replaced, added)
    this.#hosts.came(added)
    if (added.tos !== 0) this.tosRoutes++
    if (added.multipath !== null) {
      this.multipathRoutes++
      this.#host.balance(added.multipath)
    }
    this.#changed(added.destination.prefix === 0)
    this.listener?.route(added, this.name, false)
  }

  #purge(gone: readonly Route[]): void {
    if (gone.length === 0) return
    const doomed = new Set(gone)
    this.#routes = this.#routes.filter((each) => !doomed.has(each))
    for (const each of gone) this.#drop(each)
    this.#changed(true)
  }

  /** `wide`: a route to everywhere may have come or gone. */
  #changed(wide: boolean): void {
    this.#indexed = false
    if (wide) this.defaults = this.#routes.filter(({ destination }) => destination.prefix === 0)
    this.#host.changed()
  }

  #drop(gone: Route): void {
    this.#hosts.went(gone)
    if (gone.tos !== 0) this.tosRoutes--
    if (gone.multipath !== null) this.multipathRoutes--
  }
}

/** What of a TOS chooses routes (INET_DSCP_LEGACY_TOS_MASK). */
export const TOS_MASK = 0x1c

function sameKey(a: Route, b: Route): boolean {
  return (
    a.destination.network === b.destination.network &&
    a.destination.prefix === b.destination.prefix &&
    a.tos === b.tos &&
    a.metric === b.metric
  )
}

/** Equal in all that makes a route (fib_info), with the key already known to be. */
function sameRoute(a: Route, b: Route): boolean {
  if (a.type !== b.type || a.protocol !== b.protocol || a.source !== b.source) return false
  if (scopeNumber(a.scope) !== scopeNumber(b.scope) || a.mtu !== b.mtu || a.mtuLocked !== b.mtuLocked) return false
  if (a.multipath === null || b.multipath === null) return a.multipath === b.multipath && sameHop(a, b)
  return a.multipath.equals(b.multipath)
}

/** nh_comp, but for the weight. */
export function sameHop(a: Route, b: Route): boolean {
  return a.device === b.device && a.gateway === b.gateway && a.ownGateway === b.ownGateway && a.onlink === b.onlink
}

/** All its ways; the first is the one that interfaces older than multipath routes know. */
export function hopsOf(each: Route): readonly Route[] {
  return each.multipath?.hops ?? [each]
}

/** The gateway as it was given. */
export function gatewayOf(hop: Route): Ipv4 | null {
  return hop.gateway ?? hop.ownGateway
}

const SLOTS = 256
/** What caches have that remember nothing yet. */
const NOWHERE = new Int32Array(SLOTS)
const NO_ROUTES: (Route | null)[] = new Array<Route | null>(SLOTS).fill(null)

/** Answers look-ups from a direct-mapped table of the last destinations; emptied by every change. */
export class RouteCache {
  #destinations = NOWHERE
  #routes = NO_ROUTES

  get(destination: Ipv4): Route | null {
    const slot = slotOf(destination)
    return this.#destinations[slot] === destination ? this.#routes[slot] : null
  }

  set(destination: Ipv4, found: Route): void {
    if (this.#routes === NO_ROUTES) {
      this.#destinations = new Int32Array(SLOTS)
      this.#routes = new Array<Route | null>(SLOTS).fill(null)
    }
    const slot = slotOf(destination)
    this.#destinations[slot] = destination
    this.#routes[slot] = found
  }

  clear(): void {
    configurationChanged()
    if (this.#routes !== NO_ROUTES) this.#routes.fill(null)
  }
}

function slotOf(destination: Ipv4): number {
  return (destination ^ (destination >>> 8) ^ (destination >>> 16)) & (SLOTS - 1)
}
