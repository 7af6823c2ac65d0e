/** What nft's rules, elements and policies decided, for whoever traces (see link/decision.ts). Without counters, as `nft -s` prints. */
import { Decision, type DecisionKind } from '../link/decision.ts'
import { Verdict } from './hook.ts'
import { formatHeading } from './nft-list.ts'
import type { NftChain, NftRule } from './nft-objects.ts'
import { formatRule } from './nft-print.ts'
import type { NftElement, NftSet } from './nft-set.ts'
import { formatElement } from './nft-set-text.ts'
import type { PrintOptions } from './nft-value-text.ts'
import type { Effect } from './rule-effect.ts'

function listing(kind: string, { table, name }: { table: { family: string; name: string }; name: string }): string {
  return `nft -s list ${kind} ${table.family} ${table.name} ${name}`
}

function chainWords({ table, name }: NftChain): string {
  return `nft ${table.family} ${table.name} ${name}`
}

/** How `nft -s` prints, with the namespace's names of devices. */
export function stateless(now: number, deviceName: (index: number) => string | null): PrintOptions {
  return { handles: false, stateless: true, terse: false, numericPriority: false, now, deviceName }
}

/** A rule applied, and what it did. */
export class NftRuleDecision extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #rule: NftRule
  readonly #number: number
  readonly #verdict: number
  readonly #goal: string
  readonly #empty: boolean
  readonly #effect: Effect
  readonly #options: PrintOptions

  /** `number` counts from 1. `goal`: where JUMP and GOTO lead. */
  constructor(
    rule: NftRule,
    number: number,
    verdict: number,
    goal: NftChain | null,
    effect: Effect,
    options: PrintOptions,
  ) {
    super()
    this.#rule = rule
    this.#number = number
    this.#verdict = verdict
    this.#goal = goal === null ? '' : goal.name
    this.#empty = goal !== null && goal.rules.length === 0
    this.#effect = effect
    this.#options = options
  }

  override sentence(): string {
    const { program, chain } = this.#rule
    const nat = program.nats.length > 0 && this.#verdict !== Verdict.JUMP && this.#verdict !== Verdict.GOTO
    const goal = nat ? program.nats[0].kind : this.#goal
    const effect = this.#effect.text(this.#verdict, goal, nat)
    return `${chainWords(chain)} rule ${this.#number} matches and ${effect}${this.#empty ? ', which is empty' : ''}`
  }

  override entry(): string {
    const { statements, comment } = this.#rule
    return formatRule(statements, comment, this.#options)
  }

  override command(): string {
    return listing('chain', this.#rule.chain)
  }
}

/** The element of a named set or map that holds what the rule asked for. */
export class NftElementDecision extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #set: NftSet
  readonly #element: NftElement
  readonly #options: PrintOptions

  constructor(set: NftSet, element: NftElement, options: PrintOptions) {
    super()
    this.#set = set
    this.#element = element
    this.#options = options
  }

  override sentence(): string {
    const { table, name, isMap } = this.#set
    return `nft ${table.family} ${table.name} ${isMap ? 'map' : 'set'} ${name} has the element`
  }

  override entry(): string {
    return formatElement(this.#set, this.#element, this.#options)
  }

  override command(): string {
    return listing(this.#set.isMap ? 'map' : 'set', this.#set)
  }
}

/** No rule of a base chain had the last word. */
export class NftPolicyDecision extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #chain: NftChain
  readonly #options: PrintOptions
  readonly #policy: string

  constructor(chain: NftChain, options: PrintOptions) {
    super()
    this.#chain = chain
    this.#options = options
    this.#policy = chain.policy === Verdict.DROP ? 'drop' : 'accept'
  }

  override sentence(): string {
    const nat = this.#chain.type === 'nat'
    return `${chainWords(this.#chain)} ${nat ? 'leaves the flow as it is' : `has no last word: policy ${this.#policy}`}`
  }

  override entry(): string {
    return formatHeading(this.#chain, this.#options)
  }

  override command(): string {
    return listing('chain', this.#chain)
  }
}
