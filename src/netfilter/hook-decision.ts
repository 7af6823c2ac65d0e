/** Where a packet is asked about, for whoever traces (see link/decision.ts). */
import { Decision, type DecisionKind } from '../link/decision.ts'
import type { NetDevice } from '../link/device.ts'
import { type Hook, hookNames } from './hook.ts'

/** Said once, before the first thing that is said at that hook. */
export class HookDecision extends Decision {
  readonly kind: DecisionKind = 'netfilter'
  readonly #hook: Hook
  readonly #input: string
  readonly #output: string

  constructor(hook: Hook, input: NetDevice | null, output: NetDevice | null) {
    super()
    this.#hook = hook
    this.#input = input === null ? '' : `, in ${input.name}`
    this.#output = output === null ? '' : `, out ${output.name}`
  }

  override sentence(): string {
    return `hook ${hookNames[this.#hook]}${this.#input}${this.#output}`
  }
}
