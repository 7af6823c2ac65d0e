/** One route as `ip route` prints it. */
import type { Netns } from '../../net/netns.ts'
import { gatewayOf, type Route, type RouteProtocol, type RouteScope } from '../../net/route.ts'
import { formatIpv4 } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import type { Json } from './ip-json.ts'
import { prefixText } from './ip-words.ts'

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

/** rt_protos. */
const protocolNames = new Map<number, string>([
  [0, 'unspec'],
  [1, 'redirect'],
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [8, 'gated'],
  [9, 'ra'],
  [10, 'mrt'],
  [11, 'zebra'],
  [12, 'bird'],
  [13, 'dnrouted'],
  [14, 'xorp'],
  [15, 'ntk'],
  [16, 'dhcp'],
  [18, 'keepalived'],
  [42, 'babel'],
  [99, 'openr'],
  [186, 'bgp'],
  [187, 'isis'],
  [188, 'ospf'],
  [189, 'rip'],
  [192, 'eigrp'],
])

/** By name where there is one. */
export function protocolText(protocol: RouteProtocol): string {
  return typeof protocol === 'number' ? (protocolNames.get(protocol) ?? String(protocol)) : protocol
}

/** Null for a word that is neither a name nor a number. */
export function protocolOf(text: string): RouteProtocol | null {
  const number = numberOf(text, protocolNames)
  if (number === 2) return 'kernel'
  if (number === 3) return 'boot'
  return number === 4 ? 'static' : number
}

const scopeNames = new Map<number, string>([
  [0, 'global'],
  [255, 'nowhere'],
  [254, 'host'],
  [253, 'link'],
  [200, 'site'],
])

export function scopeText(scope: RouteScope): string {
  return typeof scope === 'number' ? (scopeNames.get(scope) ?? String(scope)) : scope
}

/** Null for a word that is neither a name nor a number. */
export function scopeOf(text: string): RouteScope | null {
  const number = numberOf(text, scopeNames)
  const name = number === null ? undefined : scopeNames.get(number)
  return name === 'global' || name === 'link' || name === 'host' ? name : number
}

/** rt_dsfield. */
const dsfieldNames = new Map<number, string>([
  [0x00, 'default'],
  [0x28, 'AF11'],
  [0x30, 'AF12'],
  [0x38, 'AF13'],
  [0x48, 'AF21'],
  [0x50, 'AF22'],
  [0x58, 'AF23'],
  [0x68, 'AF31'],
  [0x70, 'AF32'],
  [0x78, 'AF33'],
  [0x88, 'AF41'],
  [0x90, 'AF42'],
  [0x98, 'AF43'],
  [0x20, 'CS1'],
  [0x40, 'CS2'],
  [0x60, 'CS3'],
  [0x80, 'CS4'],
  [0xa0, 'CS5'],
  [0xc0, 'CS6'],
  [0xe0, 'CS7'],
  [0xb8, 'EF'],
])

export function dsfieldText(tos: number): string {
  return dsfieldNames.get(tos) ?? `0x${tos.toString(16).padStart(2, '0')}`
}

/** A name, or a number in base 16; null for another word. */
export function dsfieldOf(text: string): number | null {
  for (const [number, name] of dsfieldNames) if (name === text) return number
  const number = /^(0x)?[0-9a-f]+$/i.test(text) ? Number.parseInt(text, 16) : 256
  return number > 255 ? null : number
}

/** One byte, by name or in base 8, 10 or 16; null for another word. */
function numberOf(text: string, names: ReadonlyMap<number, string>): number | null {
  for (const [number, name] of names) if (name === text) return number
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return null
  const number = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text)
  return number > 255 ? null : number
}

/** A hop by a device without carrier is marked, and dead for whoever ignores such routes. What is local never leaves. */
function flagsOf(netns: Netns, route: Route, dead: boolean): string[] {
  const { device } = route
  const linkDown = dead || (route.type !== 'local' && device !== null && device.up && !device.carrier)
  const ignored = linkDown && device !== null && netns.fib.unusable(device)
  return [...(dead || ignored ? ['dead'] : []), ...(route.onlink ? ['onlink'] : []), ...(linkDown ? ['linkdown'] : [])]
}

/** A line, and one more for each hop of a multipath route; all of them in one with -o. */
export function routeText(context: IpContext, route: Route, omitted: Omitted = {}): string {
  const { details, netns } = context
  const parts: string[] = []
  if (route.type !== 'unicast' || details) parts.push(route.type)
  parts.push(prefixText(route.destination, formatIpv4))
  if (route.tos !== 0 && !omitted.tos) parts.push(`tos ${dsfieldText(route.tos)}`)
  const gateway = gatewayOf(route)
  if (gateway !== null && !omitted.gateway) parts.push(`via ${formatIpv4(gateway)}`)
  if (route.device !== null && !omitted.device) parts.push(`dev ${route.device.name}`)
  if (omitted.table !== undefined) parts.push(`table ${omitted.table}`)
  if ((route.protocol !== 'boot' || details) && !omitted.protocol) parts.push(`proto ${protocolText(route.protocol)}`)
  if ((route.scope !== 'global' || details) && !omitted.scope) parts.push(`scope ${scopeText(route.scope)}`)
  if (route.source !== null && !omitted.source) parts.push(`src ${formatIpv4(route.source)}`)
  if (route.metric !== 0 && !omitted.metric) parts.push(`metric ${route.metric}`)
  parts.push(...flagsOf(netns, route, false))
  if (route.mtu > 0) parts.push(`mtu ${route.mtuLocked ? 'lock ' : ''}${route.mtu}`)
  const end = context.oneline ? '\\' : '\n'
  return [`${parts.join(' ')} `, ...hopLines(netns, route)].join(end)
}

function hopLines(netns: Netns, { multipath }: Route): string[] {
  if (multipath === null) return []
  return multipath.hops.map((hop, i) => {
    const gateway = gatewayOf(hop)
    const via = gateway === null ? '' : `via ${formatIpv4(gateway)} `
    const flags = flagsOf(netns, hop, multipath.dead[i]).map((flag) => `${flag} `)
    return `\tnexthop ${via}dev ${hop.device?.name} weight ${multipath.weights[i]} ${flags.join('')}`
  })
}

export function routeJson(context: IpContext, route: Route, omitted: Omitted = {}): Json {
  const { details, netns } = context
  const gateway = omitted.gateway ? null : gatewayOf(route)
  return {
    type: route.type !== 'unicast' || details ? route.type : undefined,
    dst: prefixText(route.destination, formatIpv4),
    tos: route.tos === 0 || omitted.tos ? undefined : dsfieldText(route.tos),
    gateway: gateway === null ? undefined : formatIpv4(gateway),
    dev: omitted.device ? undefined : route.device?.name,
    table: omitted.table,
    protocol: (route.protocol !== 'boot' || details) && !omitted.protocol ? protocolText(route.protocol) : undefined,
    scope: (route.scope !== 'global' || details) && !omitted.scope ? scopeText(route.scope) : undefined,
    prefsrc: route.source === null || omitted.source ? undefined : formatIpv4(route.source),
    metric: route.metric === 0 || omitted.metric ? undefined : route.metric,
    flags: flagsOf(netns, route, false),
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
      flags: flagsOf(netns, hop, multipath.dead[i]),
    }
  })
}

const tableNames = new Map<number, string>([
  [0, 'unspec'],
  [253, 'default'],
  [254, 'main'],
  [255, 'local'],
])

/** rt_tables: by name where there is one. */
export function tableText(id: number): string {
  return tableNames.get(id) ?? String(id)
}

/** The number of a table's name; 0 for all of them; null for a word that is neither a name nor a number. */
export function tableIdOf(text: string): number | null {
  if (text === 'all') return 0
  for (const [id, name] of tableNames) if (name === text) return id
  return /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) && Number(text) <= 0xffffffff ? Number(text) : null
}
