/** Virtual time for people. */
import { MICROSECOND, MILLISECOND, type Nanos, SECOND } from '../sim/scheduler.ts'

/** `3.2 s`, `10 ms`, `50 µs`: three digits at most are said. */
export function durationText(nanos: Nanos): string {
  if (nanos >= SECOND) return `${rounded(nanos / SECOND)} s`
  if (nanos >= MILLISECOND) return `${rounded(nanos / MILLISECOND)} ms`
  return nanos >= MICROSECOND ? `${rounded(nanos / MICROSECOND)} µs` : `${Math.round(nanos)} ns`
}

/** `3.2 s ago`, `just now`. */
export function agoText(nanos: Nanos): string {
  return nanos < MICROSECOND ? 'just now' : `${durationText(nanos)} ago`
}

function rounded(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))
}
