/** Which route a packet goes by and why the others lost, for whoever traces (see link/decision.ts). */

import { Decision } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import type { Frame, FramePool } from '../link/frame.ts'
import { LastingDecisions } from '../link/lasting-decisions.ts'
import { BROADCAST, formatIpv4, type Ipv4 } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { RouteExceptions } from './exception.ts'
import type { Fib } from './fib.ts'
import { BLACKHOLE, PROHIBITED, type Route, TOS_MASK } from './route.ts'
import { tableText } from './route-names.ts'
import { hopLine, type RouteState, routeLine, routeState } from './route-text.ts'
import { type RuleHost, ruleText } from './rule-text.ts'
import { matches, type Rule, TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN } from './rules.ts'

/** So many of those that lost are named. */
const NAMED = 3

export interface RouteHost extends RuleHost {
  readonly name: string
  readonly fib: Fib
  readonly exceptions: RouteExceptions
  readonly world: { readonly frames: FramePool }
  sourceFor(route: Route, destination: Ipv4): Ipv4
}

/** A route that covers the destination too, and why it is not taken. */
class Loser {
  readonly #route: Route
  readonly #state: RouteState
  readonly #why: string

  constructor(fib: Fib, route: Route, why: string) {
    this.#route = route
    this.#state = routeState(fib, route)
    this.#why = why
  }

  text(): string {
    return `${routeLine(this.#route, this.#state)} (${this.#why})`
  }
}

function tableCommand(table: number): string {
  return table === TABLE_MAIN ? 'ip route' : `ip route show table ${tableText(table)}`
}

/** The route that a look-up ended with. */
export class RouteChosen extends Decision {
  override readonly kind = 'route'
  readonly #destination: Ipv4
  readonly #route: Route
  readonly #state: RouteState
  readonly #table: number
  readonly #losers: readonly Loser[]

  constructor(fib: Fib, destination: Ipv4, route: Route, table: number, losers: readonly Loser[]) {
    super()
    this.#destination = destination
    this.#route = route
    this.#state = routeState(fib, route)
    this.#table = table
    this.#losers = losers
  }

  /** Is it this route? */
  by(route: Route | null): boolean {
    return route === this.#route
  }

  override sentence(): string {
    return `${this.#what()}${this.#rest()}`
  }

  override entry(): string {
    return routeLine(this.#route, this.#state)
  }

  override command(): string {
    return tableCommand(this.#table)
  }

  #what(): string {
    const to = formatIpv4(this.#destination)
    const table = tableText(this.#table)
    switch (this.#route.type) {
      case 'local':
        return `${to} is an address of this host (table ${table})`
      case 'broadcast':
        return `${to} is a broadcast address here (table ${table})`
      case 'unicast':
        return this.#losers.length === 0
          ? `to ${to} by the only route of table ${table} that fits`
          : `to ${to} by the best route of table ${table}`
      default:
        return `a ${this.#route.type} route of table ${table} refuses ${to}`
    }
  }

  #rest(): string {
    const losers = this.#losers
    if (losers.length === 0) return ''
    const named = losers.slice(0, NAMED).map((each) => each.text())
    const more = losers.length > NAMED ? ` and ${losers.length - NAMED} more` : ''
    return `, rather than ${named.join(', ')}${more}`
  }
}

/** No route leads there, or only such as are not to be used. */
export class NoRoute extends Decision {
  override readonly kind = 'route'
  readonly #destination: Ipv4
  readonly #losers: readonly Loser[]

  constructor(destination: Ipv4, losers: readonly Loser[]) {
    super()
    this.#destination = destination
    this.#losers = losers
  }

  override sentence(): string {
    const losers = this.#losers.slice(0, NAMED).map((each) => each.text())
    const but = losers.length === 0 ? '' : `: not ${losers.join(', ')}`
    return `no route leads to ${formatIpv4(this.#destination)}${but}`
  }

  override command(): string {
    return `ip route get ${formatIpv4(this.#destination)}`
  }
}

/** A rule of `ip rule` chose the table, or refused. Told where there are more rules than every namespace begins with. */
export class RuleChosen extends Decision {
  override readonly kind = 'route'
  readonly #text: string
  readonly #action: string

  constructor(rule: Rule, host: RuleHost) {
    super()
    this.#text = ruleText(rule, host)
    this.#action = rule.action === 'lookup' ? `names table ${tableText(rule.table)}` : `says ${rule.action}`
  }

  override sentence(): string {
    return `the rule ${this.#action}`
  }

  override entry(): string {
    return this.#text
  }

  override command(): string {
    return 'ip rule'
  }
}

/** The flow's hash chose among the next hops of a multipath route. */
export class HopChosen extends Decision {
  override readonly kind = 'route'
  readonly #text: string
  readonly #number: number
  readonly #count: number
  readonly #table: number

  constructor(fib: Fib, route: Route, hop: Route, table: number) {
    super()
    const { hops, weights, dead } = route.multipath ?? { hops: [hop], weights: [1], dead: [false] }
    const at = Math.max(0, hops.indexOf(hop))
    this.#text = hopLine(fib, hop, weights[at], dead[at])
    this.#number = at + 1
    this.#count = hops.length
    this.#table = table
  }

  override sentence(): string {
    return `next hop ${this.#number} of ${this.#count}, by the hash of the flow`
  }

  override entry(): string {
    return this.#text
  }

  override command(): string {
    return tableCommand(this.#table)
  }
}

/** What ICMP taught about this destination: the route's cache, as `ip route get` shows it. */
export class Learnt extends Decision {
  override readonly kind = 'route'
  readonly #destination: Ipv4
  readonly #what: string
  readonly #entry: string

  constructor(destination: Ipv4, what: string, entry: string) {
    super()
    this.#destination = destination
    this.#what = what
    this.#entry = entry
  }

  override sentence(): string {
    return this.#what
  }

  override entry(): string {
    return this.#entry
  }

  override command(): string {
    return `ip route get ${formatIpv4(this.#destination)}`
  }
}

/** The route chose the address that we speak from. */
export class SourceChosen extends Decision {
  override readonly kind = 'route'
  readonly #source: Ipv4
  readonly #destination: Ipv4
  readonly #why: string

  constructor(source: Ipv4, destination: Ipv4, route: Route) {
    super()
    this.#source = source
    this.#destination = destination
    this.#why =
      route.source === source
        ? "the route's own (src)"
        : route.type === 'local'
          ? 'the very address that it goes to'
          : `the one of ${route.device?.name} that suits the next hop`
  }

  override sentence(): string {
    return `the source address is chosen: ${this.#why}`
  }

  override entry(): string {
    return `src ${formatIpv4(this.#source)}`
  }

  override command(): string {
    return `ip route get ${formatIpv4(this.#destination)}`
  }
}

/** 255.255.255.255, or nobody in particular: for every host of the link. */
export class ToAll extends Decision {
  override readonly kind = 'route'
  readonly #destination: Ipv4

  constructor(destination: Ipv4) {
    super()
    this.#destination = destination
  }

  override sentence(): string {
    return `${formatIpv4(this.#destination)} is for every host of the link: no route is asked`
  }
}

const lastingRoutes = new WeakMap<Fib, LastingDecisions<Ipv4>>()

function lastingOf(fib: Fib): LastingDecisions<Ipv4> {
  const known = lastingRoutes.get(fib) ?? new LastingDecisions<Ipv4>()
  lastingRoutes.set(fib, known)
  return known
}

/** Tells how the look-up that was just made for the frame came to its answer. */
export function tellRoute(host: RouteHost, frame: Frame, destination: Ipv4, found: Route | null): void {
  const { frames } = host.world
  if (frames.tracer === null) return
  const { fib, name } = host
  if (destination === BROADCAST) return frames.tell(frame, name, new ToAll(destination))
  const tos = ipv4.tos(frame.bytes, frame.network)
  // With the first three rules and no TOS a destination's route is the same for all.
  const lasting = fib.rules.custom || (tos & TOS_MASK) !== 0 ? null : lastingOf(fib)
  const known = lasting?.get(destination) ?? null
  if (known instanceof RouteChosen && known.by(found)) return frames.tell(frame, name, known)
  const { whole, table, rule } = originOf(fib, found)
  const refused = found === null && rule?.action === 'lookup'
  if (rule !== null && fib.rules.custom && !refused) frames.tell(frame, name, new RuleChosen(rule, host))
  if (found === BLACKHOLE || found === PROHIBITED) return
  const losers = losersOf(fib, destination, whole, table, rule, tos)
  if (found === null || whole === null) return frames.tell(frame, name, new NoRoute(destination, losers))
  const chosen = new RouteChosen(fib, destination, whole, table, losers)
  if (lasting !== null && found === whole && whole.multipath === null) lasting.keep(destination, chosen)
  frames.tell(frame, name, chosen)
  if (whole.multipath !== null) frames.tell(frame, name, new HopChosen(fib, whole, found, table))
  else if (found !== whole && found.gateway !== null) {
    const by = `via ${formatIpv4(found.gateway)} dev ${found.device?.name}`
    frames.tell(frame, name, new Learnt(destination, 'a redirect taught a better gateway', by))
  }
}

/** Tells of what this host sends besides: the address that it speaks from, and how large a packet its path takes. */
export function tellOutput(host: RouteHost, frame: Frame, destination: Ipv4, found: Route, chosen: boolean): void {
  const { frames } = host.world
  if (frames.tracer === null) return
  tellRoute(host, frame, destination, found)
  const source = ipv4.source(frame.bytes, frame.network)
  if ((chosen || frame.sourceChosen) && found.type !== 'local' && host.sourceFor(found, destination) === source) {
    frames.tell(frame, host.name, new SourceChosen(source, destination, found))
  }
  const known = host.exceptions.empty ? null : host.exceptions.get(destination)
  if (known === null || known.mtu === 0) return
  const entry = `mtu ${known.mtuLocked ? 'lock ' : ''}${known.mtu}`
  frames.tell(frame, host.name, new Learnt(destination, 'ICMP taught how much the path takes', entry))
}

interface Origin {
  /** The route in its table: of a multipath one, all of it. */
  readonly whole: Route | null
  readonly table: number
  readonly rule: Rule | null
}

/** A remembered answer does not say where it came from: there are the three first tables only, then. */
function originOf(fib: Fib, found: Route | null): Origin {
  if (fib.rules.custom) return { whole: fib.answer, table: fib.answeredBy, rule: fib.answeredRule }
  if (found === null) return { whole: null, table: 0, rule: null }
  const { answer } = fib
  // A hop of a multipath route and the route by a redirect's gateway stand in no table: the last look-up was theirs.
  const inTables = [TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT].find((id) => fib.existing(id)?.includes(found) === true)
  if (inTables === undefined) return { whole: answer, table: fib.answeredBy, rule: null }
  return { whole: found, table: inTables, rule: null }
}

/** What covers the destination in the tables that were asked, in the order in which it was looked at. */
function losersOf(
  fib: Fib,
  destination: Ipv4,
  chosen: Route | null,
  table: number,
  last: Rule | null,
  tos: number,
): Loser[] {
  const losers: Loser[] = []
  const all = fib.rules.list()
  for (let i = 0; i < all.length; i++) {
    const rule = all[i]
    const answering = chosen !== null && (fib.rules.custom ? rule === last : rule.table === table)
    const asked = rule.action === 'lookup' && (!fib.rules.custom || matches(rule, fib.asked))
    const routes = asked ? (fib.existing(rule.table)?.covering(destination) ?? []) : []
    for (const each of routes) {
      if (each !== chosen) losers.push(new Loser(fib, each, whyLost(fib, each, answering ? chosen : null, rule, tos)))
    }
    if (answering) break
  }
  return losers
}

/** `chosen` is null where the whole table gave no answer. */
function whyLost(fib: Fib, each: Route, chosen: Route | null, rule: Rule, tos: number): string {
  if (each.tos !== 0 && each.tos !== (tos & TOS_MASK)) return 'for another TOS'
  const dead = each.multipath === null ? unusable(fib, each.device) : each.multipath.first(null, fib) === null
  if (dead && each.type !== 'local') return 'its device is without carrier'
  if (chosen === null) {
    if (each.type === 'throw') return 'it ends the search in its table'
    return each.destination.prefix <= rule.suppressPrefix
      ? 'the rule passes over so short a prefix'
      : 'its scope is wider'
  }
  if (each.destination.prefix < chosen.destination.prefix) return 'shorter prefix'
  if (each.tos < chosen.tos) return 'for any TOS'
  if (each.metric > chosen.metric) return `metric ${each.metric}, not ${chosen.metric}`
  return each.gateway !== null && chosen.gateway !== null
    ? 'another gateway of the same metric'
    : 'behind it in the table'
}

function unusable(fib: Fib, device: NetDevice | null): boolean {
  return device !== null && fib.unusable(device)
}
