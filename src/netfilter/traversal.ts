/**
 * The walk of a packet through a base chain and the chains it jumps to (ipt_do_table, nft_do_chain). No object is
 * made: verdicts are integers, the way back is kept in two arrays.
 */
import { journal } from '../link/flow-cache.ts'
import type { Ipv4 } from '../wire/address.ts'
import { type Chain, Inverted, type Rule } from './chain.ts'
import { Verdict } from './hook.ts'
import type { Packet } from './packet.ts'

/** Deeper than any acyclic rule set goes in practice; the kernel's own limit for nft is 16. */
const DEPTH = 64

export class Traversal {
  #rules: Rule[][] = new Array<Rule[]>(DEPTH).fill([])
  #places = new Int32Array(DEPTH)

  /** ACCEPT, DROP or REJECT. */
  run(base: Chain, packet: Packet): Verdict {
    packet.readStates()
    const { source, destination, protocol, length, states } = packet
    let rules = base.rules
    let place = 0
    let depth = 0
    for (;;) {
      if (place >= rules.length) {
        if (depth === 0) return this.#policy(base, length, packet)
        depth--
        rules = this.#rules[depth]
        place = this.#places[depth]
        continue
      }
      const rule = rules[place++]
      if (rule.headed && !fits(rule, source, destination, protocol)) continue
      if (rule.states !== 0 && ((states & rule.states) !== 0) === rule.statesNot) continue
      if (rule.more && !this.#holds(rule, packet)) continue
      rule.packets++
      rule.bytes += length
      if (journal.open) noteRule(packet, rule)
      let verdict = rule.verdict
      if (verdict === Verdict.TARGET) verdict = rule.target === null ? Verdict.CONTINUE : rule.target.apply(packet)
      switch (verdict) {
        case Verdict.CONTINUE:
          continue
        case Verdict.RETURN:
          place = rules.length
          continue
        case Verdict.JUMP:
          // Half of kube-proxy's chains are empty.
          if (rule.chain !== null && rule.chain.rules.length === 0) continue
          if (depth === DEPTH) return Verdict.DROP
          this.#rules[depth] = rules
          this.#places[depth] = place
          depth++
          if (rule.chain !== null) rules = rule.chain.rules
          place = 0
          continue
        case Verdict.GOTO:
          if (rule.chain !== null) rules = rule.chain.rules
          place = 0
          continue
        default:
          return verdict
      }
    }
  }

  #holds(rule: Rule, packet: Packet): boolean {
    if (rule.input.given && !rule.input.holds(packet.input)) return false
    if (rule.output.given && !rule.output.holds(packet.output)) return false
    if (journal.open && !rule.steady) journal.refuse()
    if (rule.fragments && packet.fragment === ((rule.inverted & Inverted.FRAGMENT) !== 0)) return false
    const tests = rule.tests
    for (let i = 0; i < tests.length; i++) if (!tests[i].test(packet)) return false
    return true
  }

  #policy(base: Chain, length: number, packet: Packet): Verdict {
    if (base.counted) {
      base.packets++
      base.bytes += length
      if (journal.open) journal.count(packet.frame, base)
    }
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
function noteRule(packet: Packet, rule: Rule): void {
  if (rule.verdict === Verdict.TARGET && rule.target !== null) journal.refuse()
  journal.count(packet.frame, rule)
}
