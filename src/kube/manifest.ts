/**
 * Manifests: YAML (several documents in one file) or JSON, as people write them for kubectl.
 *
 * Every error says where it stands and what was expected. Unknown fields are the API server's business (store.ts);
 * `strict` finds them here too, with their positions, for files that podwire itself is given.
 */
import { isScalar, isSeq, isMap as isYamlMap, LineCounter, parseAllDocuments, type Node as YamlNode } from 'yaml'
import { isMap, type JsonMap } from './json.ts'
import { KINDS } from './kinds.ts'
import type { KubeObject } from './objects.ts'
import { SCHEMAS } from './schema.ts'
import { inspect, siblings } from './schema-shape.ts'

export interface ManifestProblem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  readonly message: string
  readonly found?: string
  readonly expected?: string
  readonly suggestion?: string
}

export class ManifestError extends Error {
  override readonly name = 'ManifestError'
  readonly file: string
  readonly line: number
  readonly column: number
  /** The sentence without its place. */
  readonly sentence: string
  readonly found: string | null
  readonly expected: string | null
  readonly suggestion: string | null

  constructor(problem: ManifestProblem) {
    const { file, line, column, message, found, expected, suggestion } = problem
    const details = [
      found === undefined ? '' : `; found ${found}`,
      expected === undefined ? '' : `; expected ${expected}`,
      suggestion === undefined ? '' : `; ${suggestion}`,
    ]
    super(`${file}:${line}:${column}: ${message}${details.join('')}`)
    this.file = file
    this.line = line
    this.column = column
    this.sentence = message
    this.found = found ?? null
    this.expected = expected ?? null
    this.suggestion = suggestion ?? null
  }
}

export interface ManifestOptions {
  /** Refuse fields that Kubernetes does not have, with their positions. */
  readonly strict?: boolean
}

/** The objects of a file, in order; empty documents are skipped, Lists are opened. @throws ManifestError */
export function parseManifests(text: string, file: string, options: ManifestOptions = {}): KubeObject[] {
  return new Source(text, file, options.strict ?? false).objects()
}

class Source {
  readonly #file: string
  readonly #text: string
  readonly #strict: boolean
  readonly #lines = new LineCounter()

  constructor(text: string, file: string, strict: boolean) {
    this.#file = file
    this.#text = text
    this.#strict = strict
  }

  objects(): KubeObject[] {
    const documents = parseAllDocuments(this.#text, { lineCounter: this.#lines, merge: true, prettyErrors: false })
    const found: KubeObject[] = []
    for (const document of 'empty' in documents ? [] : documents) {
      const error = document.errors[0]
      if (error !== undefined) this.#fail(error.pos[0], yamlSentence(error.message))
      const root = document.contents as YamlNode | null
      if (root === null || (isScalar(root) && root.value === null)) continue
      this.#open(root, document.toJS() as unknown, found)
    }
    return found
  }

  /** One object, or the items of a List. */
  #open(node: YamlNode, value: unknown, found: KubeObject[]): void {
    const start = node.range?.[0] ?? 0
    if (!isMap(value)) {
      this.#fail(start, 'a manifest is a map with apiVersion, kind and metadata', {
        found: describe(value),
        expected: 'a map',
      })
    }
    for (const name of ['apiVersion', 'kind']) {
      if (typeof value[name] === 'string' && value[name] !== '') continue
      const missing = value[name] === undefined || value[name] === null
      if (missing) this.#fail(start, `${name} is missing`, { expected: `${name}: …` })
      this.#fail(this.#at(node, [name]), `${name} must be text`, { found: describe(value[name]), expected: 'text' })
    }
    if (value.kind === 'List' || (String(value.kind).endsWith('List') && Array.isArray(value.items))) {
      const items = this.#node(node, ['items'])
      const values = Array.isArray(value.items) ? value.items : []
      values.forEach((item, i) => this.#open(isSeq(items) ? (items.items[i] as YamlNode) : node, item, found))
      return
    }
    this.#checkKind(node, value)
    this.#checkMetadata(node, value)
    if (this.#strict) this.#checkFields(node, value)
    found.push(value as unknown as KubeObject)
  }

  #checkKind(node: YamlNode, value: JsonMap): void {
    const kind = String(value.kind)
    const known = KINDS.get(kind)
    if (known?.apiVersion === value.apiVersion) return
    const at = this.#at(node, [known === undefined ? 'kind' : 'apiVersion'])
    const message = `podwire: kind ${kind} (apiVersion ${String(value.apiVersion)}) is not modelled`
    if (known !== undefined) {
      const expected = `apiVersion ${known.apiVersion} for ${kind}`
      this.#fail(at, message, { found: `apiVersion ${String(value.apiVersion)}`, expected })
    }
    const near = nearest(kind, [...KINDS.keys()])
    const expected = `one of ${[...KINDS.values()].map((info) => `${info.kind} (${info.apiVersion})`).join(', ')}`
    this.#fail(at, message, {
      found: kind,
      expected,
      ...(near === null ? {} : { suggestion: `did you mean ${near}?` }),
    })
  }

  #checkMetadata(node: YamlNode, value: JsonMap): void {
    const { metadata } = value
    if (metadata === undefined || metadata === null) {
      this.#fail(node.range?.[0] ?? 0, 'metadata is missing', { expected: 'metadata: {name: …}' })
    }
    const at = this.#at(node, ['metadata'])
    if (!isMap(metadata)) this.#fail(at, 'metadata must be a map', { found: describe(metadata), expected: 'a map' })
    for (const name of ['name', 'namespace', 'generateName']) {
      const found = metadata[name]
      if (found === undefined || found === null || typeof found === 'string') continue
      const place = this.#at(node, ['metadata', name])
      const suggestion = `put it in quotes: ${name}: "${String(found)}"`
      this.#fail(place, `metadata.${name} must be text`, { found: describe(found), expected: 'text', suggestion })
    }
    if (!metadata.name && !metadata.generateName) this.#fail(at, 'metadata.name is missing', { expected: 'name: …' })
  }

  #checkFields(node: YamlNode, value: JsonMap): void {
    const schema = SCHEMAS.get(String(value.kind))
    if (schema === undefined) return
    const { unknown, wrong } = inspect(schema, value)
    if (wrong !== null) this.#fail(this.#at(node, split(wrong.path)), wrong.sentence)
    if (unknown.length === 0) return
    const steps = split(unknown[0])
    const names = siblings(schema, unknown[0])
    const last = steps[steps.length - 1]
    const near = nearest(String(last), names)
    this.#fail(this.#key(node, steps), `strict decoding error: unknown field "${unknown[0]}"`, {
      found: String(last),
      expected: `one of ${names.join(', ')}`,
      ...(near === null ? {} : { suggestion: `did you mean ${near}?` }),
    })
  }

  #node(node: YamlNode, steps: readonly (string | number)[]): YamlNode | null {
    let current: unknown = node
    for (const step of steps) {
      if (isYamlMap(current) || isSeq(current)) current = current.get(step, true)
      else return null
    }
    return (current ?? null) as YamlNode | null
  }

  #at(node: YamlNode, steps: readonly (string | number)[]): number {
    return this.#node(node, steps)?.range?.[0] ?? node.range?.[0] ?? 0
  }

  /** Where the key itself stands. */
  #key(node: YamlNode, steps: readonly (string | number)[]): number {
    const parent = this.#node(node, steps.slice(0, -1))
    const last = steps[steps.length - 1]
    if (!isYamlMap(parent)) return this.#at(node, steps)
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last)
    return isScalar(pair?.key) ? (pair.key.range?.[0] ?? 0) : this.#at(node, steps)
  }

  #fail(offset: number, message: string, more: Pick<ManifestProblem, 'found' | 'expected' | 'suggestion'> = {}): never {
    const { line, col } = this.#lines.linePos(offset)
    throw new ManifestError({ file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1), message, ...more })
  }
}

/** `spec.containers[0].name` as steps. */
function split(path: string): (string | number)[] {
  return path.split('.').flatMap((part) => {
    const [name, ...indices] = part.split('[')
    return [name, ...indices.map((index) => Number.parseInt(index, 10))]
  })
}

function describe(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (isMap(value)) return 'a map'
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function yamlSentence(message: string): string {
  return message.split(' at line ')[0].trim()
}

/** The known word that differs least, when it differs little. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase())
    if (far < least) {
      least = far
      best = candidate
    }
  }
  return best
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]
}
