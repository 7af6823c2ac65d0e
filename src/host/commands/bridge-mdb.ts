/**
 * `bridge mdb`, `vni` and `monitor`. Nobody reports a group here (there is no IGMP), so a bridge knows none, and no
 * tunnel has several VNIs: listings are empty, as they are on a real bridge that nobody has reported to.
 */
import { MDB_USAGE, MONITOR_USAGE } from './bridge-usage.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson } from './ip-json.ts'
import { abbreviation, notModelled, printed, ToolError, type Words } from './ip-words.ts'

export function bridgeMdb(context: IpContext, words: Words): number {
  const verb = words.done ? 'show' : words.take()
  const named = abbreviation(verb, 'add', 'delete', 'show', 'lst', 'list', 'help')
  if (named === null) throw new ToolError(`Command "${verb}" is unknown, try "bridge mdb help".`, 255)
  if (named === 'help') throw new ToolError(MDB_USAGE, 255)
  if (named === 'add' || named === 'delete') throw notModelled(`bridge mdb ${named}`)
  while (!words.done) {
    const word = words.take()
    if (word === 'dev') findDevice(context.netns, words.take(), 255)
    else if (word === 'vid') words.take()
  }
  return context.json ? printed(context.self, formatJson([{ mdb: [], router: {} }], context.pretty)) : 0
}

export function bridgeVni(context: IpContext, words: Words): number {
  const verb = words.done ? 'show' : words.take()
  const named = abbreviation(verb, 'add', 'delete', 'show', 'lst', 'list', 'help')
  if (named === null) throw new ToolError(`Command "${verb}" is unknown, try "bridge vni help".`, 255)
  if (named !== 'show' && named !== 'lst' && named !== 'list') throw notModelled(`bridge vni ${named}`)
  while (!words.done) if (words.take() === 'dev') findDevice(context.netns, words.take(), 255)
  const head = 'dev               vni              group/remote   \n'
  return printed(context.self, context.json ? formatJson([], context.pretty) : head)
}

export function bridgeMonitor(words: Words): number {
  while (!words.done) {
    const word = words.take()
    const named = abbreviation(word, 'file', 'link', 'fdb', 'mdb', 'vlan', 'vni', 'all', 'help')
    if (named === null) throw new ToolError(`Argument "${word}" is unknown, try "bridge monitor help".`, 255)
    if (named === 'help') throw new ToolError(MONITOR_USAGE, 255)
  }
  throw notModelled('bridge monitor')
}
