/** `ip route`: listing the tables, and changing them. */
import { strerror } from '../../net/errno.ts'
import type { InsertMode, Route } from '../../net/route.ts'
import { isRefusal, makeRoute } from '../../net/route-config.ts'
import { isMeant, type RouteQuery } from '../../net/route-match.ts'
import { routeText } from '../../net/route-text.ts'
import type { IpContext } from './ip-context.ts'
import { formatJson, type Json } from './ip-json.ts'
import { getRoute } from './ip-route-get.ts'
import { routeJson } from './ip-route-json.ts'
import { RouteSelection } from './ip-route-select.ts'
import { configOf, type GivenRoute, takeRoute } from './ip-route-words.ts'
import { ROUTE_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, refused, ToolError, type Words } from './ip-words.ts'

/** In the order in which ip(8) compares. */
const verbs = [
  ...['list', 'show', 'lst', 'get', 'add', 'change', 'chg', 'replace', 'prepend', 'append', 'test', 'delete'],
  ...['flush', 'save', 'restore', 'showdump', 'help'],
]

export function ipRoute(context: IpContext, words: Words): number {
  if (words.done) return showRoutes(context, words)
  const verb = words.take()
  const named = abbreviation(verb, ...verbs)
  switch (named) {
    case 'list':
    case 'show':
    case 'lst':
      return showRoutes(context, words)
    case 'get':
      return getRoute(context, words)
    case 'add':
    case 'change':
    case 'replace':
    case 'prepend':
    case 'append':
      return insertRoute(context, words, named)
    case 'chg':
      return insertRoute(context, words, 'change')
    case 'delete':
      return deleteRoute(context, words)
    case 'flush':
      return flushRoutes(context, words)
    case 'help':
      throw new ToolError(ROUTE_USAGE, 255)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip route help".`, 255)
    default:
      throw notModelled(`ip route ${named}`)
  }
}

function showRoutes(context: IpContext, words: Words): number {
  const { self, netns } = context
  const selection = new RouteSelection(netns, words)
  const tables = selection.tables(netns, 'Dump')
  const json: Json[] = []
  for (const table of tables) {
    // Only a listing of everything says which table a route is in.
    const named = selection.table === 'all' && table !== netns.main
    const omitted = named ? { ...selection.omitted, table: table.name } : selection.omitted
    for (const found of table.list()) {
      if (!selection.matches(found)) continue
      if (context.json) json.push(routeJson(context, found, omitted))
      else self.out(`${routeText(netns.fib, found, context, omitted)}\n`)
    }
  }
  if (context.json) self.out(formatJson(json, context.pretty))
  return 0
}

/** RTM_NEWROUTE. */
function insertRoute(context: IpContext, words: Words, mode: InsertMode): number {
  const { netns } = context
  const given = takeRoute(netns, words)
  const made = makeRoute(netns, configOf(given))
  if (isRefusal(made)) {
    if (made.reason !== null) throw new ToolError(`Error: ${made.reason}.`, 2)
    throw refused(strerror(made.errno))
  }
  const failed = netns.fib.table(given.table).insert(made, mode)
  if (failed !== null) throw refused(strerror(failed))
  return 0
}

/** RTM_DELROUTE (fib_table_delete). */
function deleteRoute(context: IpContext, words: Words): number {
  const { netns } = context
  const given = takeRoute(netns, words)
  const table = netns.fib.existing(given.table)
  if (table === null) throw new ToolError('Error: FIB table does not exist.', 2)
  const query = queryOf(given)
  const doomed = table.list().find((each) => isMeant(each, query))
  if (doomed === undefined) throw refused(strerror('ESRCH'))
  table.remove((each) => each === doomed)
  return 0
}

/** Whoever names a type names its scope with it. */
function queryOf(given: GivenRoute): RouteQuery {
  const named = given.type === null || given.type === 'unicast' ? null : usualScope(given.type)
  return { ...given, scope: given.scope ?? named }
}

function usualScope(type: Route['type']): Route['scope'] {
  if (type === 'local') return 'host'
  return type === 'broadcast' ? 'link' : 'global'
}

function flushRoutes(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('"ip route flush" requires arguments.', 1)
  const { self, netns, statistics } = context
  if (words.accept('cache')) {
    netns.exceptions.clear()
    if (statistics > 0) self.out('*** IPv4 routing cache is flushed.\n')
    return 0
  }
  const selection = new RouteSelection(netns, words)
  let flushed = 0
  for (const table of selection.tables(netns, 'Flush')) {
    const doomed = table.list().filter((each) => selection.matches(each))
    flushed += doomed.length
    const named = selection.table === 'all' && table !== netns.main
    const omitted = named ? { ...selection.omitted, table: table.name } : selection.omitted
    if (statistics > 1) for (const each of doomed) self.out(`${routeText(netns.fib, each, context, omitted)}\n`)
    table.remove((each) => doomed.includes(each))
  }
  if (statistics > 0) self.out(flushReport(flushed))
  return 0
}

function flushReport(flushed: number): string {
  if (flushed === 0) return 'Nothing to flush.\n'
  return `\n*** Round 1, deleting ${flushed} entries ***\n*** Flush is complete after 1 round ***\n`
}
