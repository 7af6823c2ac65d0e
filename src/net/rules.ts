/**
 * Policy routing: the rules that say which table answers for which packet (net/core/fib_rules.c, fib_rules.c of
 * net/ipv4). Every namespace begins with three: local, main, default.
 */
import type { NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import { ANY, type Cidr, contains, type Ipv4 } from '../wire/address.ts'

/** RT_TABLE_* of rtnetlink.h. */
export const TABLE_DEFAULT = 253
export const TABLE_MAIN = 254
export const TABLE_LOCAL = 255

export type RuleAction = 'lookup' | 'blackhole' | 'unreachable' | 'prohibit' | 'goto' | 'nop'

/** Two ends of a range of ports, both included. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

export interface Rule {
  readonly priority: number
  readonly not: boolean
  readonly from: Cidr | null
  readonly to: Cidr | null
  /** By name: the device may come and go. `lo` means what this host sends itself. */
  readonly input: string | null
  readonly output: string | null
  readonly mark: number
  readonly markMask: number
  readonly tos: number
  /** IP protocol number; 0 for any. */
  readonly protocol: number
  readonly sourcePorts: PortRange | null
  readonly destinationPorts: PortRange | null
  readonly action: RuleAction
  /** Of `lookup`. */
  readonly table: number
  /** Of `goto`: the priority of the rule to go on with. */
  readonly target: number
  /** Routes of this prefix length or a shorter one are passed over; -1: none are. */
  readonly suppressPrefix: number
  /** Who made it: a number of rt_protos. */
  readonly origin: number
}

export function rule(fields: Partial<Rule>): Rule {
  return {
    priority: fields.priority ?? 0,
    not: fields.not ?? false,
    from: fields.from ?? null,
    to: fields.to ?? null,
    input: fields.input ?? null,
    output: fields.output ?? null,
    mark: fields.mark ?? 0,
    markMask: fields.markMask ?? 0,
    tos: fields.tos ?? 0,
    protocol: fields.protocol ?? 0,
    sourcePorts: fields.sourcePorts ?? null,
    destinationPorts: fields.destinationPorts ?? null,
    action: fields.action ?? 'lookup',
    table: fields.table ?? TABLE_MAIN,
    target: fields.target ?? 0,
    suppressPrefix: fields.suppressPrefix ?? -1,
    origin: fields.origin ?? 0,
  }
}

/** What rules and multipath routes look at (struct flowi4). One is made and filled again for each question. */
export class Flow {
  destination: Ipv4 = ANY
  /** ANY while the route is to choose it. */
  source: Ipv4 = ANY
  mark = 0
  tos = 0
  protocol = 0
  sourcePort = 0
  destinationPort = 0
  /** Where it came in; lo for what this host sends. */
  input: NetDevice | null = null
  /** Where it has to go out, if that is said. */
  output: NetDevice | null = null
  /** The widest scope that a route may have (RT_SCOPE_*: the wider, the smaller); asks for a gateway do not mind carriers. */
  scope = 0
  /** No connection holds on to the answer: default routes that may be dead have their turns. */
  fresh = false
  /** The packet itself, where its IP header begins, and what its sender's socket hashed it to: for multipath routes. */
  packet: Frame | null = null
  packetAt = 0
  packetHash = 0

  clear(): void {
    this.destination = ANY
    this.source = ANY
    this.mark = 0
    this.tos = 0
    this.protocol = 0
    this.sourcePort = 0
    this.destinationPort = 0
    this.input = null
    this.output = null
    this.scope = 0
    this.fresh = false
    this.packet = null
    this.packetAt = 0
    this.packetHash = 0
  }
}

/** RTPROT_KERNEL: who made the first three. */
const KERNEL = 2

/** What every namespace begins with. */
const INITIAL: readonly Rule[] = [
  rule({ priority: 0, table: TABLE_LOCAL, origin: KERNEL }),
  rule({ priority: 32_766, table: TABLE_MAIN, origin: KERNEL }),
  rule({ priority: 32_767, table: TABLE_DEFAULT, origin: KERNEL }),
]

export class Rules {
  /** True while there is more to it than local, main, default: only then does a look-up ask the rules. */
  custom = false
  #rules = INITIAL
  #changed: () => void

  constructor(changed: () => void) {
    this.#changed = changed
  }

  list(): readonly Rule[] {
    return this.#rules
  }

  /** What a rule without a `pref` gets: one before the second rule there is (fib_default_rule_pref). */
  freePriority(): number {
    const second = this.#rules.at(1)
    return second === undefined || second.priority === 0 ? 0 : second.priority - 1
  }

  /** Behind those of the same priority. False when there is the same rule already (EEXIST). */
  add(added: Rule): boolean {
    if (this.#rules.some((each) => sameRule(each, added))) return false
    const before = this.#rules.findIndex((each) => each.priority > added.priority)
    this.#rules = this.#rules.toSpliced(before < 0 ? this.#rules.length : before, 0, added)
    this.#settle()
    return true
  }

  remove(doomed: Rule): void {
    this.#rules = this.#rules.filter((each) => each !== doomed)
    this.#settle()
  }

  /** Is there a rule that a `goto` with this target would find? */
  resolves(target: number): boolean {
    return this.#rules.some((each) => each.priority === target)
  }

  #settle(): void {
    const plain = this.#rules.length === 3 && this.#rules.every((each, i) => each === INITIAL[i])
    this.custom = !plain
    this.#changed()
  }
}

function sameRule(a: Rule, b: Rule): boolean {
  const text = (each: Rule) => JSON.stringify({ ...each, origin: 0 })
  return text(a) === text(b)
}

/** fib4_rule_match. */
export function matches(each: Rule, flow: Flow): boolean {
  return selects(each, flow) !== each.not
}

function selects(each: Rule, flow: Flow): boolean {
  if (each.input !== null && flow.input?.name !== each.input) return false
  if (each.output !== null && flow.output?.name !== each.output) return false
  if (((flow.mark ^ each.mark) & each.markMask) !== 0) return false
  if (each.from !== null && !contains(each.from, flow.source)) return false
  if (each.to !== null && !contains(each.to, flow.destination)) return false
  if (each.tos !== 0 && each.tos !== (flow.tos & 0xfc)) return false
  if (each.protocol !== 0 && each.protocol !== flow.protocol) return false
  return within(each.sourcePorts, flow.sourcePort) && within(each.destinationPorts, flow.destinationPort)
}

function within(range: PortRange | null, port: number): boolean {
  return range === null || (port >= range.first && port <= range.last)
}
