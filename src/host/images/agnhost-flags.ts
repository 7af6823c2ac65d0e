/** agnhost's flags, as Go's pflag reads them: `--port=80` or `--port 80`. */
import { MILLISECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { Process } from '../process.ts'

const UNITS: Readonly<Record<string, Nanos>> = { ms: MILLISECOND, s: SECOND, m: 60 * SECOND }

export class Flags {
  readonly #given = new Map<string, string>()
  /** What is no flag, behind the subcommand. */
  readonly words: readonly string[]

  /** `switches` take their value only behind `=`. */
  constructor({ args }: Process, switches: readonly string[] = ['tcp', 'udp', 'sctp', 'http', 'close']) {
    const words: string[] = []
    for (let at = 2; at < args.length; at++) {
      const found = /^--?([a-z][a-z-]*)(?:=(.*))?$/.exec(args[at])
      if (found === null) words.push(args[at])
      else if (found[2] !== undefined) this.#given.set(found[1], found[2])
      else this.#given.set(found[1], switches.includes(found[1]) ? 'true' : (args[++at] ?? ''))
    }
    this.words = words
  }

  text(name: string, otherwise = ''): string {
    return this.#given.get(name) ?? otherwise
  }

  number(name: string, otherwise: number): number {
    return Number(this.text(name, String(otherwise)))
  }

  on(name: string, otherwise = false): boolean {
    return this.text(name, String(otherwise)) === 'true'
  }

  /** `1s`, `500ms`; null when it is not given. */
  duration(name: string): Nanos | null {
    return parseDuration(this.text(name))
  }
}

/** Go's durations with one unit; null for anything else. */
export function parseDuration(text: string): Nanos | null {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text)
  return found === null ? null : Number(found[1]) * UNITS[found[2]]
}
