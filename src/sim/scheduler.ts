/**
 * The only clock. Time is virtual nanoseconds in a plain number: exact to 104 days.
 *
 * Events due at one instant run in the order in which they were armed, so a run is a pure function of what was
 * asked of it (but see `Timer.rank`). What is due soon stands in a 4-ary heap over typed arrays, what is not waits in a wheel until it is; a Timer is
 * made once and armed many times, so that an event allocates nothing.
 */
import { IDLE, Timer } from './timer.ts'
import { TimerWheel } from './timer-wheel.ts'

export { type Task, Timer } from './timer.ts'

/** Virtual nanoseconds since the world began. */
export type Nanos = number

export const MICROSECOND: Nanos = 1_000
export const MILLISECOND: Nanos = 1_000_000
export const SECOND: Nanos = 1_000_000_000

/** Work of an event that needs no events of its own as long as nothing else happens meanwhile. */
export interface Express {
  /** Is there any? */
  readonly waiting: boolean
  /** Nothing else happens before the next event: it is done, moments on, or turns into events. */
  leave(): void
  /** It turns into events. */
  stay(): void
}

/** The timer that has the wheel's first entry. */
const FIRST_ENTRY = -2

/** Places in the key of a timer. */
const DUE = 0
const ORDER = 1

export class Scheduler {
  #now = new Float64Array(1)
  #due = new Float64Array(64)
  #order = new Float64Array(64)
  #timers: Timer[] = []
  #sequence = new Float64Array(1)
  /** The key of the timer that is being placed; doubles as arguments would be boxed. */
  #key = new Float64Array(2)
  #wanted = new Float64Array(1)
  #size = 0
  #wheel = new TimerWheel()
  #stopped = false
  /** Until when it runs; negative: it does not. */
  #until = Float64Array.of(-1)
  express: Express | null = null
  /** Called when it rests, before anybody outside looks: what events put off is done. */
  atRest: (() => void) | null = null

  get now(): Nanos {
    return this.#now[0]
  }

  /** How many timers are armed. */
  get pending(): number {
    return this.#size + this.#wheel.size
  }

  /** How many times a timer was ever armed. */
  get armings(): number {
    return this.#sequence[0]
  }

  /** When the next event is due; Infinity when there is none. */
  get next(): Nanos {
    return this.#ready() ? this.#due[0] : Number.POSITIVE_INFINITY
  }

  /** When an armed timer is due; Infinity when it is not armed. */
  dueOf(timer: Timer): Nanos {
    const { slot } = timer
    if (slot <= FIRST_ENTRY) return this.#wheel.dueOf(FIRST_ENTRY - slot)
    return slot === IDLE ? Number.POSITIVE_INFINITY : this.#due[slot]
  }

  /** Arms the timer for a moment, or moves it there. A moment in the past means now. */
  at(timer: Timer, due: Nanos): void {
    this.#wanted[0] = due
    this.atEntry(timer, this.#wanted, 0)
  }

  /** As `at`, with the moment in an array: the hot path passes no doubles, which would be boxed. */
  atEntry(timer: Timer, times: Float64Array, index: number): void {
    if (timer.slot !== IDLE) this.cancel(timer)
    const due = times[index]
    this.#key[DUE] = due < this.#now[0] ? this.#now[0] : due
    const order = ++this.#sequence[0]
    this.#key[ORDER] = timer.rank === 0 ? order : timer.rank
    const horizon = this.#wheel.horizon[0]
    if (this.#key[DUE] < horizon || horizon === Number.POSITIVE_INFINITY) this.#enqueue(timer)
    else timer.slot = FIRST_ENTRY - this.#wheel.add(timer, this.#key)
  }

  /** The wheel's timer is due soon: it keeps its moment and its turn. */
  inherit(timer: Timer, times: Float64Array, orders: Float64Array, entry: number): void {
    this.#key[DUE] = times[entry]
    this.#key[ORDER] = orders[entry]
    this.#enqueue(timer)
  }

  #enqueue(timer: Timer): void {
    if (this.#size === this.#due.length) this.#grow()
    this.#up(this.#size++, timer)
  }

  /** Is there a next event? Then it stands at the head of the heap. */
  #ready(): boolean {
    if (this.#size > 0) return true
    if (this.#wheel.size === 0) return false
    this.#wheel.advance(this)
    return true
  }

  after(timer: Timer, delay: Nanos): void {
    this.at(timer, this.#now[0] + delay)
  }

  /** Runs the function once, later: for set-up and commands, not for frames (it allocates). */
  call(delay: Nanos, action: () => void): Timer {
    const timer = new Timer({ run: action })
    this.after(timer, delay)
    return timer
  }

  cancel(timer: Timer): void {
    const slot = timer.slot
    if (slot === IDLE) return
    timer.slot = IDLE
    if (slot <= FIRST_ENTRY) return this.#wheel.remove(FIRST_ENTRY - slot)
    const last = --this.#size
    const moved = this.#timers[last]
    this.#timers[last] = timer // keeps the array packed; the place is free
    if (slot === last) return
    this.#key[DUE] = this.#due[last]
    this.#key[ORDER] = this.#order[last]
    if (slot > 0 && this.#before((slot - 1) >> 2)) this.#up(slot, moved)
    else this.#down(slot, moved)
  }

  /**
   * Runs events until none is due at or before `until`, or until `stop` is called. The clock then stands at
   * `until` when that is finite and nothing stopped it.
   */
  run(until: Nanos = Number.POSITIVE_INFINITY): void {
    this.#stopped = false
    const outer = this.#until[0]
    this.#until[0] = until
    try {
      this.#runTo(until)
    } finally {
      this.#until[0] = outer
      this.atRest?.()
    }
    if (!this.#stopped && until !== Number.POSITIVE_INFINITY && until > this.#now[0]) this.#now[0] = until
  }

  /** By itself: V8 optimises a loop that runs for the first time without knowing what comes behind it. */
  #runTo(until: Nanos): void {
    while (!this.#stopped && this.#ready() && this.#due[0] <= until) {
      this.#step()
      while (this.express?.waiting === true) this.express.leave()
    }
  }

  #step(): void {
    const timer = this.#timers[0]
    this.#now[0] = this.#due[0]
    this.cancel(timer)
    timer.task.run()
  }

  /** Will nothing happen until this moment is over, but what `express` does? */
  free(times: Float64Array, entry: number): boolean {
    const moment = times[entry]
    return moment <= this.#until[0] && !this.#stopped && (!this.#ready() || this.#due[0] > moment)
  }

  /** What is done by `express` is done at this moment. */
  moveTo(times: Float64Array, entry: number): void {
    this.#now[0] = times[entry]
  }

  /** Runs the next event, whenever it is due; false when there is none. */
  runNext(): boolean {
    if (!this.#ready()) return false
    try {
      this.#step()
    } finally {
      this.atRest?.()
    }
    return true
  }

  /** A timer of another scheduler is this one's from now on, and is due when it was. */
  takeOver(timer: Timer, from: Scheduler): void {
    if (!timer.armed) return
    const due = from.dueOf(timer)
    from.cancel(timer)
    this.at(timer, due)
  }

  /** Makes `run` return after the present event: somebody outside must act before time moves on. */
  stop(): void {
    this.#stopped = true
  }

  /** Is the key that is being placed earlier than what stands at the slot? */
  #before(slot: number): boolean {
    const due = this.#key[DUE]
    return due < this.#due[slot] || (due === this.#due[slot] && this.#key[ORDER] < this.#order[slot])
  }

  #put(slot: number, timer: Timer): void {
    this.#due[slot] = this.#key[DUE]
    this.#order[slot] = this.#key[ORDER]
    this.#timers[slot] = timer
    timer.slot = slot
  }

  #move(from: number, to: number): void {
    const timer = this.#timers[from]
    this.#due[to] = this.#due[from]
    this.#order[to] = this.#order[from]
    this.#timers[to] = timer
    timer.slot = to
  }

  #up(from: number, timer: Timer): void {
    let slot = from
    while (slot > 0) {
      const parent = (slot - 1) >> 2
      if (!this.#before(parent)) break
      this.#move(parent, slot)
      slot = parent
    }
    this.#put(slot, timer)
  }

  #down(from: number, timer: Timer): void {
    let slot = from
    for (;;) {
      const first = slot * 4 + 1
      if (first >= this.#size) break
      const end = first + 4 < this.#size ? first + 4 : this.#size
      let least = first
      for (let child = first + 1; child < end; child++) {
        const earlier = this.#due[child] < this.#due[least]
        const tie = this.#due[child] === this.#due[least] && this.#order[child] < this.#order[least]
        if (earlier || tie) least = child
      }
      if (this.#before(least)) break
      this.#move(least, slot)
      slot = least
    }
    this.#put(slot, timer)
  }

  #grow(): void {
    const due = new Float64Array(this.#due.length * 2)
    const order = new Float64Array(this.#due.length * 2)
    due.set(this.#due)
    order.set(this.#order)
    this.#due = due
    this.#order = order
  }
}
