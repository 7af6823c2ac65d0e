/** JSON as Go writes it: keys sorted, four spaces, and what fmt.Sprint makes of a value. */
import { isMap } from '../field.ts'

/** One line, keys sorted: jsonpath's objects and the last-applied annotation. */
export function compactJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(compactJson).join(',')}]`
  if (!isMap(value)) return JSON.stringify(value ?? null)
  const keys = sortedKeys(value)
  return `{${keys.map((key) => `${JSON.stringify(key)}:${compactJson(value[key])}`).join(',')}}`
}

export function sortedKeys(value: Record<string, unknown>): string[] {
  return Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
}

/** `-o json`. */
export function indentedJson(value: unknown, indent = ''): string {
  const inner = `${indent}    `
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]'
    return `[\n${value.map((element) => inner + indentedJson(element, inner)).join(',\n')}\n${indent}]`
  }
  if (isMap(value)) {
    const keys = sortedKeys(value)
    if (keys.length === 0) return '{}'
    const lines = keys.map((key) => `${inner}${quoted(key)}: ${indentedJson(value[key], inner)}`)
    return `{\n${lines.join(',\n')}\n${indent}}`
  }
  return typeof value === 'string' ? quoted(value) : JSON.stringify(value ?? null)
}

// encoding/json escapes what HTML would mind.
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[<>&]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
}

/** fmt.Sprint: `map[app:web tier:front]`, `[a b]`, `<nil>`. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`
  if (isMap(value)) {
    return `map[${sortedKeys(value)
      .map((key) => `${key}:${goText(value[key])}`)
      .join(' ')}]`
  }
  return String(value)
}

/** fmt's %#v of decoded JSON. */
export function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)'
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (isMap(value)) {
    const entries = sortedKeys(value).map((key) => `${JSON.stringify(key)}:${goSyntax(value[key])}`)
    return `map[string]interface {}{${entries.join(', ')}}`
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
