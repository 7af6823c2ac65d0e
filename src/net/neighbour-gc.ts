/** The neighbour table's garbage collection (neigh_periodic_work, neigh_forced_gc of net/core/neighbour.c). */
import { wheel } from '../sim/jiffies.ts'
import { type Nanos, type Scheduler, SECOND, Timer } from '../sim/scheduler.ts'
import { CONFIRMED, type Entry, UPDATED, USED } from './neighbour-entry.ts'
import type { NeighbourParameters } from './neighbour-parameters.ts'

/** A full table is cleaned at most this often, and of entries that did not change for as long. */
const PAUSE: Nanos = 5 * SECOND

/** The table that is kept small. */
interface Collected {
  readonly size: number
  list(): Entry[]
  end(entry: Entry): void
}

export class NeighbourCollector {
  readonly #scheduler: Scheduler
  readonly #table: Collected
  readonly #limits: NeighbourParameters
  readonly #timer: Timer
  /** When neigh_forced_gc ran last. */
  #forced: Nanos = -1e18

  constructor(scheduler: Scheduler, table: Collected, limits: NeighbourParameters) {
    this.#scheduler = scheduler
    this.#table = table
    this.#limits = limits
    this.#timer = new Timer({ run: () => this.#collect() })
  }

  /** neigh_alloc: above gc_thresh2 the table is cleaned at once, above gc_thresh3 nothing new is let in. */
  roomForOne(): boolean {
    const table = this.#table
    const { gcThreshold2, gcThreshold3 } = this.#limits
    if (table.size < gcThreshold2) return true
    const { now } = this.#scheduler
    if (table.size < gcThreshold3 && now <= this.#forced + PAUSE) return true
    this.#forced = now
    const before = table.size
    for (const entry of table.list()) {
      if (table.size <= gcThreshold2) break
      const old = entry.times[UPDATED] < now - PAUSE
      if (entry.state !== 'PERMANENT' && (old || entry.state === 'FAILED' || entry.state === 'NOARP')) table.end(entry)
    }
    return table.size < before || table.size < gcThreshold3
  }

  /** The table has one more entry. */
  grown(): void {
    if (this.#table.size >= this.#limits.gcThreshold1 && !this.#timer.armed) this.#collectLater()
  }

  #collectLater(): void {
    this.#scheduler.at(this.#timer, wheel(this.#scheduler.now, this.#limits.baseReachable / 2))
  }

  /** neigh_periodic_work: from gc_thresh1 entries on, what failed or was not used for gc_stale_time goes. */
  #collect(): void {
    const table = this.#table
    const { gcThreshold1 } = this.#limits
    if (table.size < gcThreshold1) return
    const { now } = this.#scheduler
    for (const entry of table.list()) {
      if (entry.state === 'PERMANENT' || entry.timer.armed) continue
      const used = Math.max(entry.times[USED], entry.times[CONFIRMED])
      if (entry.state === 'FAILED' || now >= used + entry.parameters.staleTime) table.end(entry)
    }
    if (table.size >= gcThreshold1) this.#collectLater()
  }
}
