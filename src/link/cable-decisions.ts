/** What cables and queues do to frames, for whoever traces (see decision.ts). */
import type { Nanos } from '../sim/scheduler.ts'
import { Decision } from './decision.ts'
import { durationText } from './duration-text.ts'

/** A cable that takes longer than a wire, or has a rate. */
export class Travels extends Decision {
  override readonly kind = 'cable'
  readonly #takes: Nanos
  readonly #waiting: number

  /** `waiting`: frames that are on the cable before it. */
  constructor(takes: Nanos, waiting: number) {
    super()
    this.#takes = takes
    this.#waiting = waiting
  }

  override sentence(): string {
    const before = this.#waiting === 0 ? '' : `, behind ${this.#waiting} more`
    return `the cable takes ${durationText(this.#takes)} for it${before}`
  }
}

/** What a queueing discipline does, or the same engine on a cable: then it has no handle, and no command shows it. */
export class Queued extends Decision {
  override readonly kind = 'queue'
  readonly #sentence: string
  readonly #qdisc: string
  readonly #handle: number
  readonly #device: string

  constructor(qdisc: string, handle: number, device: string, sentence: string) {
    super()
    this.#sentence = sentence
    this.#qdisc = qdisc
    this.#handle = handle
    this.#device = device
  }

  override sentence(): string {
    return `${this.#qdisc}: ${this.#sentence}`
  }

  override entry(): string | null {
    return this.#handle === 0 ? null : `qdisc ${this.#qdisc} ${this.#handle.toString(16)}:`
  }

  override command(): string | null {
    return this.#handle === 0 ? null : `tc qdisc show dev ${this.#device}`
  }
}
