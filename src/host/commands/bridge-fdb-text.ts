/** The lines of `bridge fdb show` and `get`: what the kernel dumps for a device. */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { type Fdb, type FdbEntry, fdbVlan, formatFdbMac, UPDATED, USED } from '../../link/fdb.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { formatIpv4, formatMac, type Ipv4 } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { linkOf, namespaceOf, portOf } from './ip-device.ts'
import type { Json } from './ip-json.ts'

/** One line of the listing. */
export interface FdbLine {
  readonly mac: string
  readonly device: NetDevice
  readonly bridge: Bridge | null
  readonly destination: Ipv4 | null
  readonly netnsid: number | null
  /** 0: none. */
  readonly vlan: number
  readonly state: 'permanent' | 'static' | ''
  readonly flags: readonly string[]
  /** Seconds since it was last used to send, and since it was last heard; null where nobody counts. */
  readonly ages: readonly [used: number, updated: number] | null
}

interface Details {
  readonly device: boolean
  readonly statistics: boolean
}

export function lineText(line: FdbLine, { device, statistics }: Details): string {
  const parts = [line.mac]
  if (device) parts.push(`dev ${line.device.name}`)
  if (line.destination !== null) parts.push(`dst ${formatIpv4(line.destination)}`)
  if (line.vlan !== 0) parts.push(`vlan ${line.vlan}`)
  if (line.netnsid !== null) parts.push(`link-netnsid ${line.netnsid}`)
  if (statistics && line.ages !== null) parts.push(`used ${line.ages.join('/')}`)
  parts.push(...(line.bridge === null ? ['self'] : []), ...line.flags)
  if (line.bridge !== null) parts.push(`master ${line.bridge.name}`)
  return `${parts.join(' ')} ${line.state}\n`
}

export function lineJson(line: FdbLine, { device, statistics }: Details): Json {
  const ages = statistics ? line.ages : null
  return {
    mac: line.mac,
    ifname: device ? line.device.name : undefined,
    dst: line.destination === null ? undefined : formatIpv4(line.destination),
    vlan: line.vlan === 0 ? undefined : line.vlan,
    link_netnsid: line.netnsid ?? undefined,
    used: ages?.[0],
    updated: ages?.[1],
    flags: [...(line.bridge === null ? ['self'] : []), ...line.flags],
    master: line.bridge?.name,
    state: line.state,
  }
}

/** What the kernel dumps for one device: its bridge's entries for it, then its own. */
export function linesOf(context: IpContext, device: NetDevice): FdbLine[] {
  const { unicastFilter, groupFilter } = device.settings
  const macs = [...unicastFilter.map(formatMac), ...ownGroups(device), ...groupFilter.map(formatMac)]
  const own = macs.map((mac) => selfLine(device, mac))
  if (device instanceof VxlanDevice) own.push(...tunnelLines(context, device))
  if (device instanceof Bridge) return [...own, ...portLines(context, device, device, null)]
  const port = portOf(device)
  return port === null ? own : [...portLines(context, port.bridge, device, port), ...own]
}

function selfLine(device: NetDevice, mac: string): FdbLine {
  const nothing = { bridge: null, destination: null, netnsid: null, vlan: 0, flags: [], ages: null }
  return { mac, device, ...nothing, state: 'permanent' }
}

/** The multicast groups that an Ethernet device listens to, on a host without IPv6; an interface that is up joins more. */
export function ownGroups(device: NetDevice): string[] {
  if (device.kind === 'loopback' || device instanceof VxlanDevice) return []
  if (!device.up) return ['33:33:00:00:00:01']
  if (!(device instanceof Bridge)) return ['33:33:00:00:00:01', '01:00:5e:00:00:01']
  // Bridges hear about other multicast routers (224.0.0.106) for their snooping.
  return ['33:33:00:00:00:01', '01:00:5e:00:00:6a', '33:33:00:00:00:6a', '01:00:5e:00:00:01']
}

export function isAlive<Port>(fdb: Fdb<Port>, entry: FdbEntry<Port>, now: number): boolean {
  return entry.permanent || now - entry.times[UPDATED] < fdb.ageing
}

/** fdb_to_nud, for the states that are printed. */
function stateOf(entry: FdbEntry<unknown>): FdbLine['state'] {
  if (entry.local) return 'permanent'
  return entry.permanent && !entry.externLearn ? 'static' : ''
}

function flagsOf(entry: FdbEntry<unknown>): string[] {
  return [...(entry.externLearn ? ['extern_learn'] : []), ...(entry.sticky ? ['sticky'] : [])]
}

function agesOf(entry: FdbEntry<unknown>, now: number): [number, number] {
  const age = (which: number) => Math.floor((now - entry.times[which]) / SECOND)
  return [age(USED), age(UPDATED)]
}

/** The latest foremost (fdb_create); the port's own address, which was there first, last. */
export function portLines(context: IpContext, bridge: Bridge, device: NetDevice, port: BridgePort | null): FdbLine[] {
  const now = context.self.now()
  const own = (entry: FdbEntry<unknown>) => Number(entry.local && !entry.byHand)
  return bridge.fdb
    .entries()
    .filter((entry) => entry.port === port && isAlive(bridge.fdb, entry, now))
    .sort((a, b) => own(a) - own(b) || b.serial - a.serial)
    .map((entry) => portLine(bridge, device, entry, now))
}

export function portLine(bridge: Bridge, device: NetDevice, entry: FdbEntry<unknown>, now: number): FdbLine {
  return {
    mac: formatFdbMac(entry),
    device,
    bridge,
    destination: null,
    netnsid: null,
    vlan: fdbVlan(entry),
    state: stateOf(entry),
    flags: flagsOf(entry),
    ages: agesOf(entry, now),
  }
}

function tunnelLines(context: IpContext, device: VxlanDevice): FdbLine[] {
  const now = context.self.now()
  return device.fdb
    .entries()
    .filter((entry) => isAlive(device.fdb, entry, now))
    .map((entry) => tunnelLine(device, entry, now))
}

export function tunnelLine(device: VxlanDevice, entry: FdbEntry<Ipv4>, now: number): FdbLine {
  const here = namespaceOf(device)
  return {
    mac: formatFdbMac(entry),
    device,
    bridge: null,
    destination: entry.port,
    netnsid: here === null ? null : (linkOf(device, here)?.netnsid ?? null),
    vlan: 0,
    state: entry.permanent ? (entry.byHand && !entry.local ? 'static' : 'permanent') : '',
    flags: flagsOf(entry),
    ages: agesOf(entry, now),
  }
}
