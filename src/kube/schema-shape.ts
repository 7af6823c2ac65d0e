/** How a field of a kind looks: the words in which schema.ts is written, and the strict decoder that reads them. */
import { isMap } from './json.ts'

export type Leaf = 'string' | 'int32' | 'int64' | 'bool' | 'intOrString' | 'quantity' | 'time' | 'any'

export interface Struct {
  /** Go's name of the type, for the API server's sentence about wrong types. */
  readonly go: string
  readonly fields: Readonly<Record<string, Shape>>
}

export type Shape =
  | Leaf
  | Struct
  | { readonly list: Shape }
  | { readonly map: Shape }
  /** Kubernetes has it, and its presence changes nothing in podwire: said aloud. */
  | { readonly unmodelled: Shape }

export function struct(go: string, fields: Readonly<Record<string, Shape>>): Struct {
  return { go, fields }
}

export function list(shape: Shape): Shape {
  return { list: shape }
}

export function map(shape: Shape): Shape {
  return { map: shape }
}

/** A field that podwire accepts and does not act on. */
export function unmodelled(shape: Shape = 'any'): Shape {
  return { unmodelled: shape }
}

export interface Findings {
  /** Paths of fields that Kubernetes does not have. */
  readonly unknown: string[]
  /** Paths of fields that podwire does not act on. */
  readonly unmodelled: string[]
  /** `json: cannot unmarshal …`: the first wrong type. */
  wrong: { readonly path: string; readonly sentence: string } | null
}

interface Place {
  readonly go: string
  /** With indices, for strict decoding: `spec.containers[0].ports`. */
  readonly path: string
  /** Without: `spec.containers.ports`. */
  readonly plain: string
}

/** Walks an object through its shape. */
export function inspect(shape: Struct, value: unknown): Findings {
  const findings: Findings = { unknown: [], unmodelled: [], wrong: null }
  if (!blameless(shape, value)) walk(shape, value, { go: shape.go, path: '', plain: '' }, findings)
  return findings
}

const goTypes: Readonly<Record<string, string>> = {
  string: 'string',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
  intOrString: 'intstr.IntOrString',
  quantity: 'resource.Quantity',
  time: 'time.Time',
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

function fits(leaf: Leaf, value: unknown): boolean {
  switch (leaf) {
    case 'any':
      return true
    case 'string':
    case 'time':
      return typeof value === 'string'
    case 'bool':
      return typeof value === 'boolean'
    case 'int32':
    case 'int64':
      return Number.isInteger(value)
    case 'intOrString':
    case 'quantity':
      return typeof value === 'string' || typeof value === 'number'
  }
}

function goTypeOf(shape: Shape): string {
  if (typeof shape === 'string') return goTypes[shape] ?? shape
  if ('go' in shape) return `v1.${shape.go}`
  if ('list' in shape) return `[]${goTypeOf(shape.list)}`
  if ('map' in shape) return `map[string]${goTypeOf(shape.map)}`
  return goTypeOf(shape.unmodelled)
}

function wrongType(shape: Shape, value: unknown, at: Place, findings: Findings): void {
  const found = jsonType(value) === 'number' && !Number.isInteger(value) ? `number ${value}` : jsonType(value)
  const sentence = `json: cannot unmarshal ${found} into Go struct field ${at.go}.${at.plain} of type ${goTypeOf(shape)}`
  findings.wrong ??= { path: at.path, sentence }
}

/** There is nothing to find: most objects are, and need no paths. */
function blameless(shape: Shape, value: unknown): boolean {
  if (value === null || value === undefined) return true
  if (typeof shape === 'string') return fits(shape, value)
  if ('unmodelled' in shape) return false
  if ('list' in shape) return Array.isArray(value) && value.every((item) => blameless(shape.list, item))
  if (!isMap(value)) return false
  if ('map' in shape) {
    for (const key in value) if (!blameless(shape.map, value[key])) return false
    return true
  }
  for (const key in value) {
    if (!Object.hasOwn(shape.fields, key) || !blameless(shape.fields[key], value[key])) return false
  }
  return true
}

function walk(shape: Shape, value: unknown, at: Place, findings: Findings): void {
  if (value === null || value === undefined) return
  if (typeof shape === 'string') {
    if (!fits(shape, value)) wrongType(shape, value, at, findings)
  } else if ('unmodelled' in shape) {
    if (!isEmpty(value)) findings.unmodelled.push(at.path)
    walk(shape.unmodelled, value, at, findings)
  } else if ('list' in shape) {
    if (!Array.isArray(value)) return wrongType(shape, value, at, findings)
    value.forEach((item, i) => walk(shape.list, item, { ...at, path: `${at.path}[${i}]` }, findings))
  } else if (!isMap(value)) {
    wrongType(shape, value, at, findings)
  } else if ('map' in shape) {
    for (const [key, item] of Object.entries(value))
      walk(shape.map, item, { ...at, path: `${at.path}.${key}` }, findings)
  } else {
    for (const [key, item] of Object.entries(value)) {
      const path = at.path === '' ? key : `${at.path}.${key}`
      const plain = at.plain === '' ? key : `${at.plain}.${key}`
      const field = Object.hasOwn(shape.fields, key) ? shape.fields[key] : undefined
      if (field === undefined) findings.unknown.push(path)
      else walk(field, item, { go: shape.go, path, plain }, findings)
    }
  }
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  return isMap(value) && Object.keys(value).length === 0
}

/** The names of the fields where the last part of this path stands: for suggestions. */
export function siblings(shape: Struct, path: string): string[] {
  let current: Shape = shape
  const parts = path.replace(/\[\d+\]/g, '').split('.')
  for (const part of parts.slice(0, -1)) {
    const inner: Shape | undefined = typeof current !== 'string' && 'go' in current ? current.fields[part] : undefined
    if (inner === undefined) return []
    current = inner
    while (typeof current !== 'string' && !('go' in current)) {
      current = 'list' in current ? current.list : 'map' in current ? current.map : current.unmodelled
    }
  }
  return typeof current !== 'string' && 'go' in current ? Object.keys(current.fields) : []
}
