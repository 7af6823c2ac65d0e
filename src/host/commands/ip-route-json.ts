/** One route as `ip -j route` prints it; as text it is net/route-text.ts's. */
import type { Netns } from '../../net/netns.ts'
import { gatewayOf, type Route } from '../../net/route.ts'
import { dsfieldText, protocolText, scopeText } from '../../net/route-names.ts'
import { type Omitted, prefixText, routeFlags } from '../../net/route-text.ts'
import { formatIpv4 } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import type { Json } from './ip-json.ts'

export function routeJson(context: IpContext, route: Route, omitted: Omitted = {}): Json {
  const { details, netns } = context
  const gateway = omitted.gateway ? null : gatewayOf(route)
  return {
    type: route.type !== 'unicast' || details ? route.type : undefined,
    dst: prefixText(route.destination),
    tos: route.tos === 0 || omitted.tos ? undefined : dsfieldText(route.tos),
    gateway: gateway === null ? undefined : formatIpv4(gateway),
    dev: omitted.device ? undefined : route.device?.name,
    table: omitted.table,
    protocol: (route.protocol !== 'boot' || details) && !omitted.protocol ? protocolText(route.protocol) : undefined,
    scope: (route.scope !== 'global' || details) && !omitted.scope ? scopeText(route.scope) : undefined,
    prefsrc: route.source === null || omitted.source ? undefined : formatIpv4(route.source),
    metric: route.metric === 0 || omitted.metric ? undefined : route.metric,
    flags: [...routeFlags(netns.fib, route, false)],
    metrics: route.mtu > 0 ? [{ mtu: route.mtu }] : undefined,
    nexthops: hopsJson(netns, route),
  }
}

function hopsJson(netns: Netns, { multipath }: Route): Json | undefined {
  return multipath?.hops.map((hop, i) => {
    const gateway = gatewayOf(hop)
    return {
      gateway: gateway === null ? undefined : formatIpv4(gateway),
      dev: hop.device?.name,
      weight: multipath.weights[i],
      flags: [...routeFlags(netns.fib, hop, multipath.dead[i])],
    }
  })
}
