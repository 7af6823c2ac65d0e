/**
 * Drives a world that has programs in it. The scheduler knows events; programs are async functions. When an event
 * resolves something that a program awaits, it says `wake()`: the loop then returns to the platform once, so that
 * every program reacts before virtual time moves on. No wake-up, no detour: frames never pay for programs.
 */
import type { World } from '../link/world.ts'
import type { Nanos } from '../sim/scheduler.ts'

/** 2026-01-01 00:00:00 UTC: what clocks show when the world begins, unless the topology says otherwise. */
export const DEFAULT_EPOCH = 1_767_225_600

/** Nothing is left to happen, and somebody still waits. */
export class StalledError extends Error {
  override readonly name = 'StalledError'
  /** Who waits, as `place: command`. */
  readonly waiting: readonly string[]

  constructor(waiting: readonly string[]) {
    const who = waiting.length === 0 ? 'nobody is known to wait' : `waiting: ${waiting.join(', ')}`
    super(`no event is left, and what was asked for has not happened (${who})`)
    this.waiting = waiting
  }
}

/** Calls back when all microtasks are done. */
type Defer = (callback: () => void) => void

function messageChannelDefer(): Defer {
  const channel = new MessageChannel()
  const queue: (() => void)[] = []
  // Node's types know only its own way to listen; at run time both have this one.
  const receiver = channel.port1 as unknown as { onmessage: () => void }
  receiver.onmessage = () => queue.shift()?.()
  return (callback) => {
    queue.push(callback)
    channel.port2.postMessage(null)
  }
}

/** Browsers have no setImmediate. */
function platformDefer(): Defer {
  return typeof setImmediate === 'function' ? (callback) => void setImmediate(callback) : messageChannelDefer()
}

/** Where other threads run parts of the world, this one may not run ahead of them as it likes. */
export interface Horizon {
  /** Takes in what others sent. How far events may run now; beyond `until` nobody wants to go. */
  reach(until: Nanos): Nanos
  /** All events up to there have run; the next call of `reach` may find more. To be awaited when it is no null. */
  reached(until: Nanos): Promise<void> | null
  /** Nothing will ever happen any more, anywhere. */
  readonly ended: boolean
}

export class Runner {
  readonly world: World
  /** Null: time is this thread's own. */
  horizon: Horizon | null = null
  /** Seconds from 1970 to the beginning of the world: for `date`, HTTP's Date, wget. */
  readonly epochSeconds: number
  /** What each waiting process calls itself; read when nothing is left to happen. */
  readonly waiting = new Set<{ toString(): string }>()
  #woken = false
  readonly #defer: Defer

  constructor(world: World, epochSeconds = DEFAULT_EPOCH, defer: Defer = platformDefer()) {
    this.world = world
    this.epochSeconds = epochSeconds
    this.#defer = defer
  }

  /**
   * Tells the loop that a promise was resolved, or an async function begun, from inside an event: programs run before
   * time moves on.
   */
  wake(): void {
    this.#woken = true
    this.world.scheduler.stop()
  }

  /** Runs the world until the promise settles, and gives its value. @throws StalledError when no event is left. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const note = () => {
      settled = true
    }
    promise.then(note, note)
    await this.#yield()
    while (!settled) {
      if (this.#ended) throw new StalledError([...this.waiting].map(String))
      if (this.horizon === null) this.world.scheduler.run()
      else await this.#runWithOthers(this.horizon, Number.POSITIVE_INFINITY)
      if (this.#woken) await this.#yield()
    }
    return promise
  }

  runFor(delay: Nanos): Promise<void> {
    return this.runTo(this.world.scheduler.now + delay)
  }

  /** Runs everything due up to and including this moment; the clock then stands there. */
  async runTo(time: Nanos): Promise<void> {
    do {
      if (this.#woken) await this.#yield()
      if (this.horizon === null) this.world.scheduler.run(time)
      else await this.#runWithOthers(this.horizon, time)
    } while (this.#woken)
  }

  /** Lets everybody go on who was woken, or begun; no time passes. */
  async react(): Promise<void> {
    while (this.#woken) await this.#yield()
  }

  /** The time of day in milliseconds since 1970, as Date takes it. */
  get wallClock(): number {
    return this.epochSeconds * 1000 + this.world.scheduler.now / 1e6
  }

  get #ended(): boolean {
    return this.horizon === null ? this.world.scheduler.pending === 0 : this.horizon.ended
  }

  /** As the scheduler's `run`, as far and as fast as the others let it. */
  async #runWithOthers(horizon: Horizon, until: Nanos): Promise<void> {
    while (!this.#woken && !horizon.ended) {
      const reach = horizon.reach(until)
      this.world.scheduler.run(reach)
      if (this.#woken || reach >= until) return
      const pause = horizon.reached(until)
      if (pause !== null) await pause
    }
  }

  #yield(): Promise<void> {
    this.#woken = false
    return new Promise((resolve) => this.#defer(resolve))
  }
}
