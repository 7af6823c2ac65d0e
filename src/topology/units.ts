/** Durations and bit rates as people and tc write them: `50us`, `1.5s`, `2m`; `100mbit`, `1gbit`. */
import { MICROSECOND, MILLISECOND, type Nanos, SECOND } from '../sim/scheduler.ts'

const durations: Readonly<Record<string, number>> = {
  ns: 1,
  us: MICROSECOND,
  µs: MICROSECOND,
  ms: MILLISECOND,
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
}

const rates: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, tbit: 1e12 }

/** Null when the text is no duration; `1m30s` adds up. */
export function parseDuration(text: string): Nanos | null {
  const parts = [...text.matchAll(/([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return null
  return Math.round(parts.reduce((sum, [, number, unit]) => sum + Number(number) * durations[unit], 0))
}

/** Bits per second; null when the text is no rate. */
export function parseRate(text: string): number | null {
  const found = /^([0-9]+(?:\.[0-9]+)?)(bit|kbit|mbit|gbit|tbit)$/.exec(text.toLowerCase())
  return found === null ? null : Number(found[1]) * rates[found[2]]
}
