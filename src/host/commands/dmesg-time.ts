/** The time in front of a line of dmesg, in its many forms. */
import { MICROSECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { Options } from '../getopt.ts'

export type TimeFormat = 'time' | 'none' | 'ctime' | 'reltime' | 'iso'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const named: Readonly<Record<string, readonly [TimeFormat, boolean]>> = {
  ctime: ['ctime', false],
  reltime: ['reltime', false],
  delta: ['none', true],
  notime: ['none', false],
  iso: ['iso', false],
}
const letters: Readonly<Record<string, TimeFormat>> = { T: 'ctime', t: 'none', e: 'reltime', H: 'reltime' }

/** The last one asked for, and whether the delta belongs to it; --human only says what nobody else does. Null: no such. */
export function timeFormat(found: Options): readonly [TimeFormat, boolean] | null {
  let chosen: readonly [TimeFormat, boolean] | null = null
  let human = false
  for (const [name, value] of found.options) {
    if (name === 'time-format') {
      if (!Object.hasOwn(named, value)) return null
      chosen = named[value]
    } else if (name === 'H') human = true
    else if (Object.hasOwn(letters, name)) chosen = [letters[name], false]
  }
  return chosen ?? [human ? 'reltime' : 'time', false]
}

export class DmesgTime {
  readonly #format: TimeFormat
  readonly #delta: boolean
  /** When the machine started, in milliseconds since 1970. */
  readonly #boot: number
  #last: Nanos | null = null
  #minute = -1

  constructor(format: TimeFormat, delta: boolean, boot: number) {
    this.#format = format
    this.#delta = delta
    this.#boot = boot
  }

  /** Seconds and microseconds since the start. */
  seconds(time: Nanos): string {
    const micros = Math.floor((time % SECOND) / MICROSECOND)
    return `${String(Math.floor(time / SECOND)).padStart(5)}.${String(micros).padStart(6, '0')}`
  }

  plain(time: Nanos): string {
    return `[${this.seconds(time)}] `
  }

  /** As it was asked for. */
  stamp(time: Nanos): string {
    const micros = Math.floor(time / MICROSECOND)
    const since = this.#last === null ? 0 : (micros - this.#last) / 1e6
    this.#last = micros
    const delta = `<${since.toFixed(6).padStart(12)}>`
    switch (this.#format) {
      case 'time':
        return this.#delta ? `[${this.seconds(time)} ${delta}] ` : this.plain(time)
      case 'ctime':
        return `[${this.#ctime(time)}${this.#delta ? ` ${delta}` : ''}] `
      case 'iso':
        return `${this.#date(time).toISOString().slice(0, 19)},${this.seconds(time).slice(-6)}+00:00 `
      case 'reltime':
        return this.#delta ? `[${delta}] ` : this.#relative(time, since)
      case 'none':
        return this.#delta ? `[${delta}] ` : ''
    }
  }

  /** The wall clock when its minute is another one than before, otherwise the time since. */
  #relative(time: Nanos, since: number): string {
    const minute = Math.floor(this.#date(time).getTime() / 60_000)
    const before = this.#minute
    this.#minute = minute
    if (minute === before) return `[${since < 10 ? ' ' : ''}${`+${since.toFixed(6)}`.padStart(since < 10 ? 10 : 11)}] `
    const date = this.#date(time)
    const two = (value: number) => String(value).padStart(2, '0')
    const day = String(date.getUTCDate()).padStart(2)
    return `[${MONTHS[date.getUTCMonth()]}${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}] `
  }

  #ctime(time: Nanos): string {
    const date = this.#date(time)
    const day = String(date.getUTCDate()).padStart(2)
    const clock = date.toISOString().slice(11, 19)
    return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${clock} ${date.getUTCFullYear()}`
  }

  #date(time: Nanos): Date {
    return new Date(this.#boot + Math.floor(time / 1e6))
  }
}
