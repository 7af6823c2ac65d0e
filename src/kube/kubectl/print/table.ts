/** The tables of `kubectl get`: columns, rows, and widths that are remembered while a watch runs. */
import type { KubeObject } from '../api.ts'
import { formatLabels, mapAt, nameOf, namespaceOf } from '../field.ts'

export interface Column {
  readonly name: string
  /** Shown with -o wide only. */
  readonly wide?: true
}

/** How one kind is shown. `cells` has one text per column. */
export interface Layout {
  readonly columns: readonly Column[]
  cells(object: KubeObject, clock: number, wide: boolean): readonly string[]
}

/** `NAME READY *IP`: a star marks a column of -o wide; underscores stand for spaces. */
export function columns(names: string): Column[] {
  return names.split(' ').map((word) => {
    const name = word.replace('*', '').replaceAll('_', ' ')
    return word.startsWith('*') ? { name, wide: true } : { name }
  })
}

export interface TableOptions {
  readonly wide?: boolean
  readonly withNamespace?: boolean
  /** `pod/`, in front of each name, when several kinds are shown. */
  readonly prefix?: string
  readonly showLabels?: boolean
  readonly labelColumns?: readonly string[]
  readonly headers?: boolean
}

const MINIMUM = 6
const PADDING = 3

/** Lays out rows of equal length: three spaces between columns, nothing behind the last. */
export class ColumnWriter {
  readonly #widths: number[] = []

  write(rows: readonly (readonly string[])[]): string {
    for (const row of rows) {
      for (let column = 0; column < row.length - 1; column++) {
        this.#widths[column] = Math.max(this.#widths[column] ?? MINIMUM, row[column]!.length + PADDING)
      }
    }
    let output = ''
    for (const row of rows) {
      const last = row.length - 1
      output += `${row.map((cell, column) => (column < last ? cell.padEnd(this.#widths[column]!) : cell)).join('')}\n`
    }
    return output
  }
}

/** Prints tables of one kind; the heading comes once. */
export class TablePrinter {
  readonly #layout: Layout
  readonly #options: TableOptions
  readonly #writer = new ColumnWriter()
  #headed: boolean

  constructor(layout: Layout, options: TableOptions = {}) {
    this.#layout = layout
    this.#options = options
    this.#headed = options.headers === false
  }

  print(objects: readonly KubeObject[], clock: number): string {
    if (objects.length === 0) return ''
    const rows = objects.map((object) => this.#row(object, clock))
    if (!this.#headed) rows.unshift(this.#heading())
    this.#headed = true
    return this.#writer.write(rows)
  }

  #heading(): string[] {
    const names = this.#visible().map((index) => this.#layout.columns[index]!.name)
    if (this.#options.withNamespace) names.unshift('NAMESPACE')
    for (const key of this.#options.labelColumns ?? []) names.push(key.slice(key.lastIndexOf('/') + 1).toUpperCase())
    if (this.#options.showLabels) names.push('LABELS')
    return names
  }

  #row(object: KubeObject, clock: number): string[] {
    const all = this.#layout.cells(object, clock, this.#options.wide === true)
    const cells = this.#visible().map((index) => all[index]!)
    const named = this.#layout.columns.findIndex((column) => column.name === 'NAME')
    const position = this.#visible().indexOf(named)
    if (this.#options.prefix !== undefined && position >= 0) cells[position] = this.#options.prefix + nameOf(object)
    if (this.#options.withNamespace) cells.unshift(namespaceOf(object) ?? '')
    const labels = mapAt(object, 'metadata.labels')
    for (const key of this.#options.labelColumns ?? []) cells.push(labels[key] ?? '')
    if (this.#options.showLabels) cells.push(formatLabels(labels))
    return cells
  }

  #visible(): number[] {
    const indices = this.#layout.columns.keys()
    return [...indices].filter((index) => this.#options.wide === true || !this.#layout.columns[index]!.wide)
  }
}
