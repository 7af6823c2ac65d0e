/** Numbers as tc(8) reads and prints them (tc/tc_util.c, tc/tc_core.c). */
import { ToolError, type Words } from './ip-words.ts'

/** The kernel's packet scheduler clock runs at 15.625 ticks a microsecond (/proc/net/psched). */
const TICKS_PER_MICROSECOND = 15.625

export function ticksOf(microseconds: number): number {
  return Math.floor(microseconds * TICKS_PER_MICROSECOND)
}

export function microsecondsOf(ticks: number): number {
  return Math.floor(ticks / TICKS_PER_MICROSECOND)
}

/** PSCHED_TICKS2NS. */
export function nanosOf(ticks: number): number {
  return ticks * 64
}

const TIMES: Readonly<Record<string, number>> = {
  '': 1,
  s: 1e6,
  sec: 1e6,
  secs: 1e6,
  ms: 1e3,
  msec: 1e3,
  msecs: 1e3,
  us: 1,
  usec: 1,
  usecs: 1,
}

/** Bits per second. */
const RATES: Readonly<Record<string, number>> = {
  '': 1,
  bit: 1,
  kibit: 1024,
  kbit: 1e3,
  mibit: 1024 ** 2,
  mbit: 1e6,
  gibit: 1024 ** 3,
  gbit: 1e9,
  tibit: 1024 ** 4,
  tbit: 1e12,
  bps: 8,
  kibps: 8 * 1024,
  kbps: 8e3,
  mibps: 8 * 1024 ** 2,
  mbps: 8e6,
  gibps: 8 * 1024 ** 3,
  gbps: 8e9,
  tibps: 8 * 1024 ** 4,
  tbps: 8e12,
}

const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
  kbit: 1024 / 8,
  mbit: 1024 ** 2 / 8,
  gbit: 1024 ** 3 / 8,
}

function scaled(text: string, units: Readonly<Record<string, number>>): number | null {
  const found = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([a-z]*)$/i.exec(text)
  const unit = found === null ? '' : found[2].toLowerCase()
  if (found === null || !Object.hasOwn(units, unit)) return null
  return Number(found[1]) * units[unit]
}

/** Microseconds; a bare number is microseconds. */
export function parseTime(text: string): number | null {
  return scaled(text, TIMES)
}

/** Bytes per second, whole. */
export function parseRateWord(text: string): number | null {
  const bits = scaled(text, RATES)
  return bits === null || bits < 8 ? null : Math.floor(bits / 8)
}

/** Bytes, whole. */
export function parseSize(text: string): number | null {
  const bytes = scaled(text, SIZES)
  return bytes === null ? null : Math.floor(bytes)
}

/** From 0 to 1; with or without the sign. */
export function parsePercent(text: string): number | null {
  const found = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)%?$/.exec(text)
  const value = found === null ? Number.NaN : Number(found[1])
  return value >= 0 && value <= 100 ? value / 100 : null
}

/** `Illegal "latency"`. */
export function illegal(what: string): ToolError {
  return new ToolError(`Illegal "${what}"`, 1)
}

/** A number follows (NEXT_IS_NUMBER). */
export function numberNext(words: Words): boolean {
  return /^[0-9]/.test(words.peek)
}

/** C's %.Ng. */
export function general(value: number, digits: number): string {
  if (value === 0) return '0'
  const exponent = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))))
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = value.toExponential(digits - 1).split('e')
    const size = Math.abs(Number(power)).toString().padStart(2, '0')
    return `${Number(mantissa)}e${Number(power) < 0 ? '-' : '+'}${size}`
  }
  return String(Number(value.toPrecision(digits)))
}

/** The kernel keeps 32 bits of a chance, and prints six digits of it. */
export function percentText(probability: number): string {
  return `${general((100 * Math.round(probability * 0xffffffff)) / 0xffffffff, 6)}%`
}

/** Of microseconds: `10ms`. */
export function timeText(microseconds: number): string {
  if (microseconds >= 1e6) return `${general(microseconds / 1e6, 3)}s`
  if (microseconds >= 1e3) return `${general(microseconds / 1e3, 3)}ms`
  return `${Math.floor(microseconds)}us`
}

/** Of bytes per second: `1Mbit`. */
export function rateText(bytesPerSecond: number): string {
  const units = ['', 'K', 'M', 'G', 'T']
  let rate = bytesPerSecond * 8
  let unit = 0
  for (; unit < units.length - 1; unit++) {
    if (rate < 1000 || (rate % 1000 !== 0 && rate < 1_000_000)) break
    rate = Math.floor(rate / 1000)
  }
  return `${rate}${units[unit]}bit`
}

/** Of bytes: `4Kb`, `10125b`. */
export function sizeText(bytes: number): string {
  const mega = 1024 * 1024
  if (bytes >= mega && Math.abs(mega * Math.round(bytes / mega) - bytes) < 1024) return `${Math.round(bytes / mega)}Mb`
  if (bytes >= 1024 && Math.abs(1024 * Math.round(bytes / 1024) - bytes) < 16) return `${Math.round(bytes / 1024)}Kb`
  return `${bytes}b`
}
