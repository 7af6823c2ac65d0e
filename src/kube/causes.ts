/** Collects what is wrong with an object, in the API server's words. */
import type { Cause } from './api-error.ts'
import { isMap } from './json.ts'

export class Causes {
  readonly all: Cause[] = []

  add(field: string, message: string): void {
    this.all.push({ field, message })
  }

  required(field: string, why = ''): void {
    this.add(field, `Required value${why === '' ? '' : `: ${why}`}`)
  }

  invalid(field: string, value: unknown, why: string): void {
    this.add(field, `Invalid value: ${goText(value)}: ${why}`)
  }

  /** Adds what the check says, if anything. */
  check(field: string, value: string, check: (value: string) => string | null): void {
    const why = check(value)
    if (why !== null) this.invalid(field, value, why)
  }

  port(field: string, value: unknown, check: (value: number) => string | null): void {
    const why = check(Number(value))
    if (why !== null) this.invalid(field, value, why)
  }

  /** The value, when there is one, must be one of these. */
  oneOf(field: string, value: unknown, allowed: readonly string[]): void {
    if (value === undefined || value === null || value === '' || allowed.includes(value as string)) return
    const list = [...allowed]
      .sort()
      .map((item) => JSON.stringify(item))
      .join(', ')
    this.add(field, `Unsupported value: ${goText(value)}: supported values: ${list}`)
  }
}

/** A value as Go prints it in these sentences. */
export function goText(value: unknown): string {
  if (Array.isArray(value)) return `[]string{${value.map(goText).join(', ')}}`
  if (!isMap(value)) return JSON.stringify(value) ?? 'null'
  const pairs = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${goText(value[key])}`)
  return `map[string]string{${pairs.join(', ')}}`
}

/** A LabelSelector as Go prints it. */
export function goSelector(selector: unknown): string {
  const map = isMap(selector) ? selector : {}
  const labels = map.matchLabels === undefined ? 'map[string]string(nil)' : goText(map.matchLabels)
  const expressions = Array.isArray(map.matchExpressions)
    ? `[]v1.LabelSelectorRequirement{${map.matchExpressions.map((e) => JSON.stringify(e)).join(', ')}}`
    : '[]v1.LabelSelectorRequirement(nil)'
  return `v1.LabelSelector{MatchLabels:${labels}, MatchExpressions:${expressions}}`
}
