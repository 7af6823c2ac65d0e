/** System calls that sleep: each is tried again after every event, until it has an answer or its time is over. */
import type { World } from '../../link/world.ts'
import type { Errno } from '../../net/errno.ts'
import type { Timer } from '../../sim/scheduler.ts'

/** What a call returns; `extras` are the fields that some calls have beside it. */
export interface Answer {
  readonly ret: number
  readonly err?: Errno
  readonly extras?: Readonly<Record<string, unknown>>
}

export function failed(err: Errno): Answer {
  return { ret: -1, err }
}

/** One that returns nothing but success. */
export function done(error: Errno | null): Answer {
  return error === null ? { ret: 0 } : failed(error)
}

/** Null: it would sleep. */
export type Attempt = () => Answer | null

interface Sleeper {
  readonly call: number
  readonly attempt: Attempt
  timer: Timer | null
}

export class Calls {
  readonly #world: World
  readonly #answered: (call: number, answer: Answer) => void
  readonly #sleeping = new Set<Sleeper>()

  constructor(world: World, answered: (call: number, answer: Answer) => void) {
    this.#world = world
    this.#answered = answered
  }

  /** Tries the call; if it would sleep, it sleeps for so many microseconds (0: for ever) and then gives `late`. */
  make(call: number, attempt: Attempt, microseconds = 0, late: () => Answer = () => ({ ret: 0 })): void {
    const answer = attempt()
    if (answer !== null) return this.#answered(call, answer)
    const sleeper: Sleeper = { call, attempt, timer: null }
    this.#sleeping.add(sleeper)
    if (microseconds <= 0) return
    sleeper.timer = this.#world.scheduler.call(microseconds * 1000, () => this.#finish(sleeper, late()))
  }

  /** Tries all that sleep again, in the order in which they were made. */
  retry(): void {
    for (const sleeper of [...this.#sleeping]) {
      const answer = sleeper.attempt()
      if (answer !== null) this.#finish(sleeper, answer)
    }
  }

  #finish(sleeper: Sleeper, answer: Answer): void {
    this.#sleeping.delete(sleeper)
    if (sleeper.timer !== null) this.#world.scheduler.cancel(sleeper.timer)
    this.#answered(sleeper.call, answer)
  }
}
