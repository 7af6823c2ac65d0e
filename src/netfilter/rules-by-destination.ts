/**
 * Long chains of rules for one address each, as kube-proxy's KUBE-SERVICES is: a packet is asked only those that name its
 * destination, and those that name none, in their order. Exact, since a rule whose destination is another one does nothing.
 */
import type { Ipv4 } from '../wire/address.ts'
import { Inverted, type Rule } from './chain.ts'

/** Shorter chains are read through as fast. */
const LONG = 32
/** Rules without an address stand in each list. */
const MOST_ANYWHERE = 16
/** An index takes as long to make as some hundred walks: it is made when the rules have stood that long. */
const WALKS = 128

function named(rule: Rule): boolean {
  return rule.destinationMask === -1 && (rule.inverted & Inverted.DESTINATION) === 0
}

export class RulesByDestination {
  readonly #rules: readonly Rule[]
  #walks = 0
  #lists: Map<Ipv4, Rule[]> | null = null
  readonly #anywhere: Rule[] = []

  private constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  /** Null for a chain that is read through. */
  static of(rules: readonly Rule[]): RulesByDestination | null {
    if (rules.length < LONG) return null
    let anywhere = 0
    for (const rule of rules) if (!named(rule) && ++anywhere > MOST_ANYWHERE) return null
    return new RulesByDestination(rules)
  }

  /** What a packet to this address has to be asked. */
  rulesTo(destination: Ipv4): readonly Rule[] {
    if (this.#lists === null) {
      if (++this.#walks < WALKS) return this.#rules
      this.#lists = this.#made()
    }
    return this.#lists.get(destination) ?? this.#anywhere
  }

  #made(): Map<Ipv4, Rule[]> {
    const lists = new Map<Ipv4, Rule[]>()
    for (const rule of this.#rules) {
      if (!named(rule)) {
        this.#anywhere.push(rule)
        for (const list of lists.values()) list.push(rule)
        continue
      }
      const list = lists.get(rule.destination)
      if (list === undefined) lists.set(rule.destination, [...this.#anywhere, rule])
      else list.push(rule)
    }
    return lists
  }
}
