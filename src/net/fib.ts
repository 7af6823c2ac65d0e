/**
 * How a namespace finds the way for a packet (net/ipv4/fib_frontend.c, route.c): routing tables by number, the
 * rules that choose among them, what ICMP taught about single destinations, and a cache in front of it all.
 *
 * Without rules of its own a namespace asks local, main and default, and the answer depends on the destination
 * alone, so it is cached by that. With rules, routes for one TOS or several next hops every packet asks again.
 */
import type { NetDevice } from '../link/device.ts'
import { journal } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import type { Loopback } from '../link/loopback.ts'
import type { World } from '../link/world.ts'
import { ANY, BROADCAST, type Ipv4 } from '../wire/address.ts'
import { u16 } from '../wire/bytes.ts'
import * as icmp from '../wire/icmp.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { DefaultRoutes } from './default-route.ts'
import type { RouteExceptions } from './exception.ts'
import { MultipathHash } from './multipath-hash.ts'
import type { NeighbourTable } from './neighbour.ts'
import { isValid } from './neighbour-entry.ts'
import {
  BLACKHOLE,
  type Multipath,
  PROHIBITED,
  type Route,
  RouteCache,
  type RouteListener,
  RouteTable,
  type RouteTableHost,
  route,
} from './route.ts'
import { Flow, matches, type Rule, Rules, TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN } from './rules.ts'
import type { Sysctl } from './sysctl.ts'

/** What the look-up needs of its namespace. */
export interface FibHost {
  readonly world: World
  readonly sysctl: Sysctl
  readonly loopback: Loopback
  readonly neighbours: NeighbourTable
  selectAddress(device: NetDevice, peer: Ipv4): Ipv4 | null
}

export class Fib implements RouteTableHost {
  readonly local: RouteTable
  readonly main: RouteTable
  readonly rules: Rules
  readonly exceptions: RouteExceptions
  /** The table that the last look-up by rules ended in, and what it gave: of a multipath route all. */
  answeredBy = 0
  answer: Route | null = null
  /** The rule that named the table, or refused; null while there are no rules of one's own. */
  answeredRule: Rule | null = null
  #default: RouteTable | null = null
  #host: FibHost
  #tables = new Map<number, RouteTable>()
  #cache = new RouteCache()
  #flow = new Flow()
  #listener: RouteListener | null = null
  readonly #hash: MultipathHash
  /** There are routes for one TOS only. */
  #byTos = false
  /** Some table has more than one route to everywhere. */
  #manyDefaults = false
  readonly #defaults: DefaultRoutes
  /** The last answer depends on a carrier. */
  #fleeting = false

  constructor(host: FibHost, exceptions: RouteExceptions) {
    this.#host = host
    this.exceptions = exceptions
    this.#hash = new MultipathHash(host.world, host.sysctl)
    this.#defaults = new DefaultRoutes(host.neighbours)
    this.rules = new Rules(() => this.#cache.clear())
    this.local = this.table(TABLE_LOCAL)
    this.main = this.table(TABLE_MAIN)
    host.sysctl.watch((name) => {
      if (name.endsWith('.ignore_routes_with_linkdown')) this.changed()
    })
  }

  /** Forgets remembered answers: something that they depend on has changed. */
  changed(): void {
    this.#cache.clear()
    this.#byTos = false
    this.#manyDefaults = false
    for (const table of this.#tables.values()) {
      if (table.tosRoutes > 0) this.#byTos = true
      if (table.defaults.length > 1) this.#manyDefaults = true
    }
  }

  /** The table of this number, which is there from now on. */
  table(id: number): RouteTable {
    let found = this.#tables.get(id)
    if (found === undefined) {
      found = new RouteTable(id, this)
      found.listener = this.#listener
      this.#tables.set(id, found)
      if (id === TABLE_DEFAULT) this.#default = found
      this.#cache.clear()
    }
    return found
  }

  /** Null: nobody has put a route into it yet. */
  existing(id: number): RouteTable | null {
    return this.#tables.get(id) ?? null
  }

  /** In the order in which the kernel dumps them: by the low byte of their number. */
  tables(): RouteTable[] {
    return [...this.#tables.values()].sort((a, b) => (a.id & 255) - (b.id & 255) || b.id - a.id)
  }

  /** Takes routes out of all tables but local. */
  remove(doomed: (route: Route) => boolean): void {
    for (const table of this.#tables.values()) if (table !== this.local) table.remove(doomed)
  }

  /**
   * The device is down, speaks no IPv4 any more, or is `gone` (fib_sync_down_dev): its routes go, and next hops by it
   * are dead; a multipath route goes with its last hop, or with a device that will not come back. Nobody is told.
   */
  withdraw(device: NetDevice, gone = false): void {
    for (const table of this.#tables.values()) {
      if (table !== this.local) table.purge((each) => each.device === device)
      if (table.multipathRoutes === 0) continue
      table.purge(({ multipath }) => multipath !== null && multipath.uses(device) && (multipath.kill(device) || gone))
    }
    this.carriersChanged()
  }

  /** The device is up and speaks IPv4 (fib_sync_up): next hops by it live again. */
  revive(device: NetDevice): void {
    for (const table of this.#tables.values()) for (const each of table.multipaths()) each.revive(device)
    this.carriersChanged()
  }

  /** Carriers, devices or addresses are others now: the next hops share their flows anew. */
  carriersChanged(): void {
    this.#cache.clear()
    for (const table of this.#tables.values()) {
      if (table.multipathRoutes > 0) for (const each of table.multipaths()) this.balance(each)
    }
  }

  balance(multipath: Multipath): void {
    const host = this.#host
    multipath.balance(this, (hop) => host.selectAddress(hop.device as NetDevice, hop.gateway ?? ANY) ?? ANY)
  }

  unusable(device: NetDevice): boolean {
    if (this.#host.sysctl.inet.byIndex[device.index]?.ignoreRoutesWithLinkdown !== true) return false
    this.#fleeting = true
    return !device.carrier
  }

  /** Who hears of routes that come and go; null: nobody. */
  listen(listener: RouteListener | null): void {
    this.#listener = listener
    for (const table of this.#tables.values()) table.listener = listener
  }

  /**
   * Which way to a destination, for a question that names no more than this; null: network unreachable. As source port
   * ANY_PORT: the flow has none yet.
   */
  lookup(destination: Ipv4, source: Ipv4 = ANY, protocol = 0, sourcePort = 0, destinationPort = 0): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    const flow = this.#ours(source, destination)
    flow.protocol = protocol
    flow.sourcePort = sourcePort
    flow.destinationPort = destinationPort
    return this.find(flow)
  }

  /** Whom a packet that leaves by the device is sent to on its way; null: to its destination itself. */
  gatewayBy(output: NetDevice, destination: Ipv4): Ipv4 | null {
    const found = this.resolve(this.#ours(ANY, destination))
    const hop = found === null || found.multipath === null ? found : found.multipath.first(output, this)
    return hop?.gateway ?? null
  }

  /** The way of an ICMP error to the sender of the packet that it is about; ANY: the route chooses where from. */
  errorTo(frame: Frame, sender: Ipv4, from: Ipv4): Route | null {
    const known = this.#cache.get(sender)
    if (known !== null) return known
    const flow = this.#ours(from, sender)
    flow.protocol = ipv4.IPPROTO_ICMP
    flow.packet = frame
    flow.packetAt = frame.network
    return this.find(flow)
  }

  /** The way of a packet that this host sends: frame.network is its header. ANY as source: the route chooses it. */
  output(frame: Frame, source: Ipv4, destination: Ipv4): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    if (destination === BROADCAST && source !== ANY) return this.#toAll(source)
    const flow = this.#flowOf(frame, source, destination, this.#host.loopback)
    flow.fresh = frame.sourceChosen
    if (flow.protocol === ipv4.IPPROTO_ICMP) this.#message(flow, frame)
    return this.find(flow)
  }

  /** The same once more, for what OUTPUT changed (ip_route_me_harder): of a flow whose protocol and ports nobody says. */
  reroute(frame: Frame, source: Ipv4, destination: Ipv4): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    const flow = this.#ours(source, destination)
    flow.mark = frame.mark
    flow.tos = ipv4.tos(frame.bytes, frame.network)
    return this.find(flow)
  }

  /** 255.255.255.255 is on the network whose address we speak from (ip_route_output_key_hash_rcu). */
  #toAll(source: Ipv4): Route | null {
    const own = this.local.lookup(source)
    if (own === null) return null
    return route({ type: 'broadcast', destination: own.destination, device: own.device, scope: 'link' })
  }

  /** The way of a packet that came in. */
  input(frame: Frame, source: Ipv4, destination: Ipv4, input: NetDevice): Route | null {
    const known = this.#cache.get(destination)
    if (known !== null) return known
    const flow = this.#flowOf(frame, source, destination, input)
    flow.packet = frame
    flow.packetAt = frame.network
    flow.packetHash = frame.hash
    return this.find(flow)
  }

  /** The way back to where a packet came from, a multipath one as a whole. */
  reverse(source: Ipv4, destination: Ipv4, mark: number, tos: number): Route | null {
    const known = this.#cache.get(source)
    if (known !== null) return known
    const flow = this.#ours(destination, source)
    flow.mark = mark
    flow.tos = tos
    return this.resolve(flow)
  }

  /** The last question. */
  get asked(): Flow {
    return this.#flow
  }

  /** The answer for everything that is known of a packet. */
  find(flow: Flow): Route | null {
    const whole = this.resolve(flow)
    if (whole === null) return null
    let found: Route | null = whole
    if (whole.multipath !== null) found = this.#hop(whole.multipath, flow)
    else if (this.#manyDefaults && whole.destination.prefix === 0) found = this.#ofDefaults(whole, flow)
    return found === null || this.exceptions.redirects === 0
      ? found
      : this.exceptions.redirected(found, flow.destination)
  }

  /** The route itself, before what ICMP taught: a multipath one as a whole. */
  resolve(flow: Flow): Route | null {
    if (this.rules.custom) {
      if (journal.open) journal.refuse()
      this.answeredRule = null
      this.answer = this.#byRules(flow)
      return this.answer
    }
    this.#fleeting =
      this.#byTos ||
      flow.output !== null ||
      flow.scope !== 0 ||
      flow.destination === BROADCAST ||
      this.exceptions.redirects !== 0
    const found = this.#plain(flow)
    this.answer = found
    const sure = found !== null && found.multipath === null && !this.#fleeting
    if (sure && (!this.#manyDefaults || found.destination.prefix > 0)) this.#cache.set(flow.destination, found)
    else if (journal.open) journal.refuse()
    return found
  }

  /** fib_select_path: whoever names a device gets the first hop by it, all others the one that their hash chooses. */
  #hop(multipath: Multipath, flow: Flow): Route | null {
    if (flow.output !== null) return multipath.first(flow.output, this)
    const { packet } = flow
    const hash = this.#hash
    const chosen =
      packet === null ? hash.ofFlow(flow) : hash.ofPacket(packet.bytes, flow.packetAt, packet.end, flow.packetHash)
    const source = flow.input === this.#host.loopback ? flow.source : ANY
    const avoids = hash.useNeighbours ? this.#silent : null
    return multipath.select(chosen, source, avoids) ?? multipath.first(null, this)
  }

  /** Only what we send ourselves, and not by a device of our choice, looks for another default route. */
  #ofDefaults(found: Route, flow: Flow): Route {
    const all = this.#tables.get(this.answeredBy)?.defaults ?? []
    const ours = flow.input === this.#host.loopback && flow.output === null && found.type === 'unicast'
    return ours && all.length > 1 ? this.#defaults.select(found, all, flow.fresh) : found
  }

  /** fib_good_nh, the other way round: it was asked for in vain, or did not answer yet. */
  readonly #silent = (hop: Route): boolean => {
    const neighbour = hop.gateway === null ? null : this.#host.neighbours.find(hop.device as NetDevice, hop.gateway)
    return neighbour !== null && !isValid(neighbour.state)
  }

  #plain(flow: Flow): Route | null {
    const { destination, output, tos, scope } = flow
    let found = this.local.lookup(destination, output, tos, scope)
    this.answeredBy = TABLE_LOCAL
    if (found === null || found.type === 'throw') {
      found = this.main.lookup(destination, output, tos, scope)
      this.answeredBy = TABLE_MAIN
      if ((found === null || found.type === 'throw') && this.#default !== null) {
        found = this.#default.lookup(destination, output, tos, scope)
        this.answeredBy = TABLE_DEFAULT
      }
    }
    return found === null || found.type === 'throw' ? null : found
  }

  /** fib_rules_lookup. */
  #byRules(flow: Flow): Route | null {
    const rules = this.rules.list()
    for (let i = 0; i < rules.length; i++) {
      const each = rules[i]
      if (!matches(each, flow)) continue
      this.answeredRule = each
      if (each.action === 'unreachable') return null
      if (each.action === 'blackhole') return BLACKHOLE
      if (each.action === 'prohibit') return PROHIBITED
      if (each.action === 'goto') {
        const target = rules.findIndex((other) => other.priority === each.target)
        if (target > i) i = target - 1
        continue
      }
      if (each.action === 'nop') continue
      const found = this.#inTable(each, flow)
      if (found !== null) return found
    }
    return null
  }

  #inTable(each: Rule, flow: Flow): Route | null {
    const found = this.#tables.get(each.table)?.lookup(flow.destination, flow.output, flow.tos, flow.scope) ?? null
    if (found === null || found.type === 'throw' || found.destination.prefix <= each.suppressPrefix) return null
    this.answeredBy = each.table
    return found
  }

  /** A question of this host's own, of which no more than the ends is said yet; ANY as source: the route chooses it. */
  #ours(source: Ipv4, destination: Ipv4): Flow {
    const flow = this.#flow
    flow.clear()
    flow.destination = destination
    flow.source = source
    flow.input = this.#host.loopback
    return flow
  }

  #flowOf(frame: Frame, source: Ipv4, destination: Ipv4, input: NetDevice): Flow {
    const { bytes, network: at, transport } = frame
    const flow = this.#flow
    flow.clear()
    flow.destination = destination
    flow.source = frame.sourceChosen ? ANY : source
    flow.mark = frame.mark
    flow.input = input
    flow.tos = ipv4.tos(bytes, at)
    flow.protocol = ipv4.protocol(bytes, at)
    const ported = flow.protocol === ipv4.IPPROTO_TCP || flow.protocol === ipv4.IPPROTO_UDP
    if (ported && ipv4.fragmentOffset(bytes, at) === 0 && transport + 4 <= frame.end) {
      flow.sourcePort = u16(bytes, transport)
      flow.destinationPort = u16(bytes, transport + 2)
    }
    return flow
  }

  /**
   * What stands for ports in a message that we send is its type and code (flowi4's fl4_icmp_type is where fl4_dport is);
   * an error goes by the flow of what it quotes (icmp_route_lookup).
   */
  #message(flow: Flow, frame: Frame): void {
    const { bytes, transport, end } = frame
    if (transport + icmp.HEADER > end) return
    const type = icmp.type(bytes, transport)
    flow.destinationPort = (type << 8) | icmp.code(bytes, transport)
    const quoted = transport + icmp.HEADER
    if (!icmp.isError(type) || quoted + ipv4.HEADER > end) return
    flow.packet = frame
    flow.packetAt = quoted
  }
}
