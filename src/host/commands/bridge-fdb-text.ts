/** The lines of `bridge fdb show` and `get`: what the kernel dumps for a device. */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { type Fdb, type FdbEntry, UPDATED } from '../../link/fdb.ts'
import { bridgeFdbLine, type FdbDetails, type FdbLine, fdbLineText, tunnelFdbLine } from '../../link/fdb-text.ts'
import { outerNetnsid } from '../../net/lower-link.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { formatIpv4, formatMac, type Ipv4 } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { portOf } from './ip-device.ts'
import type { Json } from './ip-json.ts'

export function lineText(line: FdbLine, details: FdbDetails): string {
  return `${fdbLineText(line, details)}\n`
}

export function lineJson(line: FdbLine, { device, statistics }: FdbDetails): Json {
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

/** The latest foremost (fdb_create); the port's own address, which was there first, last. */
export function portLines(context: IpContext, bridge: Bridge, device: NetDevice, port: BridgePort | null): FdbLine[] {
  const now = context.self.now()
  const own = (entry: FdbEntry<unknown>) => Number(entry.local && !entry.byHand)
  return bridge.fdb
    .entries()
    .filter((entry) => entry.port === port && isAlive(bridge.fdb, entry, now))
    .sort((a, b) => own(a) - own(b) || b.serial - a.serial)
    .map((entry) => bridgeFdbLine(bridge, device, entry, now))
}

function tunnelLines(context: IpContext, device: VxlanDevice): FdbLine[] {
  const now = context.self.now()
  return device.fdb
    .entries()
    .filter((entry) => isAlive(device.fdb, entry, now))
    .map((entry) => tunnelLine(device, entry, now))
}

export function tunnelLine(device: VxlanDevice, entry: FdbEntry<Ipv4>, now: number): FdbLine {
  return tunnelFdbLine(device, entry, entry.port, outerNetnsid(device), now)
}
