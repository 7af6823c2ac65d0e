/** `ip route`: listing the tables, and changing them. */
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import { type Route, type RouteProtocol, type RouteTable, type RouteType, route } from '../../net/route.ts'
import { TABLE_MAIN } from '../../net/rules.ts'
import { type Cidr, cidrOf, contains, type Ipv4, mask } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice } from './ip-device.ts'
import { formatJson, type Json } from './ip-json.ts'
import { getRoute } from './ip-route-get.ts'
import { type Omitted, protocolOf, routeJson, routeText, tableIdOf } from './ip-route-text.ts'
import {
  abbreviation,
  notModelled,
  refused,
  ToolError,
  takeAddress,
  takeNumber,
  takePrefix,
  Words,
} from './ip-words.ts'

const types: readonly string[] = [
  'unicast',
  'local',
  'broadcast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] satisfies RouteType[]

export function ipRoute(context: IpContext, words: Words): number {
  if (words.done) return showRoutes(context, words)
  const verb = words.take()
  const verbs = [
    'list',
    'show',
    'lst',
    'add',
    'change',
    'chg',
    'replace',
    'append',
    'delete',
    'get',
    'flush',
    'save',
    'restore',
    'help',
  ]
  switch (abbreviation(verb, ...verbs)) {
    case 'list':
    case 'show':
    case 'lst':
      return showRoutes(context, words)
    case 'add':
      return addRoute(context, words, false)
    case 'replace':
      return addRoute(context, words, true)
    case 'change':
    case 'chg':
      return changeRoute(context, words)
    case 'delete':
      return deleteRoute(context, words)
    case 'get':
      return getRoute(context, words)
    case 'flush':
      return flushRoutes(context, words)
    case null:
      throw new ToolError(`Command "${verb}" is unknown, try "ip route help".`, 255)
    default:
      throw notModelled(`ip route ${verb}`)
  }
}

/** Words that choose among routes, for listing and flushing. */
interface RouteSelection {
  readonly table: string
  readonly matches: (route: Route) => boolean
  readonly omitted: Omitted
}

function takeSelection(netns: Netns, words: Words): RouteSelection {
  const tests: ((route: Route) => boolean)[] = []
  let omitted: Omitted = {}
  let table = 'main'
  while (!words.done) {
    const word = words.take()
    if (word === 'table') table = words.take()
    else if (word === 'cache') throw notModelled('ip route show cache')
    else if (word === 'dev' || word === 'oif') {
      const device = findDevice(netns, words.take())
      tests.push((r) => r.device === device)
      omitted = { ...omitted, device: true }
    } else if (word === 'via') {
      const gateway = takeAddress(words)
      tests.push((r) => r.gateway === gateway)
      omitted = { ...omitted, gateway: true }
    } else if (word === 'src') {
      const source = takeAddress(words)
      tests.push((r) => r.source === source)
    } else if (word === 'proto' || word === 'protocol') {
      const protocol = takeProtocol(words)
      tests.push((r) => r.protocol === protocol)
      omitted = { ...omitted, protocol: true }
    } else if (word === 'scope') {
      const scope = words.take()
      tests.push((r) => r.scope === scope)
      omitted = { ...omitted, scope: true }
    } else if (word === 'type') {
      const type = words.take()
      tests.push((r) => r.type === type)
    } else if (word === 'metric') {
      const metric = takeNumber(words, 'metric')
      tests.push((r) => r.metric === metric)
    } else tests.push(prefixTest(word, words))
  }
  return { table, omitted, matches: (r) => tests.every((test) => test(r)) }
}

/** `root 10.0.0.0/8` (in it), `match 10.1.1.1` (holds it), `exact`, or a bare prefix. */
function prefixTest(word: string, words: Words): (route: Route) => boolean {
  const how = ['root', 'match', 'exact', 'to'].includes(word) ? word : 'exact'
  if (how === 'to' && ['root', 'match', 'exact'].includes(words.peek)) return prefixTest(words.take(), words)
  const { address, prefix } = takePrefix(how === word ? words : new Words([word]))
  const cidr = cidrOf(address, prefix)
  if (how === 'root') return (r) => r.destination.prefix >= prefix && contains(cidr, r.destination.network)
  if (how === 'match') return (r) => r.destination.prefix <= prefix && contains(r.destination, address)
  return (r) => sameDestination(r.destination, cidr)
}

function sameDestination(a: Cidr, b: Cidr): boolean {
  return a.network === b.network && a.prefix === b.prefix
}

function takeProtocol(words: Words): RouteProtocol {
  const text = words.take()
  const protocol = protocolOf(text)
  if (protocol === null) throw new ToolError(`Error: argument "${text}" is wrong: "protocol" value is invalid\n`, 255)
  return protocol
}

function takeTables(netns: Netns, name: string, what: 'Dump' | 'Flush'): RouteTable[] {
  const id = tableIdOf(name)
  if (id === null) throw new ToolError(`Error: argument "${name}" is wrong: table id value is invalid\n`, 255)
  if (id === 0) return netns.fib.tables()
  const table = netns.fib.existing(id)
  if (table === null) throw new ToolError(`Error: ipv4: FIB table does not exist.\n${what} terminated`, 2)
  return [table]
}

function showRoutes(context: IpContext, words: Words): number {
  const { self, netns, details } = context
  const selection = takeSelection(netns, words)
  const tables = takeTables(netns, selection.table, 'Dump')
  const json: Json[] = []
  for (const table of tables) {
    // Only a listing of everything says which table a route is in.
    const named = tables.length > 1 && table !== netns.main
    const omitted = named ? { ...selection.omitted, table: table.name } : selection.omitted
    for (const found of table.list().filter(selection.matches)) {
      if (context.json) json.push(routeJson(found, details, omitted))
      else self.out(`${routeText(found, details, omitted)}\n`)
    }
  }
  if (context.json) self.out(formatJson(json, context.pretty))
  return 0
}

/** The words of one route; what was not said is null. */
interface GivenRoute {
  type: RouteType
  typed: boolean
  destination: Cidr | null
  gateway: Ipv4 | null
  device: NetDevice | null
  source: Ipv4 | null
  scope: string | null
  protocol: RouteProtocol | null
  metric: number | null
  onlink: boolean
  mtu: number
  mtuLocked: boolean
  table: number
}

function takeRoute(netns: Netns, words: Words): GivenRoute {
  const given: GivenRoute = {
    type: 'unicast',
    typed: false,
    destination: null,
    gateway: null,
    device: null,
    source: null,
    scope: null,
    protocol: null,
    metric: null,
    onlink: false,
    mtu: 0,
    mtuLocked: false,
    table: TABLE_MAIN,
  }
  while (!words.done) takeRouteWord(netns, words, given)
  return given
}

function takeRouteWord(netns: Netns, words: Words, given: GivenRoute): void {
  if (words.accept('via')) {
    words.accept('inet')
    given.gateway = takeAddress(words)
  } else if (words.accept('dev', 'oif')) given.device = findDevice(netns, words.take())
  else if (words.accept('src')) given.source = takeAddress(words)
  else if (words.accept('scope')) given.scope = words.take()
  else if (words.accept('proto', 'protocol')) given.protocol = takeProtocol(words)
  else if (words.accept('metric', 'priority', 'preference')) given.metric = takeNumber(words, 'metric')
  else if (words.accept('onlink')) given.onlink = true
  else if (words.accept('mtu')) {
    given.mtuLocked = words.accept('lock')
    given.mtu = takeNumber(words, 'mtu')
  } else if (words.accept('table')) {
    const name = words.take()
    const id = tableIdOf(name)
    if (id === null) throw new ToolError(`Error: argument "${name}" is wrong: "table" value is invalid\n`, 255)
    given.table = id === 0 ? TABLE_MAIN : id
  } else if (given.destination === null && types.includes(words.peek)) {
    given.type = words.take() as RouteType
    given.typed = true
  } else if (given.destination === null) {
    words.accept('to')
    const { address, prefix } = takePrefix(words)
    if ((address & ~mask(prefix)) !== 0) throw new ToolError('Error: Invalid prefix for given prefix length.', 2)
    given.destination = cidrOf(address, prefix)
  } else {
    throw unknownRouteWord(words.peek)
  }
}

function unknownRouteWord(word: string): ToolError {
  if (/^[a-z_]+$/.test(word)) return notModelled(`ip route ${word}`)
  return new ToolError(`Error: either "to" is duplicate, or "${word}" is a garbage.`, 255)
}

/** fib_check_nh: the gateway must be a neighbour, unless `onlink` says so. */
function resolveGateway(netns: Netns, given: GivenRoute): NetDevice {
  const gateway = given.gateway as Ipv4
  if (given.onlink) {
    if (given.device === null) throw new ToolError('Error: Nexthop device required for onlink.', 2)
    if (!given.device.up) throw new ToolError('Error: Device for nexthop is not up.', 2)
    return given.device
  }
  const way = netns.lookup(gateway)
  const reachable = way !== null && way.type === 'unicast' && way.gateway === null && way.device !== null
  if (!reachable || (given.device !== null && !isNeighbour(netns, given.device, gateway))) {
    throw new ToolError('Error: Nexthop has invalid gateway.', 2)
  }
  return given.device ?? (way.device as NetDevice)
}

/** By the named device the gateway may be reached although the best route is another one's. */
function isNeighbour(netns: Netns, device: NetDevice, gateway: Ipv4): boolean {
  return netns.main.list().some((r) => r.device === device && r.gateway === null && contains(r.destination, gateway))
}

function build(netns: Netns, given: GivenRoute): Route {
  const { type, source } = given
  if (given.destination === null) throw new ToolError('Error: either "to" is required, or there is a garbage.', 255)
  const rejecting = type === 'blackhole' || type === 'unreachable' || type === 'prohibit' || type === 'throw'
  let { device } = given
  if (rejecting) device = null
  else if (given.gateway !== null) device = resolveGateway(netns, given)
  else if (device === null) throw refused('No such device')
  else if (!device.up) throw new ToolError('Error: Device for nexthop is not up.', 2)
  if (source !== null && !netns.isLocal(source)) throw new ToolError('Error: Invalid prefsrc address.', 2)
  const usual = rejecting || given.gateway !== null ? 'global' : type === 'local' ? 'host' : 'link'
  const scope = given.scope ?? usual
  if (scope !== 'global' && scope !== 'link' && scope !== 'host') {
    throw new ToolError(`Error: argument "${scope}" is wrong: invalid "scope" value\n`, 255)
  }
  return route({
    type,
    destination: given.destination,
    gateway: given.gateway,
    device,
    source,
    scope,
    protocol: given.protocol ?? 'boot',
    metric: given.metric ?? 0,
    onlink: given.onlink,
    mtu: given.mtu,
    mtuLocked: given.mtuLocked,
  })
}

function addRoute(context: IpContext, words: Words, replace: boolean): number {
  const given = takeRoute(context.netns, words)
  const made = build(context.netns, given)
  const table = context.netns.fib.table(given.table)
  if (replace) table.replace(made)
  else if (!table.add(made)) throw refused('File exists')
  return 0
}

function changeRoute(context: IpContext, words: Words): number {
  const given = takeRoute(context.netns, words)
  const made = build(context.netns, given)
  const table = context.netns.fib.table(given.table)
  const old = table.list().find((r) => sameDestination(r.destination, made.destination) && r.metric === made.metric)
  if (old === undefined) throw refused('No such file or directory')
  table.replace(made)
  return 0
}

function deleteRoute(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('Usage: ip route del ROUTE', 255)
  const given = takeRoute(context.netns, words)
  const { destination } = given
  if (destination === null) throw new ToolError('Error: either "to" is required, or there is a garbage.', 255)
  const table = context.netns.fib.existing(given.table)
  if (table === null) throw new ToolError('Error: FIB table does not exist.', 2)
  const doomed = table
    .list()
    .find(
      (r) =>
        sameDestination(r.destination, destination) &&
        (!given.typed || r.type === given.type) &&
        (given.gateway === null || r.gateway === given.gateway) &&
        (given.device === null || r.device === given.device) &&
        (given.metric === null || r.metric === given.metric) &&
        (given.protocol === null || r.protocol === given.protocol) &&
        (given.scope === null || r.scope === given.scope) &&
        (given.source === null || r.source === given.source),
    )
  if (doomed === undefined) throw refused('No such process')
  table.remove((r) => r === doomed)
  return 0
}

function flushRoutes(context: IpContext, words: Words): number {
  if (words.done) throw new ToolError('"ip route flush" requires arguments.', 1)
  const { netns } = context
  if (words.accept('cache')) {
    netns.exceptions.clear()
    return 0
  }
  const selection = takeSelection(netns, words)
  for (const table of takeTables(netns, selection.table, 'Flush')) table.remove(selection.matches)
  return 0
}
