/** Durations in kubectl's two spellings: ages in tables (apimachinery's HumanDuration), and Go's in flags. */
import type { Nanos } from '../../sim/scheduler.ts'

/** `5s`, `2m30s`, `3h5m`, `7d`: what AGE columns show. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (hours < 192) return two(days, 'd', hours % 24, 'h')
  if (hours < 24 * 365 * 2) return `${days}d`
  const years = Math.floor(hours / 24 / 365)
  if (hours < 24 * 365 * 8) return two(years, 'y', days % 365, 'd')
  return `${years}y`
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`
}

/** The age of an RFC 3339 time; `<unknown>` without one. */
export function age(timestamp: string, clock: number): string {
  return timestamp === '' ? '<unknown>' : humanDuration(clock - Date.parse(timestamp))
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** Go's time.ParseDuration: `30s`, `1m30s`, `0`. Null when it is none. */
export function parseDuration(text: string): Nanos | null {
  const sign = text.startsWith('-') ? -1 : 1
  const body = text.replace(/^[+-]/, '')
  if (body === '0') return 0
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/y
  let total = 0
  let reached = 0
  for (let match = part.exec(body); match !== null; match = part.exec(body)) {
    total += Number(match[1]) * UNITS[match[2] as string]!
    reached = part.lastIndex
  }
  return body === '' || reached !== body.length ? null : sign * total
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Mon, 02 Jan 2006 15:04:05 +0000`: how describe writes times. */
export function rfc1123z(timestamp: string): string {
  const date = new Date(timestamp)
  if (timestamp === '' || Number.isNaN(date.getTime())) return '<unset>'
  const day = String(date.getUTCDate()).padStart(2, '0')
  const time = date.toISOString().slice(11, 19)
  return `${DAYS[date.getUTCDay()]}, ${day} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${time} +0000`
}

/** `2006-01-02T15:04:05Z` of the emulated clock. */
export function rfc3339(clock: number): string {
  return `${new Date(Math.floor(clock / 1000) * 1000).toISOString().slice(0, 19)}Z`
}
