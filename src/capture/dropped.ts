/** The end of a frame that nobody took. */
import { Decision } from '../link/decision.ts'
import { type DropReason, dropReasons, kernelName } from '../link/drop-reason.ts'

export class Dropped extends Decision {
  override readonly kind = 'drop'
  readonly reason: DropReason

  constructor(reason: DropReason) {
    super()
    this.reason = reason
  }

  override sentence(): string {
    const reason = dropReasons[this.reason]
    return `dropped: ${reason.words} (${kernelName(reason)})`
  }
}
