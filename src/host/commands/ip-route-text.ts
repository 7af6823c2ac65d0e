/** One route as `ip route` prints it. */
import type { Route, RouteProtocol } from '../../net/route.ts'
import { formatIpv4 } from '../../wire/address.ts'
import type { Json } from './ip-json.ts'
import { prefixText } from './ip-words.ts'

/** What a listing leaves out, because it asked for just that. */
export interface Omitted {
  readonly device?: boolean
  readonly protocol?: boolean
  readonly scope?: boolean
  readonly gateway?: boolean
  /** Say the table's name: listings of all tables do, for those that are not main. */
  readonly table?: string
}

const protocolNames = new Map<number, string>([
  [2, 'kernel'],
  [3, 'boot'],
  [4, 'static'],
  [11, 'zebra'],
  [12, 'bird'],
  [16, 'dhcp'],
  [18, 'keepalived'],
  [186, 'bgp'],
])

/** rt_protos: by name where there is one. */
export function protocolText(protocol: RouteProtocol): string {
  return typeof protocol === 'number' ? (protocolNames.get(protocol) ?? String(protocol)) : protocol
}

/** Null for a word that is neither a name nor a number. */
export function protocolOf(text: string): RouteProtocol | null {
  if (text === 'kernel' || text === 'boot' || text === 'static') return text
  for (const [number, name] of protocolNames) if (name === text) return number
  return /^[0-9]+$/.test(text) ? Number(text) : null
}

/** The routes by a device without carrier are marked; they go on being used. What is local never leaves. */
function isLinkDown(route: Route): boolean {
  return route.type !== 'local' && route.device !== null && route.device.up && !route.device.carrier
}

function flagsText(route: Route): string[] {
  return [...(route.onlink ? ['onlink'] : []), ...(isLinkDown(route) ? ['linkdown'] : [])]
}

export function routeText(route: Route, details: boolean, omitted: Omitted = {}): string {
  const parts: string[] = []
  if (route.type !== 'unicast' || details) parts.push(route.type)
  parts.push(prefixText(route.destination, formatIpv4))
  if (route.gateway !== null && !omitted.gateway) parts.push(`via ${formatIpv4(route.gateway)}`)
  if (route.device !== null && !omitted.device) parts.push(`dev ${route.device.name}`)
  if (omitted.table !== undefined) parts.push(`table ${omitted.table}`)
  if ((route.protocol !== 'boot' || details) && !omitted.protocol) parts.push(`proto ${protocolText(route.protocol)}`)
  if ((route.scope !== 'global' || details) && !omitted.scope) parts.push(`scope ${route.scope}`)
  if (route.source !== null) parts.push(`src ${formatIpv4(route.source)}`)
  if (route.metric !== 0) parts.push(`metric ${route.metric}`)
  parts.push(...flagsText(route))
  if (route.mtu > 0) parts.push(`mtu ${route.mtuLocked ? 'lock ' : ''}${route.mtu}`)
  return `${parts.join(' ')} `
}

export function routeJson(route: Route, details: boolean, omitted: Omitted = {}): Json {
  return {
    type: route.type !== 'unicast' || details ? route.type : undefined,
    dst: prefixText(route.destination, formatIpv4),
    gateway: route.gateway === null ? undefined : formatIpv4(route.gateway),
    dev: omitted.device ? undefined : route.device?.name,
    table: omitted.table,
    protocol: route.protocol !== 'boot' || details ? protocolText(route.protocol) : undefined,
    scope: route.scope !== 'global' || details ? route.scope : undefined,
    prefsrc: route.source === null ? undefined : formatIpv4(route.source),
    metric: route.metric === 0 ? undefined : route.metric,
    flags: flagsText(route),
    metrics: route.mtu > 0 ? [{ mtu: route.mtu }] : undefined,
  }
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
