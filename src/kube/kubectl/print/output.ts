/** `-o`: which form objects are printed in. */
import type { KubeObject } from '../api.ts'
import { Failure, fail, notModelled } from '../failure.ts'
import { nameOf } from '../field.ts'
import { evaluateTemplate } from '../jsonpath/evaluate.ts'
import { JsonPathError, type Part, parseTemplate } from '../jsonpath/template.ts'
import { label, resourceOfKind } from '../resources.ts'
import { goSyntax, indentedJson } from './json.ts'
import { toYaml } from './yaml.ts'

const FORMATS =
  'custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,' +
  'template,templatefile,wide,yaml'

export interface OutputForm {
  readonly format: 'table' | 'wide' | 'name' | 'json' | 'yaml' | 'jsonpath' | 'custom-columns'
  readonly argument: string
}

export function parseOutput(value: string | null): OutputForm {
  if (value === null || value === '') return { format: 'table', argument: '' }
  const equals = value.indexOf('=')
  const format = equals < 0 ? value : value.slice(0, equals)
  const argument = equals < 0 ? '' : value.slice(equals + 1)
  switch (format) {
    case 'wide':
    case 'name':
    case 'json':
    case 'yaml':
    case 'custom-columns':
      return { format, argument }
    case 'jsonpath':
      if (argument === '') fail('template format specified but no template given')
      return { format, argument }
  }
  if (FORMATS.split(',').includes(format)) notModelled(`kubectl's output format "${format}"`)
  fail(`unable to match a printer suitable for the output format "${format}", allowed formats are: ${FORMATS}`)
}

/** Several objects become a List, as kubectl makes one. */
export function asList(objects: readonly KubeObject[]): unknown {
  return { apiVersion: 'v1', items: objects, kind: 'List', metadata: { resourceVersion: '' } }
}

/** `pod/web`; also what the commands print for -o name. */
export function printName(object: KubeObject): string {
  const resource = resourceOfKind(object.kind)
  return `${resource === null ? object.kind.toLowerCase() : label(resource, nameOf(object))}\n`
}

/** Prints an object, or a List, in a form that is no table. */
export function printWhole(form: OutputForm, value: unknown): string {
  if (form.format === 'json') return `${indentedJson(value)}\n`
  if (form.format === 'yaml') return toYaml(value)
  return jsonPath(form.argument, value)
}

export function jsonPath(template: string, value: unknown): string {
  let parts: Part[]
  try {
    parts = parseTemplate(template)
  } catch (error) {
    if (error instanceof JsonPathError) fail(`error parsing jsonpath ${template}, ${error.message}`)
    throw error
  }
  try {
    return evaluateTemplate(parts, value)
  } catch (error) {
    if (!(error instanceof JsonPathError)) throw error
    const advice = 'Printing more information for debugging the template:'
    const given = `\ttemplate was:\n\t\t${template}\n\tobject given to jsonpath engine was:\n\t\t${goSyntax(value)}\n\n`
    const what = `error executing jsonpath "${template}": Error executing template: ${error.message}. ${advice}\n`
    throw new Failure(`error: ${what}${given}`)
  }
}
