/** Which route is meant by whom a route is to be deleted (fib_table_delete and fib_nh_match). */
import type { NetDevice } from '../link/device.ts'
import type { Cidr, Ipv4 } from '../wire/address.ts'
import { scopeNumber } from './device-address.ts'
import { gatewayOf, hopsOf, type Route, type RouteProtocol, type RouteScope, type RouteType } from './route.ts'

interface HopQuery {
  readonly gateway: Ipv4 | null
  readonly device: NetDevice | null
}

/** What was not said is null and may be anything. */
export interface RouteQuery extends HopQuery {
  readonly destination: Cidr
  /** Always said. */
  readonly tos: number
  readonly type: RouteType | null
  readonly scope: RouteScope | null
  readonly protocol: RouteProtocol | null
  /** Null or 0. */
  readonly metric: number | null
  readonly source: Ipv4 | null
  readonly mtu: number | null
  readonly hops: readonly HopQuery[] | null
}

export function isMeant(each: Route, query: RouteQuery): boolean {
  const { destination, type, scope, source, protocol, metric, mtu } = query
  if (each.destination.network !== destination.network || each.destination.prefix !== destination.prefix) return false
  if (each.tos !== query.tos) return false
  if (type !== null && each.type !== type) return false
  if (scope !== null && scopeNumber(each.scope) !== scopeNumber(scope)) return false
  if (source !== null && each.source !== source) return false
  if (protocol !== null && each.protocol !== protocol) return false
  if (metric !== null && metric !== 0 && each.metric !== metric) return false
  return hasHops(each, query) && (mtu === null || each.mtu === mtu)
}

/** A gateway or device that is named is the first hop's; hops are compared one by one, but for weights. */
function hasHops(each: Route, query: RouteQuery): boolean {
  const hops = hopsOf(each)
  const wanted = query.hops
  if (query.device !== null || query.gateway !== null) return isHop(hops[0], query)
  return wanted === null || hops.every((hop, i) => i < wanted.length && isHop(hop, wanted[i]))
}

function isHop(hop: Route, { gateway, device }: HopQuery): boolean {
  return (device === null || hop.device === device) && (gateway === null || gatewayOf(hop) === gateway)
}
