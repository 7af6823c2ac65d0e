/** `-o yaml`: YAML as kubectl writes it, keys sorted, list items level with their key. */
import { isMap } from '../field.ts'
import { sortedKeys } from './json.ts'

export function toYaml(value: unknown): string {
  const nested = (isMap(value) || Array.isArray(value)) && !isEmpty(value)
  return nested ? block(value, '') : `${scalar(value, '')}\n`
}

function block(value: unknown, indent: string): string {
  if (Array.isArray(value)) {
    return value.map((element) => `${indent}- ${item(element, `${indent}  `)}`).join('')
  }
  return sortedKeys(value as Record<string, unknown>)
    .map((key) => indent + entry(key, (value as Record<string, unknown>)[key], indent))
    .join('')
}

/** What follows `- `: a nested block begins on the same line. */
function item(value: unknown, indent: string): string {
  if (isEmpty(value) || !(isMap(value) || Array.isArray(value))) return `${scalar(value, indent.slice(2))}\n`
  return block(value, indent).slice(indent.length)
}

function entry(key: string, value: unknown, indent: string): string {
  const name = plainAllowed(key) ? key : quote(key)
  if (isEmpty(value) || !(isMap(value) || Array.isArray(value))) return `${name}: ${scalar(value, indent)}\n`
  return `${name}:\n${block(value, isMap(value) ? `${indent}  ` : indent)}`
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isMap(value) && sortedKeys(value).length === 0
}

function scalar(value: unknown, indent: string): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return '[]'
  if (isMap(value)) return '{}'
  if (typeof value !== 'string') return String(value)
  if (literalAllowed(value)) return literal(value, indent)
  return plainAllowed(value) ? value : quote(value)
}

/** Several lines that begin with a letter: others would need an indentation indicator. */
function literalAllowed(text: string): boolean {
  return text.includes('\n') && !/^\s|[\u0000-\u0009\u000b-\u001f]|[ \t](\n|$)/.test(text)
}

function literal(text: string, indent: string): string {
  const trailing = /\n*$/.exec(text)![0].length
  const lines = text.slice(0, text.length - trailing).split('\n')
  const chomp = trailing === 0 ? '-' : trailing === 1 ? '' : '+'
  const body = lines.map((line) => (line === '' ? '' : `${indent}  ${line}`)).join('\n')
  return `|${chomp}\n${body}${'\n'.repeat(Math.max(trailing - 1, 0))}`
}

const RESOLVED =
  /^(~|null|Null|NULL|true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|y|Y|n|N)$/
const NUMBER =
  /^[-+]?(\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|0x[\da-fA-F_]+|0o?[0-7_]+|0b[01_]+|\.inf|\.nan)$/
const TIMESTAMP = /^\d{4}-\d\d?-\d\d?([Tt ].*)?$/

/** A string that another parser would read as something else is put in quotes. */
function resolvesElsewhere(text: string): boolean {
  return text === '' || RESOLVED.test(text) || NUMBER.test(text) || TIMESTAMP.test(text)
}

function plainAllowed(text: string): boolean {
  if (resolvesElsewhere(text)) return false
  if (/^[\s!&*#|>@`"'%{}[\],=]|^[-?:](\s|$)|^---|\s$/.test(text)) return false
  return !/: |:$| #|[\t\u0000-\u001f]/.test(text)
}

function quote(text: string): string {
  if (resolvesElsewhere(text) || /[\u0000-\u001f]/.test(text)) return JSON.stringify(text)
  return `'${text.replaceAll("'", "''")}'`
}
