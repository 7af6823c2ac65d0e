/** One route as `ip route` prints it. */
import { type Cidr, formatIpv4 } from '../wire/address.ts'
import { gatewayOf, type HopJudge, type Route } from './route.ts'
import { dsfieldText, protocolText, scopeText } from './route-names.ts'

/** What a listing leaves out, because it asked for just that. */
export interface Omitted {
  readonly device?: boolean
  readonly protocol?: boolean
  readonly scope?: boolean
  readonly gateway?: boolean
  readonly source?: boolean
  readonly tos?: boolean
  readonly metric?: boolean
  /** Say the table's name: listings of all tables do, for those that are not main. */
  readonly table?: string
}

/** How much a listing says, and in how many lines. */
export interface RouteStyle {
  readonly details: boolean
  /** -o. */
  readonly oneline: boolean
}

const PLAIN: RouteStyle = { details: false, oneline: false }

/** What a route's text says beside the route itself, and what may be another a moment later. */
export interface RouteState {
  readonly device: string | null
  readonly flags: readonly string[]
}

const NO_FLAGS: readonly string[] = []

/** A hop by a device without carrier is marked, and dead for whoever ignores such routes. What is local never leaves. */
export function routeFlags(judge: HopJudge, route: Route, dead: boolean): readonly string[] {
  const { device } = route
  const linkDown = dead || (route.type !== 'local' && device !== null && device.up && !device.carrier)
  if (!linkDown && !route.onlink) return NO_FLAGS
  const ignored = linkDown && device !== null && judge.unusable(device)
  return [...(dead || ignored ? ['dead'] : []), ...(route.onlink ? ['onlink'] : []), ...(linkDown ? ['linkdown'] : [])]
}

export function routeState(judge: HopJudge, route: Route): RouteState {
  return { device: route.device?.name ?? null, flags: routeFlags(judge, route, false) }
}

/** As iproute2 writes a destination: `default`, a host without its 32. */
export function prefixText({ network, prefix }: Cidr): string {
  if (prefix === 0) return 'default'
  return prefix === 32 ? formatIpv4(network) : `${formatIpv4(network)}/${prefix}`
}

/** A line, and one more for each hop of a multipath route; all of them in one with -o. */
export function routeText(judge: HopJudge, route: Route, style = PLAIN, omitted: Omitted = {}): string {
  const line = routeLine(route, routeState(judge, route), style.details, omitted)
  const end = style.oneline ? '\\' : '\n'
  return [`${line} `, ...hopLines(judge, route)].join(end)
}

/** The first line, without the space at its end. */
export function routeLine(route: Route, state: RouteState, details = false, omitted: Omitted = {}): string {
  const parts: string[] = []
  if (route.type !== 'unicast' || details) parts.push(route.type)
  parts.push(prefixText(route.destination))
  if (route.tos !== 0 && !omitted.tos) parts.push(`tos ${dsfieldText(route.tos)}`)
  const gateway = gatewayOf(route)
  if (gateway !== null && !omitted.gateway) parts.push(`via ${formatIpv4(gateway)}`)
  if (state.device !== null && !omitted.device) parts.push(`dev ${state.device}`)
  if (omitted.table !== undefined) parts.push(`table ${omitted.table}`)
  if ((route.protocol !== 'boot' || details) && !omitted.protocol) parts.push(`proto ${protocolText(route.protocol)}`)
  if ((route.scope !== 'global' || details) && !omitted.scope) parts.push(`scope ${scopeText(route.scope)}`)
  if (route.source !== null && !omitted.source) parts.push(`src ${formatIpv4(route.source)}`)
  if (route.metric !== 0 && !omitted.metric) parts.push(`metric ${route.metric}`)
  parts.push(...state.flags)
  if (route.mtu > 0) parts.push(`mtu ${route.mtuLocked ? 'lock ' : ''}${route.mtu}`)
  return parts.join(' ')
}

function hopLines(judge: HopJudge, { multipath }: Route): string[] {
  if (multipath === null) return []
  return multipath.hops.map((hop, i) => `\t${hopLine(judge, hop, multipath.weights[i], multipath.dead[i])} `)
}

/** One hop of a multipath route, without the tabulator before it and the space behind. */
export function hopLine(judge: HopJudge, hop: Route, weight: number, dead: boolean): string {
  const gateway = gatewayOf(hop)
  const via = gateway === null ? '' : `via ${formatIpv4(gateway)} `
  const flags = routeFlags(judge, hop, dead).map((flag) => ` ${flag}`)
  return `nexthop ${via}dev ${hop.device?.name} weight ${weight}${flags.join('')}`
}
