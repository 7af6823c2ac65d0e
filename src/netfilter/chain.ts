/** Rules, the chains that hold them, and the tables that hold the chains. */
import { LARGE } from '../sim/count.ts'
import type { Ipv4 } from '../wire/address.ts'
import { type Hook, hookNames, type TableName, tableHooks, Verdict } from './hook.ts'
import { InterfaceName } from './interface-name.ts'
import type { Match } from './match.ts'
import { ConntrackMatch } from './match-conntrack.ts'
import { CommentMatch, MarkMatch } from './match-mark.ts'
import type { Target } from './target.ts'

/** Bits of `Rule.inverted`. */
export const Inverted = { SOURCE: 1, DESTINATION: 2, PROTOCOL: 4, FRAGMENT: 8 } as const

/**
 * One rule. What nearly every rule asks (addresses, protocol, interfaces, state of the flow) is kept in plain
 * numbers, as struct ipt_ip does, and compared before any Match object is called.
 */
export class Rule {
  source = 0 as Ipv4
  sourceMask = 0 as Ipv4
  destination = 0 as Ipv4
  destinationMask = 0 as Ipv4
  /** 0: any. */
  protocol = 0
  /** Bits of `Inverted`. */
  inverted = 0
  /** Only fragments that are not the first (or, inverted, all others). */
  fragments = false
  /** Bits of `CtState`, and whether none of them may be set; 0 when the state is not asked for. */
  states = 0
  statesNot = false
  /** What the packet's mark is to be under the mask, or (markNot) not to be; the mask is 0 when it is not asked for. */
  mark = 0
  markMask = 0
  markNot = false
  /** Is an address or the protocol asked for? */
  headed = false
  /** Is an interface, a fragment or a Match to be looked at besides? */
  more = false
  readonly input = new InterfaceName()
  readonly output = new InterfaceName()
  /** As written. */
  matches: Match[] = []
  /** Those that cost a call. */
  tests: Match[] = []
  verdict: Verdict = Verdict.CONTINUE
  /** Of JUMP and GOTO. */
  chain: Chain | null = null
  /** Of TARGET. */
  target: Target | null = null
  packets = 0
  bytes = LARGE

  constructor() {
    this.bytes = 0
  }

  /** Sorts the matches into numbers and calls, once all of them are known. */
  settle(): void {
    this.tests = []
    this.states = 0
    this.markMask = 0
    for (const match of this.matches) {
      if (match instanceof CommentMatch) continue
      // What counts or remembers packets must not be asked about those that an earlier match refuses, nor the other way round.
      if (!this.tests.every((test) => test.steady) || !this.#absorb(match)) this.tests.push(match)
    }
    this.headed = this.sourceMask !== 0 || this.destinationMask !== 0 || this.protocol !== 0 || this.inverted !== 0
    this.more = this.tests.length > 0 || this.input.given || this.output.given || this.fragments
  }

  /** Keeps what the match asks in numbers, if it can. */
  #absorb(match: Match): boolean {
    if (match instanceof ConntrackMatch && match.onlyStates && this.states === 0) {
      this.states = match.states
      this.statesNot = match.statesNot
      return true
    }
    if (match instanceof MarkMatch && match.onlyPacket && this.markMask === 0) {
      this.mark = match.value
      this.markMask = match.mask
      this.markNot = match.not
      return true
    }
    return false
  }

  /** Do all packets of a flow fare alike, once its status is what it will be? */
  get steady(): boolean {
    return this.tests.every((match) => match.steady)
  }

  get tracks(): boolean {
    return this.matches.some((match) => match.tracks) || this.target?.tracks === true
  }
}

export class Chain {
  name: string
  /** Null for a user-defined chain. */
  readonly hook: Hook | null
  readonly table: Table
  rules: Rule[] = []
  /** Of `rules` those that a packet of one state may match, by `Packet.standing`, and which rules they were sorted out of. */
  byStanding: (readonly Rule[] | null)[] | null = null
  /** ... or by a packet to one address. */
  index: { rulesTo(destination: Ipv4): readonly Rule[] } | null = null
  sorted = -1
  policy: Verdict = Verdict.ACCEPT
  /** What the policy decided on; counted only when iptables-restore has set the policy (nft: a chain with counter). */
  packets = 0
  bytes = LARGE
  counted = false

  constructor(name: string, hook: Hook | null, table: Table) {
    this.name = name
    this.hook = hook
    this.bytes = 0
    this.table = table
  }
}

export class Table {
  readonly name: TableName
  /** Of x_tables: what iptables-legacy shows. */
  readonly legacy: boolean
  readonly chains = new Map<string, Chain>()
  /** The built-in chains by hook. */
  readonly hooks: (Chain | null)[] = [null, null, null, null, null]

  /** `legacy`: its built-in chains always count what their policy decides. */
  constructor(name: TableName, legacy = false) {
    this.name = name
    this.legacy = legacy
    for (const hook of tableHooks[name]) {
      const chain = new Chain(hookNames[hook], hook, this)
      chain.counted = legacy
      this.chains.set(chain.name, chain)
      this.hooks[hook] = chain
    }
  }

  /** Built-in chains by hook, then the user's by name, as iptables-nft prints them. */
  ordered(): Chain[] {
    const own = [...this.chains.values()].filter((chain) => chain.hook === null)
    own.sort((a, b) => (a.name < b.name ? -1 : 1))
    return [...this.hooks.filter((chain) => chain !== null), ...own]
  }

  /** How many rules jump to the chain. */
  references(chain: Chain): number {
    let count = 0
    for (const { rules } of this.chains.values()) for (const rule of rules) if (rule.chain === chain) count++
    return count
  }
}
