/** `bridge fdb add`, `append`, `replace` and `del` (rtnl_fdb_add, rtnl_fdb_del). */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import { VLAN_MAX } from '../../link/bridge-vlan.ts'
import type { NetDevice } from '../../link/device.ts'
import type { FdbState } from '../../link/fdb.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { formatMac, type Ipv4, type Mac, sameMac, tryParseMac } from '../../wire/address.ts'
import { ownGroups } from './bridge-fdb-text.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice, portOf } from './ip-device.ts'
import { notModelled, refused, ToolError, takeAddress, type Words } from './ip-words.ts'

type Verb = 'add' | 'append' | 'replace'

interface GivenEntry {
  readonly mac: Mac
  readonly device: NetDevice
  readonly destination: Ipv4 | null
  /** 0: none was named. */
  readonly vlan: number
  readonly master: boolean
  readonly self: boolean
  /** NUD_PERMANENT, NUD_NOARP, NUD_REACHABLE. */
  readonly kind: 'permanent' | 'static' | 'dynamic'
  readonly sticky: boolean
  readonly externLearn: boolean
  readonly use: boolean
  /** Words that only a tunnel's entries have. */
  readonly tunnel: readonly string[]
}

/** sscanf takes single digits too. */
export function takeStation(text: string): Mac {
  const octets = text.split(':').map((octet) => octet.padStart(2, '0'))
  const mac = tryParseMac(octets.join(':'))
  if (mac === null) throw new ToolError(`Invalid mac address ${text}`, 255)
  return mac
}

export function takeVlan(words: Words): number {
  const text = words.take()
  const vlan = /^[0-9]+$/.test(text) ? Number(text) : -1
  if (vlan < 0 || vlan > VLAN_MAX) throw new ToolError('Error: invalid vlan id.', 255)
  return vlan
}

function takeEntry(context: IpContext, words: Words): GivenEntry {
  let text: string | null = null
  let name: string | null = null
  let destination: Ipv4 | null = null
  let vlan = 0
  let kind: GivenEntry['kind'] = 'permanent'
  const said = new Set<string>()
  const tunnel: string[] = []
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') name = words.take()
    else if (word === 'dst') destination = takeAddress(words)
    else if (word === 'vlan') vlan = takeVlan(words)
    else if (word === 'static' || word === 'temp') kind = 'static'
    else if (word === 'dynamic') kind = 'dynamic'
    else if (word === 'local' || word === 'permanent') kind = 'permanent'
    else if (['self', 'master', 'sticky', 'extern_learn', 'use', 'router'].includes(word)) said.add(word)
    else if (word === 'nhid' || word === 'src_vni') throw notModelled(`bridge fdb ${word}`)
    else if (word === 'port' || word === 'vni' || word === 'via') {
      tunnel.push(word)
      if (word === 'via') findDevice(context.netns, words.take(), 255)
      else words.take()
    } else {
      const station = word === 'to' ? words.take() : word
      if (text !== null) throw new ToolError(`Error: either "to" is duplicate, or "${station}" is a garbage.`, 255)
      text = station
    }
  }
  if (name === null || text === null) throw new ToolError('Device and address are required arguments.', 255)
  if (said.has('router')) tunnel.push('router')
  return {
    mac: takeStation(text),
    device: findDevice(context.netns, name, 255),
    destination,
    vlan,
    master: said.has('master'),
    // Without a word for it, the device's own list is meant.
    self: said.has('self') || !said.has('master'),
    kind,
    sticky: said.has('sticky'),
    externLearn: said.has('extern_learn'),
    use: said.has('use'),
    tunnel,
  }
}

function invalid(): ToolError {
  return refused('Invalid argument', 255)
}

function unsupported(): ToolError {
  return refused('Operation not supported', 255)
}

export function addFdbEntry(context: IpContext, words: Words, verb: Verb): number {
  const given = takeEntry(context, words)
  const { device } = given
  if (device.kind === 'loopback') throw new ToolError('Error: FDB add only supported for Ethernet devices.', 255)
  const now = context.self.now()
  if (given.master) {
    const port = portOf(device)
    if (port === null) throw unsupported()
    addToBridge(port.bridge, port, given, verb, now)
  }
  if (!given.self) return 0
  if (device instanceof Bridge) addToBridge(device, null, given, verb, now)
  else if (device instanceof VxlanDevice) addToTunnel(device, given, verb, now)
  else addToFilter(device, given)
  return 0
}

/** br_fdb_add: into the VLANs of the port as well, where these are told apart. */
function addToBridge(bridge: Bridge, port: BridgePort | null, given: GivenEntry, verb: Verb, now: number): void {
  const { mac, vlan, kind, sticky, externLearn, use } = given
  if (isZero(mac)) throw invalid()
  // An entry for the bridge itself is its own.
  if (port === null && kind !== 'permanent') throw invalid()
  const group = (port ?? bridge).vlans
  if (vlan !== 0 && (!bridge.vlanFiltering || !group.has(vlan))) throw invalid()
  const vlans = vlan !== 0 ? [vlan] : [0, ...(bridge.vlanFiltering ? group.list() : [])]
  for (const each of vlans) {
    const known = bridge.fdb.lookup(mac, 0, now, each)
    if (use) {
      if (port?.forwarding) bridge.fdb.learn(mac, 0, port, now, each)
      continue
    }
    if (!externLearn) {
      if (sticky && kind === 'permanent') throw invalid()
      if (known !== null && verb === 'add') throw refused('File exists', 255)
    }
    const state: FdbState = externLearn
      ? { local: port === null, static: false, sticky: false, externLearn }
      : { local: kind === 'permanent', static: kind === 'static', sticky, externLearn }
    bridge.fdb.put(mac, port, each, now, state)
  }
}

/** vxlan_fdb_add. */
function addToTunnel(device: VxlanDevice, given: GivenEntry, verb: Verb, now: number): void {
  const { mac, destination, kind, tunnel } = given
  if (destination === null) throw invalid()
  if (tunnel.length > 0) throw notModelled(`bridge fdb ${tunnel[0]}`)
  if (given.sticky || given.externLearn)
    throw notModelled(`bridge fdb ${given.sticky ? 'sticky' : 'extern_learn'} of a tunnel`)
  const known = device.fdb.lookup(mac, 0, now)
  if (known !== null && verb === 'add') throw refused('File exists', 255)
  if (known !== null && verb === 'append' && known.port !== destination) {
    throw notModelled('bridge fdb append of a second destination')
  }
  if (isZero(mac)) throw notModelled('bridge fdb with a default destination')
  const state = { local: kind === 'permanent', static: kind === 'static', sticky: false, externLearn: false }
  const made = device.fdb.put(mac, destination, 0, now, state)
  // What was set by hand is not moved by what is heard (vxlan_snoop).
  made.fixed = kind !== 'dynamic'
}

/** ndo_dflt_fdb_add: the addresses that a device lets in besides its own. Ours let in everything. */
function addToFilter(device: NetDevice, given: GivenEntry): void {
  if (given.kind !== 'permanent' || given.vlan !== 0) throw invalid()
  const list = filterOf(device, given.mac)
  if (list.some((mac) => sameMac(mac, 0, given.mac, 0))) throw refused('File exists', 255)
  list.push(given.mac)
}

function filterOf({ settings }: NetDevice, mac: Mac): Mac[] {
  return (mac[0] & 1) === 0 ? settings.unicastFilter : settings.groupFilter
}

export function deleteFdbEntry(context: IpContext, words: Words): number {
  const given = takeEntry(context, words)
  const { device, mac } = given
  if (device.kind === 'loopback') throw new ToolError('Error: FDB delete only supported for Ethernet devices.', 255)
  const now = context.self.now()
  if (given.master) {
    const port = portOf(device)
    if (port === null) throw unsupported()
    deleteFromBridge(port.bridge, port, given, now)
  }
  if (!given.self) return 0
  if (device instanceof Bridge) deleteFromBridge(device, null, given, now)
  else if (device instanceof VxlanDevice) {
    const found = device.fdb.lookup(mac, 0, now)
    if (found === null || (given.destination !== null && found.port !== given.destination)) throw missing()
    device.fdb.delete(mac)
  } else deleteFromFilter(device, given)
  return 0
}

/** br_fdb_delete: without a VLAN, of all of them. */
function deleteFromBridge(bridge: Bridge, port: BridgePort | null, given: GivenEntry, now: number): void {
  const { mac, vlan } = given
  const vlans = vlan !== 0 ? [vlan] : [0, ...(bridge.vlanFiltering ? (port ?? bridge).vlans.list() : [])]
  const found = vlans.filter((each) => bridge.fdb.lookup(mac, 0, now, each)?.port === port)
  if (found.length === 0) throw missing()
  for (const each of found) bridge.fdb.delete(mac, each)
}

function deleteFromFilter(device: NetDevice, given: GivenEntry): void {
  if (given.kind !== 'permanent') throw invalid()
  const list = filterOf(device, given.mac)
  const at = list.findIndex((mac) => sameMac(mac, 0, given.mac, 0))
  if (at >= 0) list.splice(at, 1)
  else if (ownGroups(device).includes(formatMac(given.mac)))
    throw notModelled('bridge fdb del of a group that the host itself joined')
  else throw missing()
}

function missing(): ToolError {
  return refused('No such file or directory', 255)
}

function isZero(mac: Mac): boolean {
  return mac.every((byte) => byte === 0)
}
