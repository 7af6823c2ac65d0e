/** Words that choose among routes, for listing and flushing (iproute_list_flush_or_save). */
import type { Netns } from '../../net/netns.ts'
import type { Route, RouteTable } from '../../net/route.ts'
import { tableIdOf } from '../../net/route-names.ts'
import type { Omitted } from '../../net/route-text.ts'
import { type Cidr, cidrOf, contains } from '../../wire/address.ts'
import { findDevice } from './ip-device.ts'
import { routeType, takeMetric, takeProtocol, takeScope, takeTos, wrong } from './ip-route-words.ts'
import { ROUTE_USAGE } from './ip-usage.ts'
import { abbreviation, notModelled, ToolError, takePrefix, type Words } from './ip-words.ts'

type Test = (route: Route) => boolean

export class RouteSelection {
  table = 'main'
  /** What is not said of each route, because it was asked for. */
  omitted: Omitted = {}
  readonly #tests: Test[] = []

  constructor(netns: Netns, words: Words) {
    while (!words.done) this.#take(netns, words)
  }

  matches(route: Route): boolean {
    return this.#tests.every((test) => test(route))
  }

  /** `all`, or one that exists. */
  tables(netns: Netns, what: 'Dump' | 'Flush'): RouteTable[] {
    const id = tableIdOf(this.table)
    if (id === null) throw wrong(this.table, 'table id value is invalid')
    if (id === 0) return netns.fib.tables()
    const table = netns.fib.existing(id)
    if (table === null) throw new ToolError(`Error: ipv4: FIB table does not exist.\n${what} terminated`, 2)
    return [table]
  }

  #take(netns: Netns, words: Words): void {
    const word = words.take()
    if (abbreviation(word, 'table') !== null) this.#takeTable(words)
    else if (word === 'vrf') throw notModelled('ip route show vrf')
    else if (abbreviation(word, 'cached', 'cloned') !== null) throw notModelled('ip route show cache')
    else if (word === 'tos' || abbreviation(word, 'dsfield') !== null) {
      const tos = takeTos(words, 'TOS value is invalid')
      this.#add((r) => r.tos === tos, { tos: true })
    } else if (abbreviation(word, 'protocol') !== null) {
      if (words.accept('all')) return
      const protocol = takeProtocol(words, 'invalid "protocol"')
      this.#add((r) => r.protocol === protocol, { protocol: true })
    } else if (abbreviation(word, 'scope') !== null) {
      if (words.accept('all')) return
      const scope = takeScope(words, 'invalid "scope"')
      this.#add((r) => r.scope === scope, { scope: true })
    } else if (abbreviation(word, 'type') !== null) {
      const text = words.take()
      const type = routeType(text)
      if (type === null) throw wrong(text, 'node type value is invalid')
      this.#add((r) => r.type === type)
    } else if (word === 'dev' || word === 'oif') {
      const device = findDevice(netns, words.take())
      this.#add((r) => r.device === device, { device: true })
    } else if (word === 'iif') {
      findDevice(netns, words.take())
      // Only what the route cache of old held had one.
      this.#add(() => false)
    } else this.#takeAddresses(word, words)
  }

  #takeAddresses(word: string, words: Words): void {
    if (word === 'via') {
      const { address, prefix } = takePrefix(words)
      const within = cidrOf(address, prefix)
      this.#add((r) => isIn(within, r.gateway ?? r.ownGateway), { gateway: prefix === 32 })
    } else if (word === 'src') {
      const { address, prefix } = takePrefix(words)
      const within = cidrOf(address, prefix)
      this.#add((r) => isIn(within, r.source), { source: prefix === 32 })
    } else if (abbreviation(word, 'realms') !== null || word === 'nhid') throw notModelled(`ip route show ${word}`)
    else if (abbreviation(word, 'from') !== null) {
      words.accept('root') || words.accept('match') || words.accept('exact')
      const { prefix } = takePrefix(words)
      // No route of IPv4 is for one source only.
      if (prefix > 0) this.#add(() => false)
    } else if (word === 'metric') {
      const metric = takeMetric(words)
      if (metric !== 0) this.#add((r) => r.metric === metric, { metric: true })
    } else this.#takeDestination(word, words)
  }

  /** `root 10.0.0.0/8` (in it), `match 10.1.1.1` (holds it), `exact`, or a bare prefix. */
  #takeDestination(first: string, words: Words): void {
    const word = abbreviation(first, 'to') === null ? first : words.take()
    const how = abbreviation(word, 'root', 'match', 'exact')
    if (abbreviation(word, 'help') !== null) throw new ToolError(ROUTE_USAGE, 255)
    if (how === null) words.back()
    const { address, prefix } = takePrefix(words)
    const cidr = cidrOf(address, prefix)
    if (how === 'root') this.#add((r) => r.destination.prefix >= prefix && contains(cidr, r.destination.network))
    else if (how === 'match') this.#add((r) => r.destination.prefix <= prefix && contains(r.destination, address))
    else this.#add((r) => sameDestination(r.destination, cidr))
  }

  #takeTable(words: Words): void {
    this.table = words.take()
    if (this.table === 'cache') throw notModelled('ip route show cache')
  }

  #add(test: Test, omitted: Omitted = {}): void {
    this.#tests.push(test)
    this.omitted = { ...this.omitted, ...omitted }
  }
}

function isIn(network: Cidr, address: Route['gateway']): boolean {
  return address !== null && contains(network, address)
}

function sameDestination(a: Cidr, b: Cidr): boolean {
  return a.network === b.network && a.prefix === b.prefix
}
