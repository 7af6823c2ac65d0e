/** Which element of an IP set a packet was found in, for whoever traces (see link/decision.ts). */
import { Decision, type DecisionKind } from '../link/decision.ts'
import type { IpSet, SetElement } from './ipset.ts'
import { formatKey } from './ipset-element.ts'

export class SetDecision extends Decision {
  readonly kind: DecisionKind = 'rule'
  readonly #name: string
  readonly #set: IpSet
  readonly #element: SetElement

  constructor(name: string, set: IpSet, element: SetElement) {
    super()
    this.#name = name
    this.#set = set
    this.#element = element
  }

  override sentence(): string {
    return `ipset ${this.#name} has the element`
  }

  override entry(): string {
    return formatKey(this.#set, this.#element)
  }

  override command(): string {
    return `ipset list ${this.#name}`
  }
}
