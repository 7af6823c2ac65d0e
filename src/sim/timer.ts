/** What the scheduler is asked for: alarms, and whose they are. */

/** The slot of a timer that is not armed. */
export const IDLE = -1

/** Something that can be scheduled. It reads the time from the scheduler: a double as an argument would be boxed. */
export interface Task {
  run(): void
}

/** One alarm of one task; made once, armed as often as needed. */
export class Timer {
  readonly task: Task
  /** Its place in the heap; below -1: its entry in the wheel, counted from -2 down; IDLE while it is not armed. */
  slot = IDLE
  /**
   * 0: at one instant it takes its turn by when it was armed. Negative: before all those, the lowest rank first, no matter
   * when it was armed (what comes from another thread is armed at any moment). No two of a rank are due at one instant.
   */
  rank = 0

  constructor(task: Task) {
    this.task = task
  }

  get armed(): boolean {
    return this.slot !== IDLE
  }
}
