/** `bridge fdb`: which MAC is behind which port, or behind which VTEP. This file lists; others change. */
import { Bridge } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import type { FdbLine } from '../../link/fdb-text.ts'
import { addFdbEntry, deleteFdbEntry } from './bridge-fdb-entry.ts'
import { flushFdb, getFdbEntry } from './bridge-fdb-flush.ts'
import { lineJson, linesOf, lineText } from './bridge-fdb-text.ts'
import { FDB_USAGE } from './bridge-usage.ts'
import type { IpContext } from './ip-context.ts'
import { deviceNamed, findDevice } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { abbreviation, ToolError, type Words } from './ip-words.ts'

export function bridgeFdb(context: IpContext, words: Words): number {
  if (words.done) return showFdb(context, words)
  const verb = words.take()
  switch (abbreviation(verb, 'add', 'append', 'replace', 'delete', 'get', 'show', 'lst', 'list', 'flush', 'help')) {
    case 'show':
    case 'lst':
    case 'list':
      return showFdb(context, words)
    case 'add':
      return addFdbEntry(context, words, 'add')
    case 'append':
      return addFdbEntry(context, words, 'append')
    case 'replace':
      return addFdbEntry(context, words, 'replace')
    case 'delete':
      return deleteFdbEntry(context, words)
    case 'get':
      return getFdbEntry(context, words)
    case 'flush':
      return flushFdb(context, words)
    case 'help':
      throw new ToolError(FDB_USAGE, 255)
    default:
      throw new ToolError(`Command "${verb}" is unknown, try "bridge fdb help".`, 255)
  }
}

/** Which lines a listing shows. */
interface Filter {
  device: NetDevice | null
  bridge: Bridge | null
  vlan: number | null
  states: readonly FdbLine['state'][] | null
}

function showFdb(context: IpContext, words: Words): number {
  const { self, netns } = context
  const filter: Filter = { device: null, bridge: null, vlan: null, states: null }
  while (!words.done) {
    const word = words.take()
    if (word === 'dynamic') filter.states = ['static', '']
    else if (word === 'br') filter.bridge = takeBridge(context, words)
    else if (word === 'brport' || word === 'dev') filter.device = findDevice(netns, words.take(), 255)
    else if (word === 'vlan') filter.vlan = Number.parseInt(words.take(), 10) || 0
    else if (word === 'state') filter.states = takeStates(words)
    // Other words are passed over, unless they are the beginning of `help`.
    else if ('help'.startsWith(word)) throw new ToolError(FDB_USAGE, 255)
  }
  const { device, bridge, vlan, states } = filter
  const shown: FdbLine[] = []
  for (const each of [...netns.devices.values()].sort((a, b) => a.index - b.index)) {
    if (device !== null && each !== device) continue
    if (bridge !== null && each !== bridge && each.master !== bridge) continue
    for (const line of linesOf(context, each)) {
      if ((states === null || states.includes(line.state)) && (vlan === null || line.vlan === vlan)) shown.push(line)
    }
  }
  const details = { device: device === null, statistics: context.statistics > 0 }
  if (context.json) {
    self.out(
      formatJson(
        shown.map((line) => lineJson(line, details)),
        context.pretty,
      ),
    )
  } else for (const line of shown) self.out(lineText(line, details))
  return 0
}

function takeBridge(context: IpContext, words: Words): Bridge {
  const name = words.take()
  const found = deviceNamed(context.netns, name)
  if (found === null) throw new ToolError(`Cannot find bridge device "${name}"`, 255)
  if (!(found instanceof Bridge))
    throw new ToolError('podwire: bridge fdb show br of a device that is no bridge is not modelled', 2)
  return found
}

/** NUD_*, by name or as a mask. */
function takeStates(words: Words): readonly FdbLine['state'][] | null {
  const text = words.take()
  switch (text.toLowerCase()) {
    case 'permanent':
      return ['permanent']
    case 'static':
    case 'temp':
      return ['static']
    case 'reachable':
      return ['']
    case 'stale':
      return []
    case 'all':
      return null
    default: {
      if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) {
        throw new ToolError(`Error: argument "${text}" is wrong: invalid state`, 255)
      }
      const mask = Number(text)
      const names = [[0x80, 'permanent'] as const, [0x40, 'static'] as const, [0x2, ''] as const]
      return names.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name)
    }
  }
}
