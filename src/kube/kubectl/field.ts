/** Reading API objects by path: `status.podIP` of whatever JSON this is. */

export type JsonMap = Record<string, unknown>

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a dotted path, or undefined. Keys with dots in them cannot be named this way. */
export function at(value: unknown, path: string): unknown {
  let here = value
  for (const key of path.split('.')) {
    if (!isMap(here)) return undefined
    here = here[key]
  }
  return here
}

export function textAt(value: unknown, path: string): string {
  const found = at(value, path)
  return found === undefined || found === null ? '' : String(found)
}

export function numberAt(value: unknown, path: string, otherwise = 0): number {
  const found = at(value, path)
  return typeof found === 'number' ? found : otherwise
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path)
  return Array.isArray(found) ? found : []
}

/** Labels, annotations, selectors: string to string. */
export function mapAt(value: unknown, path: string): Record<string, string> {
  const found = at(value, path)
  return isMap(found) ? (found as Record<string, string>) : {}
}

export function nameOf(object: unknown): string {
  return textAt(object, 'metadata.name')
}

export function namespaceOf(object: unknown): string | null {
  return textAt(object, 'metadata.namespace') || null
}

export function uidOf(object: unknown): string {
  return textAt(object, 'metadata.uid')
}

/** A deep copy of plain JSON. */
export function copyOf<T>(value: T): T {
  return structuredClone(value)
}

export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((element, index) => same(element, b[index]))
  }
  if (!isMap(a) || !isMap(b)) return false
  const keys = Object.keys(a).filter((key) => a[key] !== undefined)
  if (keys.length !== Object.keys(b).filter((key) => b[key] !== undefined).length) return false
  return keys.every((key) => same(a[key], b[key]))
}

/** `a=1,b=2`, sorted, or `<none>`: labels and selectors in every table. */
export function formatLabels(labels: Record<string, string>): string {
  const keys = Object.keys(labels).sort()
  return keys.length === 0 ? '<none>' : keys.map((key) => `${key}=${labels[key]}`).join(',')
}

/** A selector of either form, `matchLabels` and `matchExpressions` or a plain map, as text. */
export function formatSelector(selector: unknown): string {
  if (!isMap(selector)) return '<none>'
  if (!('matchLabels' in selector) && !('matchExpressions' in selector)) {
    return formatLabels(selector as Record<string, string>)
  }
  const labels = mapAt(selector, 'matchLabels')
  const terms = Object.keys(labels)
    .sort()
    .map((key) => `${key}=${labels[key]}`)
  for (const expression of listAt(selector, 'matchExpressions')) {
    const key = textAt(expression, 'key')
    const values = listAt(expression, 'values').join(',')
    const operator = textAt(expression, 'operator')
    if (operator === 'Exists') terms.push(key)
    else if (operator === 'DoesNotExist') terms.push(`!${key}`)
    else terms.push(`${key} ${operator.toLowerCase()} (${values})`)
  }
  return terms.length === 0 ? '<none>' : terms.join(',')
}
