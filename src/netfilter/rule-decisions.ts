/**
 * What rules and policies of iptables' tables decided, for whoever traces (see link/decision.ts). A rule is spelled
 * as `iptables -S` prints it.
 */
import { Decision, type DecisionKind } from '../link/decision.ts'
import type { Chain, Rule } from './chain.ts'
import type { TableName } from './hook.ts'
import type { Effect } from './rule-effect.ts'
import { policyName, saveRule } from './rule-text.ts'

function listing(table: TableName, legacy: boolean, chain: string): string {
  return `${legacy ? 'iptables-legacy' : 'iptables'}${table === 'filter' ? '' : ` -t ${table}`} -S ${chain}`
}

const TRANSLATORS: readonly string[] = ['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'NETMAP']

const NO_REASONS: readonly string[] = []

/** What its matches say of themselves; most say nothing. */
function reasonsOf({ tests }: Rule): readonly string[] {
  let reasons = NO_REASONS
  for (let i = 0; i < tests.length; i++) {
    const text = tests[i].reason()
    if (text !== '') reasons = [...reasons, text]
  }
  return reasons
}

/** A rule matched, and what it did. */
export class RuleDecision extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #rule: Rule
  readonly #chain: string
  readonly #table: TableName
  readonly #legacy: boolean
  readonly #number: number
  readonly #verdict: number
  readonly #effect: Effect
  readonly #reasons: readonly string[]
  /** Does it lead to a chain without rules? */
  readonly #empty: boolean

  /** `number` counts from 1. */
  constructor({ name, table }: Chain, number: number, rule: Rule, verdict: number, effect: Effect) {
    super()
    this.#chain = name
    this.#table = table.name
    this.#legacy = table.legacy
    this.#number = number
    this.#rule = rule
    this.#verdict = verdict
    this.#effect = effect
    this.#empty = rule.chain !== null && rule.chain.rules.length === 0
    this.#reasons = reasonsOf(rule)
  }

  override sentence(): string {
    const goal = this.#rule.chain?.name ?? this.#rule.target?.name ?? ''
    const effect = this.#effect.text(this.#verdict, goal, TRANSLATORS.includes(goal))
    const because = this.#reasons.length === 0 ? '' : ` (${this.#reasons.join('; ')})`
    return `${this.#table} ${this.#chain} rule ${this.#number} matches${because} and ${effect}${this.#empty ? ', which is empty' : ''}`
  }

  override entry(): string {
    return `-A ${this.#chain} ${saveRule(this.#rule)}`.trimEnd()
  }

  override command(): string {
    return listing(this.#table, this.#legacy, this.#chain)
  }
}

/** A rule that a draw, a rate or a count kept from matching, though the packet is of its kind. */
export class MissedRule extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #rule: Rule
  readonly #chain: string
  readonly #table: TableName
  readonly #legacy: boolean
  readonly #number: number
  readonly #reason: string

  constructor({ name, table }: Chain, number: number, rule: Rule, reason: string) {
    super()
    this.#chain = name
    this.#table = table.name
    this.#legacy = table.legacy
    this.#number = number
    this.#rule = rule
    this.#reason = reason
  }

  override sentence(): string {
    return `${this.#table} ${this.#chain} rule ${this.#number} does not match (${this.#reason})`
  }

  override entry(): string {
    return `-A ${this.#chain} ${saveRule(this.#rule)}`.trimEnd()
  }

  override command(): string {
    return listing(this.#table, this.#legacy, this.#chain)
  }
}

/** No rule had the last word: the chain's policy has. */
export class PolicyDecision extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #chain: string
  readonly #table: TableName
  readonly #legacy: boolean
  readonly #policy: string

  constructor(chain: Chain) {
    super()
    this.#chain = chain.name
    this.#table = chain.table.name
    this.#legacy = chain.table.legacy
    this.#policy = policyName(chain)
  }

  override sentence(): string {
    const what = this.#table === 'nat' ? 'leaves the flow as it is' : `has no last word: policy ${this.#policy}`
    return `${this.#table} ${this.#chain} ${what}`
  }

  override entry(): string {
    return `-P ${this.#chain} ${this.#policy}`
  }

  override command(): string {
    return listing(this.#table, this.#legacy, this.#chain)
  }
}
