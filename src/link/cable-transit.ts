/**
 * Frames between the two ends of a cable, as the end that sends them counts them: where the ends have clocks of their own, or
 * another thread takes the frames out, the far end's queue does not tell.
 */
import type { Nanos } from '../sim/scheduler.ts'

export class Transit {
  // A queue of moments, oldest first: a cable keeps order.
  #dues = new Float64Array(16)
  #head = 0
  #size = 0

  add(due: Nanos): void {
    if (this.#size === this.#dues.length) this.#grow()
    this.#dues[(this.#head + this.#size++) & (this.#dues.length - 1)] = due
  }

  /** How many are on their way; what is due now has arrived. To be asked before each `add`. */
  count(now: Nanos): number {
    while (this.#size > 0 && this.#dues[this.#head] <= now) {
      this.#head = (this.#head + 1) & (this.#dues.length - 1)
      this.#size--
    }
    return this.#size
  }

  /** When the last one is due; 0 when none is on its way. */
  get last(): Nanos {
    return this.#size === 0 ? 0 : this.#dues[(this.#head + this.#size - 1) & (this.#dues.length - 1)]
  }

  #grow(): void {
    const mask = this.#dues.length - 1
    const larger = new Float64Array(this.#dues.length * 2)
    for (let i = 0; i < this.#size; i++) larger[i] = this.#dues[(this.#head + i) & mask]
    this.#dues = larger
    this.#head = 0
  }
}
