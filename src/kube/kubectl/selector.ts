/** Label selectors (`app=web,tier in (a,b),!old`) and field selectors (`status.phase!=Running`). */
import type { KubeObject } from './api.ts'
import { fail } from './failure.ts'
import { at, isMap, listAt, mapAt, textAt } from './field.ts'

export type Selector = (labels: Record<string, string>) => boolean

const KEY = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/

/** Commas outside parentheses. */
function terms(text: string): string[] {
  const found: string[] = []
  let depth = 0
  let start = 0
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '(') depth++
    else if (text[index] === ')') depth--
    else if (text[index] === ',' && depth === 0) {
      found.push(text.slice(start, index))
      start = index + 1
    }
  }
  found.push(text.slice(start))
  return found.map((term) => term.trim()).filter((term) => term !== '')
}

export function parseSelector(text: string): Selector {
  const tests = terms(text).map((term) => parseTerm(term, text))
  return (labels) => tests.every((test) => test(labels))
}

function parseTerm(term: string, whole: string): Selector {
  const set = /^(\S+)\s+(in|notin)\s*\((.*)\)$/.exec(term)
  if (set !== null) {
    const key = checkedKey(set[1]!, whole)
    const values = set[3]!.split(',').map((value) => value.trim())
    if (set[2] === 'in') return (labels) => key in labels && values.includes(labels[key]!)
    return (labels) => !(key in labels) || !values.includes(labels[key]!)
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(term)
  if (equality !== null) {
    const key = checkedKey(equality[1]!, whole)
    const value = equality[3]!
    if (equality[2] === '!=') return (labels) => labels[key] !== value
    return (labels) => labels[key] === value
  }
  if (term.startsWith('!')) {
    const key = checkedKey(term.slice(1).trim(), whole)
    return (labels) => !(key in labels)
  }
  const key = checkedKey(term, whole)
  return (labels) => key in labels
}

function checkedKey(key: string, whole: string): string {
  if (!KEY.test(key)) fail(`unable to parse requirement: found '${key}', in selector "${whole}", expected: a label key`)
  return key
}

/** A workload's selector: a Service's plain map, or a Deployment's matchLabels and matchExpressions. */
export function selectorOf(selector: unknown): Selector {
  if (!isMap(selector)) return () => false
  const structured = 'matchLabels' in selector || 'matchExpressions' in selector
  const labels = structured ? mapAt(selector, 'matchLabels') : (selector as Record<string, string>)
  const wanted = Object.entries(labels)
  const expressions = structured ? listAt(selector, 'matchExpressions') : []
  return (actual) => {
    for (const [key, value] of wanted) if (actual[key] !== value) return false
    return expressions.every((expression) => {
      const key = textAt(expression, 'key')
      const values = listAt(expression, 'values')
      switch (textAt(expression, 'operator')) {
        case 'In':
          return key in actual && values.includes(actual[key])
        case 'NotIn':
          return !(key in actual) || !values.includes(actual[key])
        case 'Exists':
          return key in actual
        default:
          return !(key in actual)
      }
    })
  }
}

const EVENT_FIELDS = ['involvedObject.kind', 'involvedObject.name', 'involvedObject.namespace', 'involvedObject.uid']
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Pod: ['spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'status.phase', 'status.podIP'],
  Node: ['spec.unschedulable'],
  Namespace: ['status.phase'],
  ReplicaSet: ['status.replicas'],
  Event: [...EVENT_FIELDS, 'involvedObject.fieldPath', 'reason', 'type', 'source'],
}

/** Only the fields that the API server indexes for the kind: others are refused, as it refuses them. */
export function parseFieldSelector(text: string, kind: string): (object: KubeObject) => boolean {
  const known = ['metadata.name', 'metadata.namespace', ...(FIELDS[kind] ?? [])]
  const tests = text
    .split(',')
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const match = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(term)
      if (match === null) fail(`invalid field selector: invalid field selector: '${term}'; can't understand '${term}'`)
      const path = match[1]!
      if (!known.includes(path)) {
        const plural = `${kind.toLowerCase()}s`
        const request = `Unable to find "/v1, Resource=${plural}" that match label selector "", field selector "${text}"`
        fail(`${request}: field label not supported: ${path}`)
      }
      const equal = match[2] !== '!='
      const wanted = match[3]!
      return (object: KubeObject) => (textOf(at(object, path)) === wanted) === equal
    })
  return (object) => tests.every((test) => test(object))
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : String(value)
}
