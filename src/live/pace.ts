/**
 * Runs a world against the wall clock: one virtual second takes one second, or 1/speed of one. Frames from outside
 * (live/vxlan-plug) say `kick`, and the world goes on at once. A world that needs more time than there is falls behind,
 * and its clock with it: it is never run faster afterwards to catch up.
 */
import type { Runner } from '../host/run.ts'
import { MILLISECOND, type Nanos } from '../sim/scheduler.ts'

/** How far the world runs before the outside is heard again; this and what follows in milliseconds of the wall. */
const SLICE = 1
/** Further behind than this, the world's clock has slipped. */
const SLACK = 50
/** The longest sleep: a world without events looks for them this often. */
const NAP = 100

/** Milliseconds of a clock that only goes forward. */
export type WallClock = () => number

export class Pace {
  readonly #runner: Runner
  readonly #clock: WallClock
  /** Virtual nanoseconds in a millisecond of the wall. */
  readonly #scale: number
  /** A moment on both clocks. */
  #wall = 0
  #virtual: Nanos = 0
  #kicked = false
  #wake: (() => void) | null = null
  /** Virtual time that was lost because the world could not keep up. */
  slipped: Nanos = 0

  /** @param speed virtual seconds per second, above 0 */
  constructor(runner: Runner, speed = 1, clock: WallClock = () => performance.now()) {
    this.#runner = runner
    this.#scale = speed * MILLISECOND
    this.#clock = clock
  }

  /** Something came from outside, or was begun: there may be something to do now. */
  kick(): void {
    this.#kicked = true
    this.#wake?.()
  }

  /** Until the signal says stop. */
  async run(signal: AbortSignal): Promise<void> {
    const { scheduler } = this.#runner.world
    const stop = () => this.kick()
    signal.addEventListener('abort', stop)
    this.#standAt(scheduler.now)
    while (!signal.aborted) {
      this.#kicked = false
      // Idle time is skipped, busy time is run in slices.
      const slice = Math.max(scheduler.now, scheduler.next) + SLICE * this.#scale
      await this.#runner.runTo(Math.min(this.#target(), slice))
      const behind = this.#target() - Math.max(scheduler.now, scheduler.next)
      if (behind > SLACK * this.#scale) {
        this.slipped += behind
        this.#standAt(scheduler.now)
      }
      await this.#rest(Math.max(0, (scheduler.next - this.#target()) / this.#scale))
    }
    signal.removeEventListener('abort', stop)
  }

  /** From now on the wall's moment is this one. */
  #standAt(now: Nanos): void {
    this.#wall = this.#clock()
    this.#virtual = now
  }

  #target(): Nanos {
    return this.#virtual + (this.#clock() - this.#wall) * this.#scale
  }

  /** Timers of the platform are good to a millisecond: what is nearer is waited for awake. */
  #rest(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#kicked || milliseconds < 1) return void setImmediate(resolve)
      const timer = setTimeout(() => this.#wake?.(), Math.min(milliseconds, NAP))
      this.#wake = () => {
        this.#wake = null
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
