/** `bridge fdb`: which MAC is behind which port, or behind which VTEP. */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { type Fdb, type FdbEntry, fdbVlan, formatFdbMac } from '../../link/fdb.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { formatIpv4, type Ipv4, type Mac, tryParseMac } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice, linkOf, namespaceOf, portOf } from './ip-device.ts'
import { formatJson, type Json } from './ip-json.ts'
import { abbreviation, notModelled, refused, ToolError, takeAddress, type Words } from './ip-words.ts'

/** One line of the listing. */
interface FdbLine {
  readonly mac: string
  readonly device: NetDevice
  readonly bridge: Bridge | null
  readonly destination: Ipv4 | null
  readonly netnsid: number | null
  /** 0: none. */
  readonly vlan: number
  readonly state: 'permanent' | 'static' | ''
  /** Seconds since it was last heard of; null where nobody counts. */
  readonly age: number | null
}

export function bridgeFdb(context: IpContext, words: Words): number {
  if (words.done) return showFdb(context, words)
  const verb = words.take()
  switch (abbreviation(verb, 'add', 'append', 'replace', 'delete', 'get', 'show', 'lst', 'list', 'flush', 'help')) {
    case 'show':
    case 'lst':
    case 'list':
      return showFdb(context, words)
    case 'add':
      return addEntry(context, words, 'add')
    case 'append':
      return addEntry(context, words, 'append')
    case 'replace':
      return addEntry(context, words, 'replace')
    case 'delete':
      return deleteEntry(context, words)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "bridge fdb help".`, 255)
    default:
      throw notModelled(`bridge fdb ${verb}`)
  }
}

function showFdb(context: IpContext, words: Words): number {
  const { self, netns } = context
  let device: NetDevice | null = null
  let bridge: Bridge | null = null
  let dynamic = false
  while (!words.done) {
    const word = words.take()
    if (word === 'dynamic') dynamic = true
    else if (word === 'br') bridge = takeBridge(context, words.take())
    else if (word === 'state' || word === 'vlan') throw notModelled(`bridge fdb show ${word}`)
    else device = findDevice(netns, word === 'dev' || word === 'brport' ? words.take() : word, 255)
  }
  const shown: FdbLine[] = []
  for (const each of [...netns.devices.values()].sort((a, b) => a.index - b.index)) {
    if (device !== null && each !== device) continue
    if (bridge !== null && each !== bridge && each.master !== bridge) continue
    for (const line of linesOf(context, each)) if (!dynamic || line.state === '') shown.push(line)
  }
  if (context.json)
    self.out(
      formatJson(
        shown.map((line) => lineJson(line, device === null)),
        context.pretty,
      ),
    )
  else for (const line of shown) self.out(lineText(line, device === null, context.statistics > 0))
  return 0
}

function takeBridge(context: IpContext, name: string): Bridge {
  const found = context.netns.devices.get(name)
  if (!(found instanceof Bridge)) throw new ToolError(`Cannot find bridge device "${name}"`, 255)
  return found
}

function lineText(line: FdbLine, withDevice: boolean, statistics: boolean): string {
  const parts = [line.mac]
  if (withDevice) parts.push(`dev ${line.device.name}`)
  if (line.destination !== null) parts.push(`dst ${formatIpv4(line.destination)}`)
  if (line.vlan !== 0) parts.push(`vlan ${line.vlan}`)
  if (line.netnsid !== null) parts.push(`link-netnsid ${line.netnsid}`)
  if (statistics && line.age !== null) parts.push(`used ${line.age}/${line.age}`)
  parts.push(line.bridge === null ? 'self' : `master ${line.bridge.name}`)
  return `${parts.join(' ')} ${line.state}\n`
}

function lineJson(line: FdbLine, withDevice: boolean): Json {
  return {
    mac: line.mac,
    ifname: withDevice ? line.device.name : undefined,
    dst: line.destination === null ? undefined : formatIpv4(line.destination),
    vlan: line.vlan === 0 ? undefined : line.vlan,
    link_netnsid: line.netnsid ?? undefined,
    flags: line.bridge === null ? ['self'] : [],
    master: line.bridge?.name,
    state: line.state,
  }
}

/** What the kernel dumps for one device: its bridge's entries for it, then its own. */
function linesOf(context: IpContext, device: NetDevice): FdbLine[] {
  const own = ownGroups(device).map((mac) => selfLine(device, mac))
  if (device instanceof VxlanDevice) own.push(...tunnelLines(context, device))
  if (device instanceof Bridge) return [...own, ...portLines(context, device, device, null)]
  const port = portOf(device)
  return port === null ? own : [...portLines(context, port.bridge, device, port), ...own]
}

function selfLine(device: NetDevice, mac: string): FdbLine {
  return { mac, device, bridge: null, destination: null, netnsid: null, vlan: 0, state: 'permanent', age: null }
}

/** The multicast groups that an Ethernet device listens to, on a host without IPv6; an interface that is up joins more. */
function ownGroups(device: NetDevice): string[] {
  if (device.kind === 'loopback' || device instanceof VxlanDevice) return []
  if (!device.up) return ['33:33:00:00:00:01']
  if (!(device instanceof Bridge)) return ['33:33:00:00:00:01', '01:00:5e:00:00:01']
  // Bridges hear about other multicast routers (224.0.0.106) for their snooping.
  return ['33:33:00:00:00:01', '01:00:5e:00:00:6a', '33:33:00:00:00:6a', '01:00:5e:00:00:01']
}

function isAlive<Port>(fdb: Fdb<Port>, entry: FdbEntry<Port>, now: number): boolean {
  return entry.permanent || now - entry.updated[0] < fdb.ageing
}

function stateOf(entry: FdbEntry<unknown>): 'permanent' | 'static' | '' {
  if (entry.local) return 'permanent'
  return entry.permanent ? 'static' : ''
}

/** Learnt entries first, the latest foremost; the port's own address last. */
function portLines(context: IpContext, bridge: Bridge, device: NetDevice, port: BridgePort | null): FdbLine[] {
  const now = context.self.now()
  return bridge.fdb
    .entries()
    .filter((entry) => entry.port === port && isAlive(bridge.fdb, entry, now))
    .sort((a, b) => Number(a.local) - Number(b.local) || b.updated[0] - a.updated[0])
    .map((entry) => ({
      mac: formatFdbMac(entry),
      device,
      bridge,
      destination: null,
      netnsid: null,
      vlan: fdbVlan(entry),
      state: stateOf(entry),
      age: Math.floor((now - entry.updated[0]) / SECOND),
    }))
}

function tunnelLines(context: IpContext, device: VxlanDevice): FdbLine[] {
  const now = context.self.now()
  const here = namespaceOf(device)
  const netnsid = here === null ? null : (linkOf(device, here)?.netnsid ?? null)
  return device.fdb
    .entries()
    .filter((entry) => isAlive(device.fdb, entry, now))
    .map((entry) => ({
      mac: formatFdbMac(entry),
      device,
      bridge: null,
      destination: entry.port,
      netnsid,
      vlan: 0,
      state: entry.permanent ? 'permanent' : '',
      age: entry.permanent ? null : Math.floor((now - entry.updated[0]) / SECOND),
    }))
}

interface GivenEntry {
  readonly mac: Mac
  readonly device: NetDevice
  readonly destination: Ipv4 | null
  readonly master: boolean
  readonly kind: 'permanent' | 'static' | 'dynamic'
}

function takeEntry(context: IpContext, words: Words): GivenEntry {
  let text: string | null = null
  let name: string | null = null
  let destination: Ipv4 | null = null
  let master = false
  let kind: GivenEntry['kind'] = 'permanent'
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') name = words.take()
    else if (word === 'dst') destination = takeAddress(words)
    else if (word === 'master') master = true
    else if (word === 'static' || word === 'temp') kind = 'static'
    else if (word === 'dynamic') kind = 'dynamic'
    else if (
      ['vni', 'port', 'via', 'src_vni', 'vlan', 'router', 'use', 'sticky', 'extern_learn', 'nhid'].includes(word)
    ) {
      throw notModelled(`bridge fdb ${word}`)
    } else if (word !== 'self' && word !== 'local' && word !== 'permanent') {
      if (text !== null) throw new ToolError(`Error: either "to" is duplicate, or "${word}" is a garbage.`, 255)
      text = word
    }
  }
  if (name === null || text === null) throw new ToolError('Device and address are required arguments.', 255)
  // sscanf takes single digits too.
  const mac = tryParseMac(
    text
      .split(':')
      .map((octet) => octet.padStart(2, '0'))
      .join(':'),
  )
  if (mac === null) throw new ToolError(`Invalid mac address ${text}`, 255)
  return { mac, device: findDevice(context.netns, name, 255), destination, master, kind }
}

function isZero(mac: Mac): boolean {
  return mac.every((byte) => byte === 0)
}

function addEntry(context: IpContext, words: Words, how: 'add' | 'append' | 'replace'): number {
  const given = takeEntry(context, words)
  const { mac, device } = given
  const now = context.self.now()
  if (given.master) {
    const port = portOf(device)
    if (port === null) throw refused('Operation not supported', 255)
    const { fdb } = port.bridge
    if (how === 'add' && fdb.lookup(mac, 0, now) !== null) throw refused('File exists', 255)
    if (given.kind === 'dynamic') fdb.learn(mac, 0, port, now)
    else fdb.add(mac, port, given.kind === 'permanent')
    return 0
  }
  if (!(device instanceof VxlanDevice)) throw notModelled('bridge fdb add without master on a device that is no tunnel')
  if (given.destination === null) throw refused('Invalid argument', 255)
  const known = device.fdb.lookup(mac, 0, now)
  if (known !== null && how === 'add') throw refused('File exists', 255)
  if (known !== null && how === 'append' && known.port !== given.destination) {
    throw notModelled('bridge fdb append of a second destination')
  }
  if (isZero(mac)) throw notModelled('bridge fdb with a default destination')
  if (given.kind === 'dynamic') device.fdb.learn(mac, 0, given.destination, now)
  else device.fdb.add(mac, given.destination)
  return 0
}

function deleteEntry(context: IpContext, words: Words): number {
  const { mac, device, destination, master } = takeEntry(context, words)
  if (device.kind === 'loopback') throw new ToolError('Error: FDB delete only supported for Ethernet devices.', 255)
  const now = context.self.now()
  if (master) {
    const port = portOf(device)
    if (port === null) throw refused('Operation not supported', 255)
    const found = port.bridge.fdb.lookup(mac, 0, now)
    if (found === null || found.port !== port) throw refused('No such file or directory', 255)
    port.bridge.fdb.delete(mac)
    return 0
  }
  const found = device instanceof VxlanDevice ? device.fdb.lookup(mac, 0, now) : null
  if (found === null || (destination !== null && found.port !== destination)) {
    throw refused('No such file or directory', 255)
  }
  if (device instanceof VxlanDevice) device.fdb.delete(mac)
  return 0
}
