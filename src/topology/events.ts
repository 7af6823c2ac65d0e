/** What a topology lets happen by itself: cables pulled and plugged in, and commands typed, at their times. */
import type { Place } from '../host/place.ts'
import type { Runner } from '../host/run.ts'
import type { World } from '../link/world.ts'
import type { ScheduledEvent } from './schema.ts'
import { parseDuration, parseLink } from './units.ts'

/** Told when an event happens, so that a terminal can show it. */
export type EventListener = (text: string) => void

/** What events need of their lab. */
export interface EventPlace {
  readonly world: World
  readonly runner: Runner
  readonly workstation: Place
  setLink(text: string): void
}

export class Events {
  /** What went wrong since somebody asked, each in one sentence. */
  readonly failures: string[] = []
  listener: EventListener | null = null
  readonly #lab: EventPlace

  constructor(lab: EventPlace) {
    this.#lab = lab
  }

  /** Times count from now. */
  schedule(events: readonly ScheduledEvent[]): void {
    for (const event of events) {
      const { world } = this.#lab
      world.scheduler.call(parseDuration(event.at) ?? 0, () => this.#happen(event))
    }
  }

  #happen(event: ScheduledEvent): void {
    this.listener?.(`at ${event.at}: ${event.link === undefined ? event.run : `link ${event.link}`}`)
    if (event.link !== undefined) this.#lab.setLink(event.link)
    if (event.run !== undefined) this.#type(event.run)
  }

  #type(line: string): void {
    const { runner, workstation } = this.#lab
    let said = ''
    const keep = (text: string): void => {
      said += text
    }
    workstation.shell(line, { out: keep, err: keep }).exit.then(
      (code) => {
        if (code !== 0) this.failures.push(`the event \`${line}\` ended with exit code ${code}: ${said.trim()}`)
      },
      (error) => this.failures.push(`the event \`${line}\` failed: ${String(error)}`),
    )
    // An async function begun inside an event must run before time moves on.
    runner.wake()
  }

  /** The machine and the new state of `w1/eth0 down`. */
  static link(text: string): { readonly machine: string; readonly up: boolean } {
    const link = parseLink(text)
    if (link === null) throw new RangeError(`${text} names no link`)
    return link
  }
}
