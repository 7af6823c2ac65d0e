/** A controller's work queue: keys of objects to look at, each once, a little later. */
import type { Nanos, Scheduler } from '../../sim/scheduler.ts'
import { Timer } from '../../sim/scheduler.ts'
import { CONTROLLER } from '../latency.ts'

export class WorkQueue {
  readonly #scheduler: Scheduler
  readonly #work: (key: string) => void
  readonly #waiting = new Map<string, Timer>()

  constructor(scheduler: Scheduler, work: (key: string) => void) {
    this.#scheduler = scheduler
    this.#work = work
  }

  /** Looks at the object after the delay; earlier when it was to be looked at earlier. */
  add(key: string, delay: Nanos = CONTROLLER): void {
    const waiting = this.#waiting.get(key)
    const due = this.#scheduler.now + delay
    if (waiting !== undefined) {
      if (due < this.#scheduler.dueOf(waiting)) this.#scheduler.at(waiting, due)
      return
    }
    const timer = new Timer({
      run: () => {
        this.#waiting.delete(key)
        this.#work(key)
      },
    })
    this.#waiting.set(key, timer)
    this.#scheduler.at(timer, due)
  }

  /** Forgets the object. */
  cancel(key: string): void {
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) return
    this.#scheduler.cancel(waiting)
    this.#waiting.delete(key)
  }
}

/** `namespace/name`. */
export function keyOf(object: { readonly metadata: { readonly namespace?: string; readonly name: string } }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`
}

export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}
