/** `bridge fdb flush` (br_fdb_delete_bulk) and `bridge fdb get` (rtnl_fdb_get). */
import { Bridge } from '../../link/bridge.ts'
import { VLAN_MAX } from '../../link/bridge-vlan.ts'
import type { NetDevice } from '../../link/device.ts'
import { type FdbEntry, fdbVlan } from '../../link/fdb.ts'
import { bridgeFdbLine, type FdbLine } from '../../link/fdb-text.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import { takeStation, takeVlan } from './bridge-fdb-entry.ts'
import { lineJson, lineText, tunnelLine } from './bridge-fdb-text.ts'
import { FDB_USAGE } from './bridge-usage.ts'
import type { IpContext } from './ip-context.ts'
import { deviceNamed, findDevice, portOf } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { refused, ToolError, type Words } from './ip-words.ts'

/** What an entry must be, and what it must not be. */
type Test = (entry: FdbEntry<unknown>) => boolean

const isStatic: Test = (entry) => entry.permanent && !entry.externLearn

/** The bits of BR_FDB_*, as iproute2 6.1 asks for them; a local entry is static besides. */
const TESTS: Readonly<Record<string, readonly Test[]>> = {
  permanent: [(entry) => entry.local],
  nopermanent: [(entry) => !entry.local],
  static: [isStatic, (entry) => !entry.local],
  nostatic: [(entry) => !isStatic(entry)],
  dynamic: [(entry) => !isStatic(entry), (entry) => !entry.local],
  nodynamic: [isStatic],
  added_by_user: [(entry) => entry.byHand],
  noadded_by_user: [(entry) => !entry.byHand],
  extern_learn: [(entry) => entry.externLearn],
  noextern_learn: [(entry) => !entry.externLearn],
  sticky: [(entry) => entry.sticky],
  nosticky: [(entry) => !entry.sticky],
  offloaded: [() => false],
  nooffloaded: [],
}

/** Of these the last word counts: they are one field (ndm_state). */
const STATE_WORDS = ['permanent', 'nopermanent', 'static', 'nostatic', 'dynamic', 'nodynamic']

export function flushFdb(context: IpContext, words: Words): number {
  let device: NetDevice | null = null
  let portDevice: NetDevice | null = null
  let vlan: number | null = null
  let master = false
  let self = false
  let state: readonly Test[] = []
  const tests: Test[] = []
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') device = named(context, words.take(), 'bridge device')
    else if (word === 'brport') portDevice = named(context, words.take(), 'bridge port device')
    else if (word === 'vlan') vlan = takeFlushVlan(words)
    else if (word === 'master') master = true
    else if (word === 'self') self = true
    else if (STATE_WORDS.includes(word)) state = TESTS[word]
    else if (word in TESTS) tests.push(...TESTS[word])
    else if (word === 'help') words.take()
  }
  if (device === null) throw new ToolError('Device is a required argument.', 255)
  if (device.kind === 'loopback') throw new ToolError('Error: FDB delete only supported for Ethernet devices.', 255)
  const wanted = [...state, ...tests]
  const fits = (entry: FdbEntry<unknown>) =>
    (vlan === null || fdbVlan(entry) === vlan) && wanted.every((test) => test(entry))
  if (master) {
    const port = portOf(device)
    if (port === null) throw refused('Operation not supported', 255)
    port.bridge.fdb.flush((entry) => entry.port === port && fits(entry))
    if (!self) return 0
  }
  if (device instanceof VxlanDevice) device.fdb.flush(fits)
  else if (device instanceof Bridge) {
    const bridge = device
    const port = portDevice === null || portDevice === bridge ? null : bridge.portOf(portDevice)
    if (portDevice !== null && portDevice !== bridge && port === null) {
      throw new ToolError(
        `Error: bridge: ${portOf(portDevice) === null ? 'Flush device is not a bridge or bridge port' : 'Port belongs to a different bridge device'}.`,
        255,
      )
    }
    bridge.fdb.flush((entry) => (portDevice === null || entry.port === port) && fits(entry))
  } else throw refused('Operation not supported', 255)
  return 0
}

function named(context: IpContext, name: string, what: string): NetDevice {
  const device = deviceNamed(context.netns, name)
  if (device === null) throw new ToolError(`Cannot find ${what} "${name}"`, 255)
  return device
}

function takeFlushVlan(words: Words): number {
  const text = words.take()
  const vlan = /^[0-9]+$/.test(text) ? Number(text) : -1
  if (vlan < 0 || vlan > VLAN_MAX) throw new ToolError('Error: integer out of range.', 255)
  return vlan
}

export function getFdbEntry(context: IpContext, words: Words): number {
  let text: string | null = null
  let device: NetDevice | null = null
  let bridge: NetDevice | null = null
  let vlan = 0
  let self = false
  let dynamic = false
  while (!words.done) {
    const word = words.take()
    if (word === 'dev' || word === 'brport') device = findDevice(context.netns, words.take(), 255)
    else if (word === 'br') bridge = named(context, words.take(), 'bridge device')
    else if (word === 'vlan') vlan = takeVlan(words)
    else if (word === 'vni') words.take()
    else if (word === 'self') self = true
    else if (word === 'dynamic') dynamic = true
    else if ('help'.startsWith(word)) throw new ToolError(FDB_USAGE, 255)
    else if (word !== 'master') {
      const station = word === 'to' ? words.take() : word
      if (text !== null) throw new ToolError(`Error: either "to" is duplicate, or "${station}" is a garbage.`, 255)
      text = station
    }
  }
  if ((device === null && bridge === null) || text === null) {
    throw new ToolError('Device or master and address are required arguments.', 255)
  }
  const mac = takeStation(text)
  if (device !== null && bridge !== null) throw failed('Master and device are mutually exclusive')
  const line = found(context, device ?? bridge, self || bridge !== null, mac, vlan)
  if (dynamic && line.state === 'permanent') return 0
  const details = { device: true, statistics: context.statistics > 0 }
  context.self.out(context.json ? formatJson([lineJson(line, details)], context.pretty) : lineText(line, details))
  return 0
}

function failed(reason: string): ToolError {
  return new ToolError(`Error: ${reason}.`, 254)
}

/** `self`: in the table of the device itself, not of the bridge that it is a port of. */
function found(context: IpContext, device: NetDevice | null, self: boolean, mac: Uint8Array, vlan: number): FdbLine {
  const now = context.self.now()
  if (self && device instanceof VxlanDevice) {
    const entry = device.fdb.lookup(mac, 0, now)
    if (entry === null) throw failed('Fdb entry not found')
    return tunnelLine(device, entry, now)
  }
  if (self && !(device instanceof Bridge)) throw failed('Fdb get operation not supported by device')
  const bridge = self ? device : (device?.master ?? null)
  if (!(bridge instanceof Bridge)) throw failed('Device is not a bridge port')
  const entry = bridge.fdb.lookup(mac, 0, now, vlan)
  if (entry === null) throw failed('Fdb entry not found')
  return bridgeFdbLine(bridge, entry.port?.device ?? bridge, entry, now)
}
