/** kubectl's JSONPath templates, read: `{range .items[*]}{.metadata.name}{"\n"}{end}`. */

/** One step of a path. */
export type Step =
  | { readonly type: 'field'; readonly name: string }
  | { readonly type: 'wildcard' }
  | { readonly type: 'recursive' }
  | { readonly type: 'slice'; readonly from: number | null; readonly to: number | null; readonly step: number }
  | { readonly type: 'index'; readonly index: number }
  | { readonly type: 'union'; readonly branches: readonly Path[] }
  | {
      readonly type: 'filter'
      readonly left: Operand
      readonly operator: string | null
      readonly right: Operand | null
    }

export type Path = readonly Step[]

/** One side of a filter's comparison: a path from `@`, or a constant. */
export type Operand = { readonly path: Path } | { readonly constant: string | number | boolean }

export type Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'path'; readonly path: Path }
  | { readonly type: 'range'; readonly path: Path; readonly body: readonly Part[] }

export class JsonPathError extends Error {
  override name = 'JsonPathError'
}

/** Text outside braces stays as it is; each pair of braces is a path, a quoted text, `range` or `end`. */
export function parseTemplate(template: string): Part[] {
  const stack: { parts: Part[]; path: Path | null }[] = [{ parts: [], path: null }]
  let position = 0
  while (position < template.length) {
    const parts = stack.at(-1)!.parts
    const open = template.indexOf('{', position)
    if (open < 0) {
      parts.push({ type: 'text', text: template.slice(position) })
      break
    }
    if (open > position) parts.push({ type: 'text', text: template.slice(position, open) })
    const close = closing(template, open)
    const action = template.slice(open + 1, close).trim()
    position = close + 1
    if (action === 'end') {
      const ended = stack.pop()!
      if (ended.path === null || stack.length === 0) throw new JsonPathError('not in range, nothing to end')
      stack.at(-1)!.parts.push({ type: 'range', path: ended.path, body: ended.parts })
    } else if (/^range(\s|$)/.test(action)) {
      stack.push({ parts: [], path: parsePath(action.slice(5).trim()) })
    } else if (action.startsWith('"') || action.startsWith("'")) {
      parts.push({ type: 'text', text: unquote(action) })
    } else {
      parts.push({ type: 'path', path: parsePath(action) })
    }
  }
  if (stack.length > 1) throw new JsonPathError('unterminated range')
  return stack[0]!.parts
}

/** The brace that closes the one at `open`; braces in quotes do not count. */
function closing(template: string, open: number): number {
  let quote = ''
  for (let index = open + 1; index < template.length; index++) {
    const letter = template[index]!
    if (quote !== '') {
      if (letter === '\\') index++
      else if (letter === quote) quote = ''
    } else if (letter === '"' || letter === "'") quote = letter
    else if (letter === '}') return index
  }
  throw new JsonPathError('unclosed action')
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"', "'": "'" }

function unquote(text: string): string {
  const quote = text[0]!
  if (text.length < 2 || !text.endsWith(quote)) throw new JsonPathError('unterminated quoted string')
  return text.slice(1, -1).replace(/\\(.)/g, (whole, letter: string) => ESCAPES[letter] ?? whole)
}

/** `.items[0].status`, `$..name`, `@.a`, `['a','b']`. */
export function parsePath(text: string): Path {
  const steps: Step[] = []
  let position = 0
  if (text[0] === '$' || text[0] === '@') position = 1
  else if (text !== '' && text[0] !== '.' && text[0] !== '[') {
    throw new JsonPathError(`unrecognized identifier ${text}`)
  }
  while (position < text.length) {
    if (text.startsWith('..', position)) {
      steps.push({ type: 'recursive' })
      position += 2
      if (text[position] === '[') continue
      position = readField(text, position, steps)
    } else if (text[position] === '.') {
      position++
      if (text[position] === '[' || position === text.length) continue
      position = readField(text, position, steps)
    } else if (text[position] === '[') {
      const end = bracketEnd(text, position)
      steps.push(parseBracket(text.slice(position + 1, end).trim()))
      position = end + 1
    } else {
      throw new JsonPathError(
        `unrecognized character in action: U+${hex(text.codePointAt(position)!)} '${text[position]}'`,
      )
    }
  }
  return steps
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, '0')
}

function readField(text: string, start: number, steps: Step[]): number {
  if (text[start] === '*') {
    steps.push({ type: 'wildcard' })
    return start + 1
  }
  let name = ''
  let position = start
  while (position < text.length) {
    const letter = text[position]!
    if (letter === '\\' && position + 1 < text.length) {
      name += text[position + 1]
      position += 2
    } else if (letter === '.' || letter === '[' || /\s/.test(letter)) break
    else {
      name += letter
      position++
    }
  }
  steps.push({ type: 'field', name })
  return position
}

function bracketEnd(text: string, open: number): number {
  let depth = 0
  let quote = ''
  for (let index = open; index < text.length; index++) {
    const letter = text[index]!
    if (quote !== '') {
      if (letter === '\\') index++
      else if (letter === quote) quote = ''
    } else if (letter === '"' || letter === "'") quote = letter
    else if (letter === '[') depth++
    else if (letter === ']' && --depth === 0) return index
  }
  throw new JsonPathError('unterminated array')
}

function parseBracket(inside: string): Step {
  if (inside === '*') return { type: 'wildcard' }
  if (inside.startsWith('?(') && inside.endsWith(')')) return parseFilter(inside.slice(2, -1).trim())
  const parts = splitOutsideQuotes(inside)
  if (parts.length > 1) return { type: 'union', branches: parts.map((part) => [parseBracket(part.trim())]) }
  if (/^'.*'$|^".*"$/s.test(inside)) return { type: 'field', name: inside.slice(1, -1).replace(/\\(.)/g, '$1') }
  if (/^-?\d+$/.test(inside)) return { type: 'index', index: Number(inside) }
  const slice = /^(-?\d*):(-?\d*)(?::(-?\d*))?$/.exec(inside)
  if (slice === null) throw new JsonPathError(`invalid array index ${inside}`)
  const bound = (value: string | undefined): number | null => (value ? Number(value) : null)
  return { type: 'slice', from: bound(slice[1]), to: bound(slice[2]), step: bound(slice[3]) ?? 1 }
}

function splitOutsideQuotes(text: string): string[] {
  const parts: string[] = []
  let quote = ''
  let start = 0
  for (let index = 0; index < text.length; index++) {
    const letter = text[index]!
    if (quote !== '') {
      if (letter === '\\') index++
      else if (letter === quote) quote = ''
    } else if (letter === '"' || letter === "'") quote = letter
    else if (letter === ',') {
      parts.push(text.slice(start, index))
      start = index + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

function parseFilter(expression: string): Step {
  const match = /^((?:'(?:\\.|[^'])*'|"(?:\\.|[^"])*"|[^=!<>])+?)\s*(==|!=|<=|>=|<|>)\s*(.+)$/s.exec(expression)
  if (match === null) {
    if (expression.includes('=~')) throw new JsonPathError('unrecognized character in filter: regex is not supported')
    return { type: 'filter', left: parseOperand(expression), operator: null, right: null }
  }
  return { type: 'filter', left: parseOperand(match[1]!), operator: match[2]!, right: parseOperand(match[3]!) }
}

function parseOperand(raw: string): Operand {
  const text = raw.trim()
  if (text.startsWith('@') || text.startsWith('$') || text.startsWith('.')) return { path: parsePath(text) }
  if (text.startsWith('"') || text.startsWith("'")) return { constant: unquote(text) }
  if (text === 'true' || text === 'false') return { constant: text === 'true' }
  if (/^-?\d+(\.\d+)?$/.test(text)) return { constant: Number(text) }
  throw new JsonPathError(`unrecognized identifier ${text}`)
}
