/** The YAML behind a topology: the document as plain values, and where each value stands. */
import { isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'
import type { Position, Problem } from './problem.ts'

export type Path = readonly (string | number)[]

export class Source {
  readonly file: string
  readonly text: string
  readonly value: unknown
  /** The YAML itself does not parse. */
  readonly problems: readonly Problem[]
  #document
  #lines = new LineCounter()

  /** `like`: what the whole file should be. */
  constructor(file: string, text: string, like = 'a YAML mapping with keys such as underlay, nodes and steps') {
    this.file = file
    this.text = text
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
    const unparsed = this.#document.errors.map((error) => ({
      file,
      position: this.#position(error.pos[0], error.pos[1]),
      path: '',
      found: `this is not YAML: ${error.message.split('\n')[0]}`,
      expected: like,
      suggestion: 'look for wrong indentation, a missing quote or bracket, or a tab, at or just before this place',
    }))
    this.problems = unparsed.length > 0 ? unparsed : this.#unresolved()
    this.value = this.problems.length > 0 ? null : this.#document.toJS()
  }

  /** Aliases of nothing: `*name` without an `&name` before it. */
  #unresolved(): Problem[] {
    const problems: Problem[] = []
    visit(this.#document, {
      Alias: (_, alias) => {
        if (alias.resolve(this.#document) !== undefined) return
        const [from, to] = alias.range ?? [0, 0]
        const found = `there is no &${alias.source} before *${alias.source}`
        problems.push({ file: this.file, position: this.#position(from, to), path: '', found, expected: 'an anchor' })
      },
    })
    return problems
  }

  /** Where the value stands; the nearest surrounding one when it is not there itself. */
  positionOf(path: Path): Position | null {
    for (let length = path.length; length >= 0; length--) {
      const node = this.#document.getIn(path.slice(0, length), true) as Node | undefined
      if (node?.range) return this.#position(node.range[0], node.range[1])
    }
    return null
  }

  /** Where a key itself stands, not its value. */
  positionOfKey(path: Path, key: string): Position | null {
    const node = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true)
    if (!isMap(node)) return this.positionOf(path)
    for (const pair of node.items) {
      if (isScalar(pair.key) && String(pair.key.value) === key && pair.key.range) {
        return this.#position(pair.key.range[0], pair.key.range[1])
      }
    }
    return this.positionOf(path)
  }

  #position(from: number, to: number): Position {
    const { line, col } = this.#lines.linePos(from)
    const rest = this.text.slice(from, to)
    const firstLine = rest.split('\n', 1)[0].trimEnd()
    return { line, column: col, length: Math.max(1, firstLine.length) }
  }
}

/** `nodes[1].ip`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}
