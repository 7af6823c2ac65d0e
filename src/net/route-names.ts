/** The names that iproute2 has for the numbers of routes: rt_protos, rt_scopes, rt_dsfield, rt_tables. */
import type { RouteProtocol, RouteScope } from './route.ts'

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
