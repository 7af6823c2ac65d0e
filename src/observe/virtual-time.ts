/**
 * rxjs's clock in virtual time. Operators that take time, `debounceTime`, `bufferTime`, `timer`, use the wall clock unless
 * they are given another: `bufferTime(1000, null, Infinity, clock)` counts the world's milliseconds.
 */
import { type SchedulerAction, type SchedulerLike, Subscription, throwError } from 'rxjs'
import type { World } from '../link/world.ts'
import { MILLISECOND, Timer } from '../sim/scheduler.ts'
import { type LabLike, waker, worldOf } from './source.ts'

type Work<State> = (this: SchedulerAction<State>, state?: State) => void

export class VirtualTime implements SchedulerLike {
  readonly #world: World
  readonly #wake: () => void

  constructor(source: LabLike | World) {
    this.#world = worldOf(source)
    this.#wake = waker(source)
  }

  /** What the world's clocks show, in milliseconds since 1970 (Date's unit), with fractions. */
  now(): number {
    return this.#world.epochSeconds * 1000 + this.#world.scheduler.now / MILLISECOND
  }

  /** `delay`: in virtual milliseconds. 0 is in this instant, but after the event at hand. */
  schedule<State>(work: Work<State>, delay = 0, state?: State): Subscription {
    return new Action(this.#world, this.#wake, work).schedule(state, delay)
  }
}

class Action<State> extends Subscription implements SchedulerAction<State> {
  readonly #world: World
  readonly #wake: () => void
  readonly #work: Work<State>
  readonly #timer = new Timer(this as { run(): void })
  #state: State | undefined

  constructor(world: World, wake: () => void, work: Work<State>) {
    super()
    this.#world = world
    this.#wake = wake
    this.#work = work
    this.add(() => world.scheduler.cancel(this.#timer))
  }

  schedule(state?: State, delay = 0): Subscription {
    if (this.closed) return this
    this.#state = state
    this.#world.scheduler.after(this.#timer, Math.max(delay, 0) * MILLISECOND)
    return this
  }

  run(): void {
    try {
      this.#work.call(this, this.#state as State)
    } catch (error) {
      // The world goes on: the error is reported as rxjs reports those that nobody handles.
      this.unsubscribe()
      throwError(() => error).subscribe()
    }
    // Work that is not asked for again is done, and may be forgotten by whoever scheduled it.
    if (!this.#timer.armed && !this.closed) this.unsubscribe()
    this.#wake()
  }
}

/** The clock of a lab or world, for operators of rxjs. */
export function clock(source: LabLike | World): SchedulerLike {
  return new VirtualTime(source)
}
