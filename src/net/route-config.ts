/**
 * From what somebody asks for to a route (fib_create_info and fib_check_nh of net/ipv4/fib_semantics.c): a gateway must
 * be a neighbour by a route that is there already, a device must be up.
 */
import type { NetDevice } from '../link/device.ts'
import { ANY, type Cidr, type Ipv4 } from '../wire/address.ts'
import { scopeNumber } from './device-address.ts'
import type { Errno } from './errno.ts'
import { NextHops } from './multipath.ts'
import type { Namespace } from './namespace.ts'
import { type Route, type RouteProtocol, type RouteScope, type RouteType, route } from './route.ts'
import { Flow, TABLE_MAIN } from './rules.ts'

/** struct rtnexthop: one of the ways. */
export interface HopConfig {
  readonly gateway: Ipv4 | null
  readonly device: NetDevice | null
  readonly onlink: boolean
  readonly weight: number
}

/** struct fib_config. */
export interface RouteConfig {
  readonly type: RouteType
  readonly destination: Cidr
  readonly table: number
  readonly tos: number
  readonly scope: RouteScope
  readonly protocol: RouteProtocol
  readonly metric: number
  readonly source: Ipv4 | null
  readonly mtu: number
  readonly mtuLocked: boolean
  readonly gateway: Ipv4 | null
  readonly device: NetDevice | null
  readonly onlink: boolean
  /** The hops of a multipath route. */
  readonly hops: readonly HopConfig[] | null
}

/** Why there is no route: an error number, and the kernel's sentence where it has one (extack). */
export interface Refusal {
  readonly errno: Errno
  readonly reason: string | null
}

const SCOPE_LINK = 253
const SCOPE_HOST = 254

/** RT_SCOPE_* that a type is at least as narrow as (fib_props). */
const narrowest: Partial<Record<RouteType, number>> = { local: SCOPE_HOST, broadcast: SCOPE_LINK }

export function isRefusal(made: Route | Refusal): made is Refusal {
  return 'errno' in made
}

function refuse(errno: Errno, reason: string | null = null): Refusal {
  return { errno, reason }
}

export function makeRoute(netns: Namespace, config: RouteConfig): Route | Refusal {
  const { type, hops } = config
  const scope = scopeNumber(config.scope)
  if ((narrowest[type] ?? 0) > scope) return refuse('EINVAL', 'Invalid scope')
  if (hops !== null) {
    const mismatch = contradiction(config, hops[0])
    if (mismatch !== null) return mismatch
  }
  if (type === 'blackhole' || type === 'unreachable' || type === 'prohibit' || type === 'throw') {
    if (config.gateway !== null || config.device !== null || hops !== null)
      return refuse('EINVAL', 'Gateway, device and multipath can not be specified for this route type')
    return sourced(netns, config, plain(config, null, null))
  }
  if (scope > SCOPE_HOST) return refuse('EINVAL', 'Invalid scope')
  if (scope === SCOPE_HOST) {
    if (hops !== null && hops.length > 1)
      return refuse('EINVAL', 'Route with host scope can not have multiple nexthops')
    const { gateway, device } = hops?.[0] ?? config
    if (gateway !== null) return refuse('EINVAL', 'Route with host scope can not have a gateway')
    if (device === null) return refuse('ENODEV')
    return sourced(netns, config, plain(config, null, device))
  }
  if (hops === null || hops.length === 1) {
    const made = checked(netns, config, hops?.[0] ?? config)
    return isRefusal(made) ? made : sourced(netns, config, made)
  }
  const ways: Route[] = []
  for (const each of hops) {
    const way = checked(netns, config, each)
    if (isRefusal(way)) return way
    ways.push(way)
  }
  const multipath = new NextHops(
    ways,
    hops.map((each) => each.weight),
  )
  return sourced(netns, config, { ...plain(config, null, null), multipath })
}

/** fib_get_nhs: what is said of the whole route must be true of its first hop. */
function contradiction(config: RouteConfig, first: HopConfig): Refusal | null {
  if (config.device !== null && config.device !== first.device)
    return refuse('EINVAL', 'Nexthop device index does not match RTA_OIF')
  if (config.gateway !== null && config.gateway !== first.gateway)
    return refuse('EINVAL', 'Nexthop gateway does not match RTA_GATEWAY or RTA_VIA')
  return null
}

function sourced(netns: Namespace, config: RouteConfig, made: Route): Route | Refusal {
  const { source } = config
  const own = config.type === 'local' && source === config.destination.network
  if (source !== null && !own && netns.addressType(source) !== 'LOCAL')
    return refuse('EINVAL', 'Invalid prefsrc address')
  return made
}

function plain(config: RouteConfig, gateway: Ipv4 | null, device: NetDevice | null): Route {
  const { type, destination, tos, source, scope, protocol, metric, mtu, mtuLocked } = config
  return route({ type, destination, tos, source, scope, protocol, metric, mtu, mtuLocked, gateway, device })
}

/** fib_check_nh. */
function checked(netns: Namespace, config: RouteConfig, hop: Omit<HopConfig, 'weight'>): Route | Refusal {
  const { gateway, device, onlink } = hop
  if (gateway === null) {
    if (onlink) return refuse('EINVAL', 'Invalid flags for nexthop - PERVASIVE and ONLINK can not be set')
    if (device === null) return refuse('ENODEV')
    return device.up ? plain(config, null, device) : refuse('ENETDOWN', 'Device for nexthop is not up')
  }
  if (onlink) {
    if (scopeNumber(config.scope) >= SCOPE_LINK) return refuse('EINVAL', 'Nexthop has invalid scope')
    if (device === null) return refuse('ENODEV', 'Nexthop device required for onlink')
    if (!device.up) return refuse('ENETDOWN', 'Nexthop device is not up')
    if (netns.addressType(gateway) !== 'UNICAST') return refuse('EINVAL', 'Nexthop has invalid gateway')
    return { ...plain(config, gateway, device), onlink }
  }
  const way = wayTo(netns, gateway, device, config)
  if (way === null) return refuse('ENETUNREACH', 'Nexthop has invalid gateway')
  if (way.type !== 'unicast' && way.type !== 'local') return refuse('EINVAL', 'Nexthop has invalid gateway')
  const out = way.device ?? way.multipath?.hops[0].device ?? null
  if (out === null) return refuse('ENODEV', 'No egress device for nexthop gateway')
  if (!out.up) return refuse('ENETDOWN')
  // A gateway that is ourselves is no gateway: its scope is host, and only one of scope link is sent to.
  if (scopeNumber(way.scope) > SCOPE_LINK) return { ...plain(config, null, out), ownGateway: gateway }
  return plain(config, gateway, out)
}

/** The route to a gateway: from the same table, else as any packet would go. It must be of a narrower scope. */
function wayTo(netns: Namespace, gateway: Ipv4, device: NetDevice | null, config: RouteConfig): Route | null {
  const scope = Math.max(scopeNumber(config.scope) + 1, SCOPE_LINK)
  if (config.table !== TABLE_MAIN) {
    const found = netns.fib.existing(config.table)?.lookup(gateway, device, 0, scope) ?? null
    if (found !== null && found.type !== 'throw') return found
  }
  const flow = new Flow()
  flow.destination = gateway
  flow.source = ANY
  flow.input = netns.loopback
  flow.output = device
  flow.scope = scope
  return netns.fib.resolve(flow)
}
