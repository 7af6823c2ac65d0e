/** bridge(8) of iproute2 6.1: `fdb` (bridge-fdb.ts) and `link`, the ports. */
import type { BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { bridgeFdb } from './bridge-fdb.ts'
import { bridgeMdb, bridgeMonitor, bridgeVni } from './bridge-mdb.ts'
import { portCost, portFlags, portFlagsJson, portState, takePortSetting, takeSwitch } from './bridge-port.ts'
import { BRIDGE_USAGE, LINK_USAGE } from './bridge-usage.ts'
import { bridgeVlan } from './bridge-vlan.ts'
import type { IpContext } from './ip-context.ts'
import { bridgedName, deviceNamed, findDevice, flagsOf, portOf } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { namespaceNamed } from './ip-netns.ts'
import { abbreviation, notModelled, printed, refused, ToolError, tool, Words } from './ip-words.ts'

const options = [
  '-help',
  '-Version',
  '-statistics',
  '-stats',
  '-details',
  '-oneline',
  '-netns',
  '-compressvlans',
  '-color',
  '-json',
  '-pretty',
  '-timestamp',
  '-force',
  '-batch',
  '-6',
  '-4',
]

/** What changes nothing that is printed here: colours go to terminals, times to announcements. */
const UNHEARD = ['-color', '-4', '-timestamp']

export const bridge = tool(async (self) => {
  const words = new Words(self.args.slice(1))
  let details = false
  let statistics = 0
  let json = false
  let pretty = false
  let oneline = false
  let compressed = false
  let { netns } = self
  while (words.peek.startsWith('-')) {
    const given = words.take()
    const option = abbreviation(given.replace(/^--/, '-'), ...options)
    if (option === '-Version') return printed(self, 'bridge utility, 6.1.0\n')
    if (option === '-details') details = true
    else if (option === '-statistics' || option === '-stats') statistics++
    else if (option === '-json') json = true
    else if (option === '-pretty') pretty = true
    else if (option === '-oneline') oneline = true
    else if (option === '-compressvlans') compressed = true
    else if (option === '-netns') netns = namespaceNamed(self, words.take())
    else if (option === null) throw new ToolError(`Option "${given}" is unknown, try "bridge help".`, 255)
    else if (!UNHEARD.includes(option)) throw notModelled(`bridge ${given}`)
  }
  if (words.done) throw new ToolError(BRIDGE_USAGE, 255)
  const more = { timestamp: null, family: null, human: null, everywhere: false } as const
  const context: IpContext = { self, netns, details, statistics, brief: false, json, pretty, oneline, ...more }
  const object = words.take()
  switch (abbreviation(object, 'link', 'fdb', 'mdb', 'vlan', 'vni', 'monitor', 'help')) {
    case 'link':
      return bridgeLink(context, words)
    case 'fdb':
      return bridgeFdb(context, words)
    case 'vlan':
      return bridgeVlan(context, words, compressed)
    case 'mdb':
      return bridgeMdb(context, words)
    case 'vni':
      return bridgeVni(context, words)
    case 'monitor':
      return bridgeMonitor(words)
    case 'help':
      throw new ToolError(BRIDGE_USAGE, 255)
    case null:
      throw new ToolError(`Object "${object}" is unknown, try "bridge help".`, 255)
    default:
      throw notModelled(`bridge ${object}`)
  }
})

function bridgeLink(context: IpContext, words: Words): number {
  if (words.done) return showPorts(context, words)
  const verb = words.take()
  switch (abbreviation(verb, 'set', 'change', 'show', 'lst', 'list', 'help')) {
    case 'show':
    case 'lst':
    case 'list':
      return showPorts(context, words)
    case 'set':
    case 'change':
      return setPort(context, words)
    case 'help':
      throw new ToolError(LINK_USAGE, 255)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "bridge link help".`, 255)
    default:
      throw notModelled(`bridge link ${verb}`)
  }
}

function showPorts(context: IpContext, words: Words): number {
  const { self, netns } = context
  let only: NetDevice | null = null
  while (!words.done) {
    // Other words are passed over.
    if (words.take() === 'dev') only = findDevice(netns, words.take(), 255)
  }
  const ports: BridgePort[] = []
  for (const device of [...netns.devices.values()].sort((a, b) => a.index - b.index)) {
    const port = only === null || only === device ? portOf(device) : null
    if (port !== null) ports.push(port)
  }
  if (context.json) {
    const list = ports.map((port) => ({
      ifindex: port.device.index,
      link: bridgedName(port.device, netns).split('@')[1],
      ifname: port.device.name,
      flags: flagsOf(port.device, netns),
      mtu: port.device.mtu,
      master: port.bridge.name,
      state: portState(port),
      priority: port.notes.priority,
      cost: portCost(port),
      ...(context.details ? portFlagsJson(port) : {}),
    }))
    return printed(self, formatJson(list, context.pretty))
  }
  for (const port of ports) {
    const { device } = port
    self.out(
      `${device.index}: ${bridgedName(device, netns)}: <${flagsOf(device, netns).join(',')}> mtu ${device.mtu} ` +
        `master ${port.bridge.name} state ${portState(port)} priority ${port.notes.priority} cost ${portCost(port)} ` +
        `${context.details ? `\n    ${portFlags(port)}` : ''}\n`,
    )
  }
  return 0
}

function setPort(context: IpContext, words: Words): number {
  let name: string | null = null
  const acts: ((port: BridgePort) => void)[] = []
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') name = words.take()
    else if (word !== 'master') {
      // A veth has no bridge in its hardware, and none that could work in two ways.
      if (word === 'self' || word === 'hwmode') throw refused('Operation not supported', 255)
      // Of what hardware learns; nobody listens.
      if (word === 'learning_sync') {
        takeSwitch(words, word, 234)
        continue
      }
      const act = takePortSetting(word, words, 234)
      if (act === null) throw new ToolError(LINK_USAGE, 255)
      acts.push(act)
    }
  }
  if (name === null) throw new ToolError('Device is a required argument.', 255)
  const device = deviceNamed(context.netns, name)
  if (device === null) throw new ToolError(`Cannot find bridge device "${name}"`, 255)
  const port = portOf(device)
  if (port === null) throw refused('Operation not supported', 255)
  for (const act of acts) act(port)
  return 0
}
