/**
 * The only clock. Time is virtual nanoseconds in a plain number: exact to 104 days.
 *
 * Events due at one instant run in the order in which they were armed, so a run is a pure function of what was
 * asked of it. The queue is a 4-ary heap over typed arrays; a Timer is made once and armed many times, so that
 * an event allocates nothing.
 */

/** Virtual nanoseconds since the world began. */
export type Nanos = number

export const MICROSECOND: Nanos = 1_000
export const MILLISECOND: Nanos = 1_000_000
export const SECOND: Nanos = 1_000_000_000

/** Something that can be scheduled. It reads the time from the scheduler: a double as an argument would be boxed. */
export interface Task {
  run(): void
}

/** One alarm of one task; made once, armed as often as needed. */
export class Timer {
  readonly task: Task
  /** Its place in the heap; -1 while it is not armed. */
  slot = -1

  constructor(task: Task) {
    this.task = task
  }

  get armed(): boolean {
    return this.slot >= 0
  }
}

export class Scheduler {
  #now = new Float64Array(1)
  #due = new Float64Array(64)
  #order = new Float64Array(64)
  #timers: Timer[] = []
  #sequence = new Float64Array(1)
  #size = 0
  #stopped = false

  get now(): Nanos {
    return this.#now[0]
  }

  /** How many timers are armed. */
  get pending(): number {
    return this.#size
  }

  /** When the next event is due; Infinity when there is none. */
  get next(): Nanos {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#due[0]
  }

  /** When an armed timer is due; Infinity when it is not armed. */
  dueOf(timer: Timer): Nanos {
    return timer.slot < 0 ? Number.POSITIVE_INFINITY : this.#due[timer.slot]
  }

  /** Arms the timer for a moment, or moves it there. A moment in the past means now. */
  at(timer: Timer, due: Nanos): void {
    if (timer.slot >= 0) this.cancel(timer)
    if (this.#size === this.#due.length) this.#grow()
    this.#sequence[0]++
    this.#up(this.#size++, timer, due < this.#now[0] ? this.#now[0] : due, this.#sequence[0])
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
    if (slot < 0) return
    timer.slot = -1
    const last = --this.#size
    const moved = this.#timers[last]
    this.#timers[last] = timer // keeps the array packed; the place is free
    if (slot === last) return
    const due = this.#due[last]
    const order = this.#order[last]
    if (slot > 0 && this.#before(due, order, (slot - 1) >> 2)) this.#up(slot, moved, due, order)
    else this.#down(slot, moved, due, order)
  }

  /**
   * Runs events until none is due at or before `until`, or until `stop` is called. The clock then stands at
   * `until` when that is finite and nothing stopped it.
   */
  run(until: Nanos = Number.POSITIVE_INFINITY): void {
    this.#stopped = false
    while (this.#size > 0 && this.#due[0] <= until) {
      const timer = this.#timers[0]
      this.#now[0] = this.#due[0]
      this.cancel(timer)
      timer.task.run()
      if (this.#stopped) return
    }
    if (until !== Number.POSITIVE_INFINITY && until > this.#now[0]) this.#now[0] = until
  }

  /** Makes `run` return after the present event: somebody outside must act before time moves on. */
  stop(): void {
    this.#stopped = true
  }

  #before(due: Nanos, order: number, slot: number): boolean {
    return due < this.#due[slot] || (due === this.#due[slot] && order < this.#order[slot])
  }

  #place(slot: number, timer: Timer, due: Nanos, order: number): void {
    this.#due[slot] = due
    this.#order[slot] = order
    this.#timers[slot] = timer
    timer.slot = slot
  }

  #up(from: number, timer: Timer, due: Nanos, order: number): void {
    let slot = from
    while (slot > 0) {
      const parent = (slot - 1) >> 2
      if (!this.#before(due, order, parent)) break
      this.#place(slot, this.#timers[parent], this.#due[parent], this.#order[parent])
      slot = parent
    }
    this.#place(slot, timer, due, order)
  }

  #down(from: number, timer: Timer, due: Nanos, order: number): void {
    let slot = from
    for (;;) {
      const first = slot * 4 + 1
      if (first >= this.#size) break
      const end = first + 4 < this.#size ? first + 4 : this.#size
      let least = first
      for (let child = first + 1; child < end; child++) {
        if (this.#before(this.#due[child], this.#order[child], least)) least = child
      }
      if (this.#before(due, order, least)) break
      this.#place(slot, this.#timers[least], this.#due[least], this.#order[least])
      slot = least
    }
    this.#place(slot, timer, due, order)
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
