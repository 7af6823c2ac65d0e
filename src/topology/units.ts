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

/** `1%`, `0.01`, or with a correlation `1% 25%`; both from 0 to 1; null when the text is no chance. */
export function parseChance(
  given: number | string,
): { readonly probability: number; readonly correlation: number } | null {
  const words = String(given).trim().split(/\s+/)
  if (words.length > 2) return null
  const values = words.map((word) => {
    const found = /^([0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)(%?)$/.exec(word)
    return found === null ? Number.NaN : Number(found[1]) / (found[2] === '%' ? 100 : 1)
  })
  if (!values.every((value) => value >= 0 && value <= 1)) return null
  return { probability: values[0], correlation: values[1] ?? 0 }
}

/** `w1/eth0 down`, `w1 up`: the machine at the end of a cable, and whether the plug is in. */
export function parseLink(text: string): { readonly machine: string; readonly up: boolean } | null {
  const found = /^([^\s/]+)(?:\/eth0)? (up|down)$/.exec(text)
  return found === null ? null : { machine: found[1], up: found[2] === 'up' }
}
