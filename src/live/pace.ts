/**
 * Runs a world against the wall clock: one virtual second takes one second, or 1/speed of one. Frames from outside
 * (live/vxlan-plug) say `kick`, and the world goes on at once. A world that needs more time than there is falls behind,
 * and its clock with it: it is never run faster afterwards to catch up.
 *
 * Paused, the virtual clock stands. What is asked then is still answered if it needs no time; `step` lets some pass, as
 * fast as the world can.
 */
import type { Runner } from '../host/run.ts'
import { MILLISECOND, type Nanos } from '../sim/scheduler.ts'

/** How far the world runs before the outside is heard again; this and what follows in milliseconds of the wall. */
const SLICE = 1
/** Further behind than this, the world's clock has slipped. */
const SLACK = 50
/** The longest sleep: a world without events looks for them this often. */
const NAP = 100
/** So many events of a step are run before the outside is heard again. */
const STEP_SLICE = 1024

/** Milliseconds of a clock that only goes forward. */
export type WallClock = () => number

/** How far a step goes: one event; a time; or until something that it says has happened. */
export type StepGoal = 'event' | { readonly for: Nanos } | { readonly until: () => boolean }

interface Step {
  readonly done: () => boolean
  readonly for: Nanos
  /** For ever until it begins. */
  until: Nanos
  readonly resolve: (reached: boolean) => void
}

export class Pace {
  readonly #runner: Runner
  readonly #clock: WallClock
  #speed: number
  /** A moment on both clocks. */
  #wall = 0
  #virtual: Nanos = 0
  #kicked = false
  #wake: (() => void) | null = null
  #paused = false
  #step: Step | null = null
  /** Who waits for the world to stand. */
  #standing: (() => void)[] = []
  /** Called whenever the world has run for a while, between two events. */
  afterSlice: (() => void) | null = null
  /** Virtual time that was lost because the world could not keep up. */
  slipped: Nanos = 0

  /** @param speed virtual seconds per second, above 0 */
  constructor(runner: Runner, speed = 1, clock: WallClock = () => performance.now()) {
    this.#runner = runner
    this.#speed = speed
    this.#clock = clock
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Virtual seconds per second. */
  get speed(): number {
    return this.#speed
  }

  set speed(speed: number) {
    this.#standAt(this.#runner.world.scheduler.now)
    this.#speed = speed
    this.kick()
  }

  /** The virtual clock stops; a step in progress ends. Resolves when the world stands. */
  pause(): Promise<void> {
    this.#paused = true
    this.#endStep(false)
    this.kick()
    return new Promise((resolve) => void this.#standing.push(resolve))
  }

  resume(): void {
    if (!this.#paused) return
    this.#endStep(false)
    this.#paused = false
    this.#standAt(this.#runner.world.scheduler.now)
    this.kick()
  }

  /**
   * Pauses, and goes on by one event, by a time, or to an event after which `until` says yes. Resolves to false when it
   * ended before: nothing is left to happen, or something else was asked for.
   */
  step(goal: StepGoal): Promise<boolean> {
    void this.pause()
    const always = Number.POSITIVE_INFINITY
    return new Promise((resolve) => {
      if (goal === 'event') this.#step = { done: () => true, for: always, until: always, resolve }
      else if ('for' in goal) this.#step = { done: () => false, for: goal.for, until: always, resolve }
      else this.#step = { done: goal.until, for: always, until: always, resolve }
      this.kick()
    })
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
      if (this.#step !== null) await this.#takeStep(this.#step).finally(this.afterSlice)
      else if (this.#paused) await this.#stand()
      else await this.#keepUp()
    }
    this.#endStep(false)
    this.#stood()
    signal.removeEventListener('abort', stop)
  }

  #stand(): Promise<void> {
    this.#stood()
    return this.#rest(Number.POSITIVE_INFINITY)
  }

  #stood(): void {
    for (const tell of this.#standing.splice(0)) tell()
  }

  /** Runs what is due, and waits for what comes next. */
  async #keepUp(): Promise<void> {
    const { scheduler } = this.#runner.world
    // Idle time is skipped, busy time is run in slices.
    const slice = Math.max(scheduler.now, scheduler.next) + SLICE * this.#scale
    await this.#runner.runTo(Math.min(this.#target(), slice))
    this.afterSlice?.()
    if (this.#paused) return
    const behind = this.#target() - Math.max(scheduler.now, scheduler.next)
    if (behind > SLACK * this.#scale) {
      this.slipped += behind
      this.#standAt(scheduler.now)
    }
    await this.#rest(Math.max(0, (scheduler.next - this.#target()) / this.#scale))
  }

  /** Runs the step's events for a while; another round follows if it is not over. */
  async #takeStep(step: Step): Promise<void> {
    const { scheduler } = this.#runner.world
    step.until = Math.min(step.until, scheduler.now + step.for)
    for (let events = 0; this.#step === step; events++) {
      if (events === STEP_SLICE) return this.#rest(0)
      // What a command was begun with comes first: it may have the next event.
      await this.#runner.react()
      if (this.#step !== step) return
      if (scheduler.next > step.until) {
        await this.#runner.runTo(step.until)
        return this.#endStep(true)
      }
      if (scheduler.pending === 0) return this.#endStep(false)
      scheduler.runNext()
      await this.#runner.react()
      if (step.done()) return this.#endStep(true)
    }
  }

  #endStep(reached: boolean): void {
    const step = this.#step
    this.#step = null
    step?.resolve(reached)
  }

  /** Virtual nanoseconds in a millisecond of the wall. */
  get #scale(): number {
    return this.#speed * MILLISECOND
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
      const timer = this.#paused ? undefined : setTimeout(() => this.#wake?.(), Math.min(milliseconds, NAP))
      this.#wake = () => {
        this.#wake = null
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
