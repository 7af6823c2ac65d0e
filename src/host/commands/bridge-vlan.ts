/** `bridge vlan`: which VLANs a port, or the bridge's own host, is in. */
import { Bridge } from '../../link/bridge.ts'
import { VLAN_MAX, type VlanGroup } from '../../link/bridge-vlan.ts'
import type { NetDevice } from '../../link/device.ts'
import { VLAN_USAGE } from './bridge-usage.ts'
import type { IpContext } from './ip-context.ts'
import { deviceNamed, findDevice, portOf } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { abbreviation, notModelled, printed, refused, ToolError, type Words } from './ip-words.ts'

export function bridgeVlan(context: IpContext, words: Words, compressed: boolean): number {
  if (words.done) return show(context, words, compressed)
  const verb = words.take()
  switch (abbreviation(verb, 'add', 'delete', 'show', 'lst', 'list', 'set', 'tunnelshow', 'global', 'help')) {
    case 'show':
    case 'lst':
    case 'list':
      return show(context, words, compressed)
    case 'add':
      return change(context, words, true)
    case 'delete':
      return change(context, words, false)
    case 'help':
      throw new ToolError(VLAN_USAGE, 255)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "bridge vlan help".`, 255)
    default:
      throw notModelled(`bridge vlan ${verb}`)
  }
}

/** Some numbers that stand in one line. */
interface Range {
  readonly first: number
  readonly last: number
  readonly flags: string[]
}

function flagsOf(group: VlanGroup, vlan: number): string[] {
  return [...(group.pvid === vlan ? ['PVID'] : []), ...(group.untagged(vlan) ? ['Egress Untagged'] : [])]
}

/** One line for each VLAN, or for each run of them with the same flags; the pvid stands alone. */
function rangesOf(group: VlanGroup, compressed: boolean): Range[] {
  const ranges: Range[] = []
  for (const vlan of group.list()) {
    const flags = flagsOf(group, vlan)
    const before = ranges.at(-1)
    const joins = compressed && before !== undefined && before.last === vlan - 1
    if (joins && !flags.includes('PVID') && before.flags.join() === flags.join()) {
      ranges[ranges.length - 1] = { ...before, last: vlan }
    } else ranges.push({ first: vlan, last: vlan, flags })
  }
  return ranges
}

function groupOf(device: NetDevice): VlanGroup | null {
  return device instanceof Bridge ? device.vlans : (portOf(device)?.vlans ?? null)
}

function show(context: IpContext, words: Words, compressed: boolean): number {
  const { self, netns } = context
  let only: NetDevice | null = null
  let vid: number | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') only = findDevice(netns, words.take(), 255)
    else if (word === 'vid') vid = Number(words.take())
    else throw new ToolError(`Command line is not complete. Try option "help"`, 255)
  }
  const entries: { readonly name: string; readonly ranges: Range[] }[] = []
  for (const device of [...netns.devices.values()].sort((a, b) => a.index - b.index)) {
    const group = only === null || only === device ? groupOf(device) : null
    if (group === null) continue
    const ranges = rangesOf(group, compressed).filter(
      ({ first, last }) => vid === null || (first <= vid && vid <= last),
    )
    if (ranges.length > 0) entries.push({ name: device.name, ranges })
  }
  if (context.json) {
    const list = entries.map(({ name, ranges }) => ({
      ifname: name,
      vlans: ranges.map(({ first, last, flags }) => ({
        vlan: first,
        vlanEnd: last === first ? undefined : last,
        flags: flags.length === 0 ? undefined : flags,
      })),
    }))
    return printed(self, formatJson(list, context.pretty))
  }
  self.out('port              vlan-id  \n')
  for (const { name, ranges } of entries) {
    ranges.forEach(({ first, last, flags }, i) => {
      const numbers = first === last ? String(first) : `${first}-${last}`
      self.out(`${(i === 0 ? name : '').padEnd(16)}  ${[numbers, ...flags].join(' ')}\n`)
    })
  }
  return 0
}

function takeRange(text: string): [number, number] {
  const [from, to] = text.split('-')
  const first = Number.parseInt(from, 10) || 0
  if (to === undefined) {
    if (first > VLAN_MAX + 1) throw new ToolError(`Invalid VLAN ID "${text}"`, 255)
    return [first, first]
  }
  const last = Number.parseInt(to, 10) || 0
  if (first > VLAN_MAX + 1 || last > VLAN_MAX + 1 || first >= last) {
    throw new ToolError(`Invalid VLAN range "${text}"`, 255)
  }
  return [first, last]
}

function change(context: IpContext, words: Words, add: boolean): number {
  let name: string | null = null
  let range: [number, number] | null = null
  let pvid = false
  let untagged = false
  let self = false
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') name = words.take()
    else if (word === 'vid') range = takeRange(words.take())
    else if (word === 'pvid') pvid = true
    else if (word === 'untagged') untagged = true
    else if (word === 'self') self = true
    else if (word === 'tunnel_info') throw notModelled('bridge vlan tunnel_info')
    else if (word !== 'master') throw new ToolError(`Command line is not complete. Try option "help"`, 255)
  }
  if (name === null || range === null) throw new ToolError('Device and VLAN ID are required arguments.', 255)
  const device = deviceNamed(context.netns, name)
  if (device === null) throw new ToolError(`Cannot find bridge device "${name}"`, 255)
  const [first, last] = range
  if (pvid && first !== last) throw new ToolError('pvid cannot be configured for a vlan range', 255)
  const own = self && device instanceof Bridge
  const port = self ? null : portOf(device)
  const group = own ? device.vlans : port?.vlans
  const bridge = own ? device : port?.bridge
  if (group === undefined || bridge === undefined) throw refused('Operation not supported', 255)
  if (first === 0 || last > VLAN_MAX) throw new ToolError('Error: bridge: Vlan id is invalid.', 255)
  for (let vlan = first; vlan <= last; vlan++) {
    if (add) group.add(vlan, untagged, pvid)
    else {
      group.remove(vlan)
      // What was learnt in it goes with it (br_fdb_delete_by_port).
      bridge.fdb.flush((entry) => entry.high >>> 16 === vlan && entry.port === port)
    }
  }
  bridge.knowAddresses()
  return 0
}
