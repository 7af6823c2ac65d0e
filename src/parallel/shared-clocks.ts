/**
 * What the threads of one world tell each other besides frames: how far each has come. A clock is a promise: nothing that
 * the thread sends from now on will be due before. It only grows.
 *
 * Times are written as two words, the lower one first, and read with the upper one first: whoever reads meanwhile sees a
 * moment that is too early, never one that is too late.
 */
import type { Nanos } from '../sim/scheduler.ts'

/** Words of one thread; two cache lines, so that threads do not disturb each other. */
const STRIDE = 32
const CLOCK = 0
const NEXT = 2
/** Odd while the thread waits for others. */
const VERSION = 4
const DOORBELL = 5
const SLEEPING = 6

const HALF = 2 ** 31
/** Stands for "never" in the upper word. */
const NEVER = 0x7fff_ffff

export class SharedClocks {
  readonly #words: Int32Array
  readonly count: number

  static bytes(threads: number): number {
    return threads * STRIDE * 4
  }

  constructor(buffer: SharedArrayBuffer, threads: number) {
    this.#words = new Int32Array(buffer, 0, threads * STRIDE)
    this.count = threads
  }

  clock(thread: number): Nanos {
    return this.#time(thread * STRIDE + CLOCK)
  }

  setClock(thread: number, time: Nanos): void {
    this.#setTime(thread * STRIDE + CLOCK, time)
  }

  /** When a waiting thread has something to do by itself. */
  next(thread: number): Nanos {
    return this.#time(thread * STRIDE + NEXT)
  }

  setNext(thread: number, time: Nanos): void {
    this.#setTime(thread * STRIDE + NEXT, time)
  }

  /** Changes whenever the thread begins or ends to wait; odd while it does. */
  version(thread: number): number {
    return Atomics.load(this.#words, thread * STRIDE + VERSION)
  }

  turn(thread: number): void {
    Atomics.add(this.#words, thread * STRIDE + VERSION, 1)
  }

  /** Sleeps until somebody rings, at most so many milliseconds. `still`: asked once more when nobody can ring unheard. */
  sleep(thread: number, milliseconds: number, still: () => boolean): void {
    const at = thread * STRIDE
    const before = Atomics.load(this.#words, at + DOORBELL)
    Atomics.store(this.#words, at + SLEEPING, 1)
    if (still()) Atomics.wait(this.#words, at + DOORBELL, before, milliseconds)
    Atomics.store(this.#words, at + SLEEPING, 0)
  }

  /** Wakes those that sleep. */
  ring(from: number): void {
    for (let thread = 0; thread < this.count; thread++) {
      const at = thread * STRIDE
      if (thread === from || Atomics.load(this.#words, at + SLEEPING) === 0) continue
      Atomics.add(this.#words, at + DOORBELL, 1)
      Atomics.notify(this.#words, at + DOORBELL)
    }
  }

  #time(at: number): Nanos {
    const upper = Atomics.load(this.#words, at + 1)
    const lower = Atomics.load(this.#words, at)
    return upper === NEVER ? Number.POSITIVE_INFINITY : upper * HALF + lower
  }

  #setTime(at: number, time: Nanos): void {
    const never = time === Number.POSITIVE_INFINITY
    const upper = never ? NEVER : Math.floor(time / HALF)
    Atomics.store(this.#words, at, never ? 0 : Math.floor(time) - upper * HALF)
    if (Atomics.load(this.#words, at + 1) !== upper) Atomics.store(this.#words, at + 1, upper)
  }
}
