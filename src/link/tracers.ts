/** Several tracers of one world as one: each is told every decision, in the order in which they came. */
import type { Decision } from './decision.ts'
import type { DropReason, Frame, Tracer } from './frame.ts'

export class Tracers implements Tracer {
  readonly #all: readonly Tracer[]

  constructor(all: readonly Tracer[]) {
    this.#all = all
  }

  decided(frame: Frame, where: string, decision: Decision): void {
    for (const each of this.#all) each.decided(frame, where, decision)
  }

  dropped(frame: Frame, reason: DropReason, where: string): void {
    for (const each of this.#all) each.dropped(frame, reason, where)
  }
}
