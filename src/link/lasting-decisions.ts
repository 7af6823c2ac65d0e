/** Decisions that are taken the same way until some configuration changes: one object serves all frames. */
import type { Decision } from './decision.ts'
import { configurationGeneration } from './flow-cache.ts'

export class LastingDecisions<Key> {
  readonly #known = new Map<Key, Decision>()
  #generation = -1

  /** Null when it has to be taken again. */
  get(key: Key): Decision | null {
    const generation = configurationGeneration()
    if (generation !== this.#generation) {
      this.#generation = generation
      this.#known.clear()
    }
    return this.#known.get(key) ?? null
  }

  /** The decision as it is now; `get` was asked before. */
  keep(key: Key, decision: Decision): Decision {
    this.#known.set(key, decision)
    return decision
  }
}
