/** Virtual time as the API writes it: RFC 3339, whole seconds, UTC. */
import type { Nanos } from '../sim/scheduler.ts'

export class Clock {
  readonly #now: () => Nanos
  /** Said instead of the present moment. */
  #pinned: Nanos | null = null
  /** What was said last: most of it falls into the same second. */
  #second = Number.NaN
  #text = ''
  /** Seconds from 1970 to the beginning of the world. */
  readonly epochSeconds: number

  constructor(now: () => Nanos, epochSeconds: number) {
    this.#now = now
    this.epochSeconds = epochSeconds
  }

  get now(): Nanos {
    return this.#pinned ?? this.#now()
  }

  /** What happens in `action` happened at that moment. */
  during<T>(at: Nanos, action: () => T): T {
    const before = this.#pinned
    this.#pinned = at
    try {
      return action()
    } finally {
      this.#pinned = before
    }
  }

  /** The moment as the API writes it. */
  text(at: Nanos = this.now): string {
    const second = Math.floor(at / 1e9)
    if (second !== this.#second) {
      this.#second = second
      this.#text = new Date((this.epochSeconds + second) * 1000).toISOString().replace('.000Z', 'Z')
    }
    return this.#text
  }

  /** Virtual time of a timestamp; whole seconds. */
  parse(text: string): Nanos {
    return (Date.parse(text) / 1000 - this.epochSeconds) * 1e9
  }
}
