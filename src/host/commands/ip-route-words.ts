/** The words that say what a route is: `ip route add 10.9.0.0/16 via 10.0.0.1 metric 5`, and its many next hops. */
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import type { RouteProtocol, RouteScope, RouteType } from '../../net/route.ts'
import type { HopConfig, RouteConfig } from '../../net/route-config.ts'
import { dsfieldOf, protocolOf, scopeOf, tableIdOf } from '../../net/route-names.ts'
import { TABLE_LOCAL, TABLE_MAIN } from '../../net/rules.ts'
import { ANY, type Cidr, cidrOf, type Ipv4, mask, tryParseIpv4 } from '../../wire/address.ts'
import { findDevice } from './ip-device.ts'
import { ROUTE_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, ToolError, takePrefix, type Words } from './ip-words.ts'

const types: readonly string[] = [
  'unicast',
  'local',
  'broadcast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] satisfies RouteType[]

/** rtnl_rtntype_a2n's other names. */
const otherTypes: readonly string[] = ['multicast', 'anycast', 'nat', 'xresolve']

/** Metrics and the like that a route may have on Linux. */
const unmodelled: readonly string[] = [
  ...['as', 'from', 'expires', 'hoplimit', 'advmss', 'rtt', 'rto_min', 'window', 'cwnd', 'initcwnd', 'initrwnd'],
  ...['features', 'quickack', 'congctl', 'rttvar', 'ssthresh', 'realms', 'nhid', 'vrf', 'pref', 'encap'],
  ...['ttl-propagate', 'fastopen_no_cookie', 'pervasive'],
]

/** The words of one route; what was not said is null. */
export interface GivenRoute {
  readonly type: RouteType | null
  readonly destination: Cidr
  readonly tos: number
  readonly gateway: Ipv4 | null
  readonly device: NetDevice | null
  readonly source: Ipv4 | null
  readonly scope: RouteScope | null
  readonly protocol: RouteProtocol | null
  readonly metric: number | null
  readonly onlink: boolean
  /** Null: no word of it. */
  readonly mtu: number | null
  readonly mtuLocked: boolean
  readonly table: number
  readonly hops: readonly HopConfig[] | null
}

export function wrong(text: string, sentence: string): ToolError {
  return new ToolError(`Error: argument "${text}" is wrong: ${sentence}\n`, 255)
}

/** A type of a route by name, or null for another word. */
export function routeType(word: string): RouteType | null {
  if (otherTypes.includes(word)) throw notModelled(`ip route of type ${word}`)
  return types.includes(word) ? (word as RouteType) : null
}

export function takeRoute(netns: Netns, words: Words): GivenRoute {
  const given = new RouteWords()
  while (!words.done && words.peek !== 'nexthop') given.take(words)
  if (given.destination === null) throw new ToolError(ROUTE_USAGE, 255)
  const device = given.device === null ? null : findDevice(netns, given.device)
  const hops = words.done ? null : takeHops(netns, words)
  const { address, prefix } = given.destination
  if ((given.tos & 3) !== 0) throw new ToolError('Error: Invalid dsfield (tos): ECN bits must be 0.', 2)
  if ((address & ~mask(prefix)) !== 0) throw new ToolError('Error: Invalid prefix for given prefix length.', 2)
  const usual = given.type === 'local' || given.type === 'broadcast' ? TABLE_LOCAL : TABLE_MAIN
  return {
    ...given,
    destination: cidrOf(address, prefix),
    device,
    // 0.0.0.0 is nobody, though it was said.
    gateway: given.gateway === ANY ? null : given.gateway,
    scope: given.scope ?? (given.gateway === ANY ? 'global' : null),
    table: given.table ?? usual,
    hops,
  }
}

/** What was read so far. */
class RouteWords {
  type: RouteType | null = null
  destination: { address: Ipv4; prefix: number; everywhere: boolean } | null = null
  tos = 0
  gateway: Ipv4 | null = null
  device: string | null = null
  source: Ipv4 | null = null
  scope: RouteScope | null = null
  protocol: RouteProtocol | null = null
  metric: number | null = null
  onlink = false
  mtu: number | null = null
  mtuLocked = false
  table: number | null = null

  /** What an address must be: of any family, until the destination has said which. */
  get #family(): 'inet' | 'any valid' {
    return this.destination === null || this.destination.everywhere ? 'any valid' : 'inet'
  }

  /** One word and what belongs to it. */
  take(words: Words): void {
    if (words.accept('src')) this.source = takeInet(words, this.#family)
    else if (words.accept('via')) this.gateway = takeGateway(words, this.#family)
    else if (words.accept('tos', 'dsfield')) this.tos = takeTos(words, '"tos" value is invalid')
    else if (words.accept('scope')) this.scope = takeScope(words, 'invalid "scope" value')
    else if (words.accept('mtu')) {
      this.mtuLocked = words.accept('lock')
      this.mtu = takeValue(words, 'mtu')
    } else if (words.accept('onlink')) this.onlink = true
    else if (words.accept('dev', 'oif')) this.device = words.take()
    else this.#takeAbbreviated(words)
  }

  #takeAbbreviated(words: Words): void {
    const word = words.peek
    switch (word === 'preference' ? 'metric' : abbreviation(word, 'metric', 'priority', 'protocol', 'table')) {
      case 'metric':
      case 'priority':
        words.take()
        this.metric = takeValue(words, 'metric')
        return
      case 'protocol':
        words.take()
        this.protocol = takeProtocol(words, '"protocol" value is invalid')
        return
      case 'table':
        words.take()
        this.table = takeTable(words)
        return
    }
    if (unmodelled.includes(word)) throw notModelled(`ip route ${word}`)
    words.accept('to')
    const type = routeType(words.peek)
    if (type !== null) {
      this.type = type
      words.take()
    }
    if (words.peek === 'help') throw new ToolError(ROUTE_USAGE, 255)
    if (this.destination !== null)
      throw new ToolError(`Error: either "to" is duplicate, or "${words.peek}" is a garbage.`, 255)
    const everywhere = /^(default|any|all)$/.test(words.peek)
    this.destination = { ...takePrefix(words), everywhere }
  }
}

/** parse_nexthops: `nexthop via 10.0.0.1 dev eth0 weight 2 nexthop via …` to the end of the line. */
function takeHops(netns: Netns, words: Words): HopConfig[] {
  const hops: HopConfig[] = []
  while (!words.done) {
    const word = words.take()
    if (word !== 'nexthop') throw new ToolError(`Error: "nexthop" or end of line is expected instead of "${word}"`, 255)
    if (words.done) throw new ToolError('Error: unexpected end of line after "nexthop"', 255)
    hops.push(takeHop(netns, words))
  }
  return hops
}

function takeHop(netns: Netns, words: Words): HopConfig {
  let gateway: Ipv4 | null = null
  let device: NetDevice | null = null
  let onlink = false
  let weight = 1
  while (!words.done) {
    if (words.accept('via')) gateway = takeGateway(words, 'inet')
    else if (words.accept('dev')) {
      const name = words.take()
      device = netns.devices.get(name) ?? null
      if (device === null) throw new ToolError(`Cannot find device "${name}"\nError: cannot parse nexthop`, 255)
    } else if (words.accept('weight')) weight = takeWeight(words)
    else if (words.accept('onlink')) onlink = true
    else if (['realms', 'encap', 'as'].includes(words.peek)) throw notModelled(`ip route nexthop ${words.peek}`)
    else break
  }
  return { gateway: gateway === ANY ? null : gateway, device, onlink, weight }
}

function takeWeight(words: Words): number {
  const text = words.take()
  const weight = unsigned(text)
  if (weight === null || weight < 1 || weight > 256) throw wrong(text, '"weight" is invalid')
  return weight
}

function takeGateway(words: Words, family: 'inet' | 'any valid'): Ipv4 {
  if (['inet6', 'mpls', 'bridge', 'link'].includes(words.peek)) throw notModelled(`ip route via ${words.peek}`)
  const known = words.accept('inet') ? 'inet' : family
  return takeInet(words, known)
}

function takeInet(words: Words, family: 'inet' | 'any valid'): Ipv4 {
  const text = words.take()
  const address = tryParseIpv4(text)
  if (address !== null) return address
  if (text.includes(':')) throw notModelled('ip with IPv6 addresses')
  throw new ToolError(`Error: ${family} address is expected rather than "${text}".`, 1)
}

/** get_unsigned: in base 8, 10 or 16. */
function unsigned(text: string): number | null {
  if (/^0x[0-9a-f]+$/i.test(text) || /^(0|[1-9][0-9]*)$/.test(text)) return Number(text)
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : null
}

function takeValue(words: Words, name: string): number {
  const text = words.take()
  const value = unsigned(text)
  if (value === null || value > 0xffffffff) throw wrong(text, `"${name}" value is invalid`)
  return value
}

export function takeMetric(words: Words): number {
  return takeValue(words, 'metric')
}

export function takeTos(words: Words, sentence: string): number {
  const text = words.take()
  const tos = dsfieldOf(text)
  if (tos === null) throw wrong(text, sentence)
  return tos
}

export function takeProtocol(words: Words, sentence: string): RouteProtocol {
  const text = words.take()
  const protocol = protocolOf(text)
  if (protocol === null) throw wrong(text, sentence)
  return protocol
}

export function takeScope(words: Words, sentence: string): RouteScope {
  const text = words.take()
  const scope = scopeOf(text)
  if (scope === null) throw wrong(text, sentence)
  return scope
}

function takeTable(words: Words): number {
  const text = words.take()
  const id = tableIdOf(text)
  if (id === null) throw wrong(text, '"table" value is invalid')
  return id === 0 ? TABLE_MAIN : id
}

/** What a new route is, where nothing else was said. */
export function configOf(given: GivenRoute): RouteConfig {
  const type = given.type ?? 'unicast'
  return {
    ...given,
    type,
    scope: given.scope ?? usualScope(given, type),
    protocol: given.protocol ?? 'boot',
    metric: given.metric ?? 0,
    mtu: given.mtu ?? 0,
  }
}

function usualScope(given: GivenRoute, type: RouteType): RouteScope {
  if (type === 'local') return 'host'
  if (type === 'broadcast') return 'link'
  return type === 'unicast' && given.gateway === null && given.hops === null ? 'link' : 'global'
}
