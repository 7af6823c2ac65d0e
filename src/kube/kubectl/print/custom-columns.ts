/** `-o custom-columns=NAME:metadata.name,POD_IP:status.podIP` */
import type { KubeObject } from '../api.ts'
import { fail } from '../failure.ts'
import { find } from '../jsonpath/evaluate.ts'
import { type Path, parsePath } from '../jsonpath/template.ts'
import { goText } from './json.ts'
import { ColumnWriter } from './table.ts'

export class CustomColumns {
  readonly #columns: { readonly header: string; readonly path: Path }[]
  readonly #writer = new ColumnWriter()
  #headed: boolean

  constructor(spec: string, headers: boolean) {
    if (spec === '') fail('custom-columns format specified but no custom columns given')
    this.#columns = spec.split(',').map((part) => {
      const colon = part.indexOf(':')
      if (colon < 0) fail(`unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`)
      return { header: part.slice(0, colon), path: relaxedPath(part.slice(colon + 1)) }
    })
    this.#headed = !headers
  }

  print(objects: readonly KubeObject[]): string {
    const rows = objects.map((object) => this.#columns.map((column) => cell(find(column.path, object))))
    if (!this.#headed) rows.unshift(this.#columns.map((column) => column.header))
    this.#headed = true
    return this.#writer.write(rows)
  }
}

function cell(values: readonly unknown[]): string {
  return values.length === 0 ? '<none>' : values.map(goText).join(',')
}

/** `metadata.name`, `.metadata.name` and `{.metadata.name}` are the same path. */
export function relaxedPath(expression: string): Path {
  const match = /^\{?\.?([^{}]+)\}?$|^\{\s*\.?\s*\}$/.exec(expression)
  if (match === null) {
    const expected = `expected 'x.y.z' or '.x.y.z' or '{x.y.z}' or '{.x.y.z}'`
    fail(`unexpected path string, ${expected}, got ${expression}`)
  }
  const inner = match[1] ?? ''
  return parsePath(inner.startsWith('[') || inner.startsWith('$') || inner.startsWith('@') ? inner : `.${inner}`)
}
