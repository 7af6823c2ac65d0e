/**
 * Frames that went into a cable of this thread and are taken out of it in another one: nobody waits for them here, but they
 * take up room on the way until they are due.
 */
import type { Nanos } from '../sim/scheduler.ts'

export class Absent {
  // A queue of moments, oldest first: a cable keeps order.
  #dues = new Float64Array(16)
  #head = 0
  #size = 0

  add(due: Nanos): void {
    if (this.#size === this.#dues.length) this.#grow()
    this.#dues[(this.#head + this.#size++) & (this.#dues.length - 1)] = due
  }

  /** How many are still on their way. What is due now has arrived: the switch's ports come first at any instant. */
  onTheWay(now: Nanos): number {
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
