/** The end of a frame that nobody took. */
import { Decision } from '../link/decision.ts'
import { type DropReason, dropReasonNames } from '../link/frame.ts'

export class Dropped extends Decision {
  override readonly kind = 'drop'
  readonly reason: DropReason

  constructor(reason: DropReason) {
    super()
    this.reason = reason
  }

  override sentence(): string {
    return `dropped: ${dropReasonNames[this.reason]}`
  }
}
