/**
 * The walk of a packet through a base chain and the chains it jumps to (ipt_do_table, nft_do_chain). No object is
 * made: verdicts are integers, the way back is kept in two arrays.
 */
import { journal } from '../link/flow-cache.ts'
import type { Ipv4 } from '../wire/address.ts'
import { type Chain, Inverted, type Rule } from './chain.ts'
import { Verdict } from './hook.ts'
import type { Match } from './match.ts'
import { type Packet, STANDINGS } from './packet.ts'
import { MissedRule, PolicyDecision, RuleDecision } from './rule-decisions.ts'
import { Effect } from './rule-effect.ts'
import { RulesByDestination } from './rules-by-destination.ts'

/** Deeper than any acyclic rule set goes in practice; the kernel's own limit for nft is 16. */
const DEPTH = 64

export class Traversal {
  #chains: (Chain | null)[] = new Array<Chain | null>(DEPTH).fill(null)
  #lists: (readonly Rule[])[] = new Array<readonly Rule[]>(DEPTH).fill([])
  #places = new Int32Array(DEPTH)
  /** How often the rules were changed. */
  #version = 0
  /** While traced: which match of the last rule failed. */
  #failed: Match | null = null

  /** What is known of the rules does not hold any more. */
  rulesChanged(): void {
    this.#version++
  }

  /** ACCEPT, DROP or REJECT. */
  run(base: Chain, packet: Packet): Verdict {
    packet.readStates()
    const { source, destination, protocol, length } = packet
    const { frame } = packet
    let chain = base
    let rules = this.#rulesFor(base, packet)
    let place = 0
    let depth = 0
    for (;;) {
      if (place >= rules.length) {
        if (depth === 0) return this.#policy(base, length, packet)
        depth--
        chain = this.#chains[depth] as Chain
        rules = this.#lists[depth]
        place = this.#places[depth]
        continue
      }
      const rule = rules[place++]
      if (rule.headed && !fits(rule, source, destination, protocol)) continue
      if (rule.states !== 0 && ((packet.states & rule.states) !== 0) === rule.statesNot) continue
      if (rule.markMask !== 0 && ((frame.mark & rule.markMask) === rule.mark) === rule.markNot) continue
      if (rule.more && !this.#holds(rule, packet)) {
        if (journal.open) this.#missed(chain, place, rule, packet)
        continue
      }
      rule.packets++
      rule.bytes += length
      let verdict = rule.verdict
      if (journal.open) verdict = applied(chain, place, rule, packet)
      else if (verdict === Verdict.TARGET) verdict = rule.target === null ? Verdict.CONTINUE : rule.target.apply(packet)
      switch (verdict) {
        case Verdict.CONTINUE:
          continue
        case Verdict.RETURN:
          place = rules.length
          continue
        case Verdict.JUMP:
          // Half of kube-proxy's chains are empty.
          if (rule.chain === null || rule.chain.rules.length === 0) continue
          // Behind the last rule there is nothing to come back to.
          if (place < rules.length) {
            if (depth === DEPTH) return Verdict.DROP
            this.#chains[depth] = chain
            this.#lists[depth] = rules
            this.#places[depth] = place
            depth++
          }
          chain = rule.chain
          rules = this.#rulesFor(chain, packet)
          place = 0
          continue
        case Verdict.GOTO:
          if (rule.chain !== null) chain = rule.chain
          rules = this.#rulesFor(chain, packet)
          place = 0
          continue
        default:
          return verdict
      }
    }
  }

  /**
   * The rules that a packet may match as its flow stands, or by where it goes: the others look at that and do nothing else, and
   * need not be asked for each packet. Whoever traces is told of rules by their number, and so is shown all.
   */
  #rulesFor(chain: Chain, packet: Packet): readonly Rule[] {
    if (chain.sorted !== this.#version) this.#forget(chain)
    if (journal.open) return chain.rules
    const { byStanding, index } = chain
    if (byStanding !== null) return byStanding[packet.standing] ?? this.#sort(chain, byStanding, packet)
    return index === null ? chain.rules : index.rulesTo(packet.destination)
  }

  #forget(chain: Chain): void {
    chain.sorted = this.#version
    chain.byStanding = chain.rules.some((rule) => rule.states !== 0) ? new Array(STANDINGS).fill(null) : null
    chain.index = chain.byStanding === null ? RulesByDestination.of(chain.rules) : null
  }

  #sort(chain: Chain, byStanding: (readonly Rule[] | null)[], { standing, states }: Packet): readonly Rule[] {
    const rules = chain.rules.filter((rule) => rule.states === 0 || ((states & rule.states) !== 0) !== rule.statesNot)
    byStanding[standing] = rules
    return rules
  }

  #holds(rule: Rule, packet: Packet): boolean {
    if (rule.input.given && !rule.input.holds(packet.input)) return false
    if (rule.output.given && !rule.output.holds(packet.output)) return false
    if (journal.open && !rule.steady) journal.refuse()
    if (rule.fragments && packet.fragment === ((rule.inverted & Inverted.FRAGMENT) !== 0)) return false
    const tests = rule.tests
    for (let i = 0; i < tests.length; i++) {
      if (tests[i].test(packet)) continue
      if (journal.open) this.#failed = tests[i]
      return false
    }
    return true
  }

  #missed(chain: Chain, number: number, rule: Rule, packet: Packet): void {
    const match = this.#failed
    this.#failed = null
    if (match !== null && match.fickle) packet.tell(new MissedRule(chain, number, rule, match.reason()))
  }

  #policy(base: Chain, length: number, packet: Packet): Verdict {
    if (base.counted) {
      base.packets++
      base.bytes += length
      if (journal.open) journal.count(packet.frame, base)
    }
    if (journal.open && worthTelling(base)) packet.tell(new PolicyDecision(base))
    return base.policy
  }
}

/** ip_packet_match: addresses and protocol, each perhaps inverted. */
function fits(rule: Rule, source: Ipv4, destination: Ipv4, protocol: number): boolean {
  const { inverted } = rule
  if (((source & rule.sourceMask) === rule.source) === ((inverted & Inverted.SOURCE) !== 0)) return false
  if (((destination & rule.destinationMask) === rule.destination) === ((inverted & Inverted.DESTINATION) !== 0)) {
    return false
  }
  return rule.protocol === 0 || (rule.protocol === protocol) !== ((inverted & Inverted.PROTOCOL) !== 0)
}

/** A rule matched (see link/flow-cache.ts). What its target does besides is no step. */
function applied(chain: Chain, number: number, rule: Rule, packet: Packet): Verdict {
  journal.count(packet.frame, rule)
  const effect = new Effect(packet)
  let { verdict } = rule
  if (verdict === Verdict.TARGET) {
    if (rule.target !== null) journal.refuse()
    verdict = rule.target === null ? Verdict.CONTINUE : rule.target.apply(packet)
  }
  effect.settle(packet)
  packet.tell(new RuleDecision(chain, number, rule, verdict, effect))
  for (const test of rule.tests) {
    const further = test.further()
    if (further !== null) packet.tell(further)
  }
  return verdict
}

/** mangle and raw accept nearly always, and that is nothing to talk about. */
function worthTelling({ policy, table }: Chain): boolean {
  return policy !== Verdict.ACCEPT || table.name === 'filter' || table.name === 'nat'
}
