/** JSONPath templates, carried out on an API object, with kubectl's way of writing what they find. */
import { isMap } from '../field.ts'
import { compactJson } from '../print/json.ts'
import { JsonPathError, type Operand, type Part, type Path, type Step } from './template.ts'

/** A template's output: results of one path are separated by spaces. */
export function evaluateTemplate(parts: readonly Part[], root: unknown): string {
  return evaluateParts(parts, root)
}

function evaluateParts(parts: readonly Part[], here: unknown): string {
  let output = ''
  for (const part of parts) {
    if (part.type === 'text') output += part.text
    else if (part.type === 'path') output += find(part.path, here).map(valueText).join(' ')
    else for (const value of find(part.path, here)) output += evaluateParts(part.body, value)
  }
  return output
}

/** Everything that a path names; nothing for keys that are missing. */
export function find(path: Path, root: unknown): unknown[] {
  let values: unknown[] = [root]
  for (const step of path) {
    const next: unknown[] = []
    for (const value of values) take(step, value, next)
    values = next
  }
  return values
}

function take(step: Step, value: unknown, into: unknown[]): void {
  switch (step.type) {
    case 'field':
      if (isMap(value)) {
        if (Object.hasOwn(value, step.name)) into.push(value[step.name])
      }
      break
    case 'wildcard':
      if (Array.isArray(value)) into.push(...value)
      else if (isMap(value)) for (const key of Object.keys(value).sort()) into.push(value[key])
      break
    case 'recursive':
      descend(value, into)
      break
    case 'index':
      takeIndex(step.index, value, into)
      break
    case 'slice':
      takeSlice(step, value, into)
      break
    case 'union':
      for (const branch of step.branches) into.push(...find(branch, value))
      break
    case 'filter':
      if (Array.isArray(value)) into.push(...value.filter((element) => passes(step, element)))
      else if (isMap(value)) {
        for (const key of Object.keys(value).sort()) if (passes(step, value[key])) into.push(value[key])
      }
      break
  }
}

function descend(value: unknown, into: unknown[]): void {
  into.push(value)
  const children = Array.isArray(value)
    ? value
    : isMap(value)
      ? Object.keys(value)
          .sort()
          .map((key) => value[key])
      : []
  for (const child of children) if (Array.isArray(child) || isMap(child)) descend(child, into)
}

function takeIndex(index: number, value: unknown, into: unknown[]): void {
  if (!Array.isArray(value)) return
  const position = index < 0 ? value.length + index : index
  if (position < 0 || position >= value.length) {
    throw new JsonPathError(`array index out of bounds: index ${index}, length ${value.length}`)
  }
  into.push(value[position])
}

function takeSlice(step: Extract<Step, { type: 'slice' }>, value: unknown, into: unknown[]): void {
  if (!Array.isArray(value)) return
  const bound = (given: number | null, otherwise: number): number => {
    if (given === null) return otherwise
    return Math.min(Math.max(given < 0 ? value.length + given : given, 0), value.length)
  }
  if (step.step <= 0) throw new JsonPathError('step must be > 0')
  const to = bound(step.to, value.length)
  for (let index = bound(step.from, 0); index < to; index += step.step) into.push(value[index])
}

function passes(step: Extract<Step, { type: 'filter' }>, element: unknown): boolean {
  const left = operand(step.left, element)
  if (step.operator === null || step.right === null) return left.length > 0
  const right = operand(step.right, element)
  if (left.length === 0 || right.length === 0) return false
  if (left.length > 1 || right.length > 1) throw new JsonPathError('can only compare one element at a time')
  return compare(left[0], step.operator, right[0])
}

function operand(side: Operand, element: unknown): unknown[] {
  return 'path' in side ? find(side.path, element) : [side.constant]
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  if (operator === '==') return left === right
  if (operator === '!=') return left !== right
  const comparable = typeof left === typeof right && (typeof left === 'number' || typeof left === 'string')
  if (!comparable) throw new JsonPathError('incompatible types for comparison')
  const a = left as number
  const b = right as number
  if (operator === '<') return a < b
  if (operator === '<=') return a <= b
  if (operator === '>') return a > b
  return a >= b
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'object') return compactJson(value)
  return String(value)
}
