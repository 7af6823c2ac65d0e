/** Word expansion (POSIX.1-2017, XCU 2.6): parameters, commands, arithmetic, field splitting. No globbing. */
import { evaluateArithmetic } from './shell-arithmetic.ts'
import { type Part, parseHereText, ShellSyntaxError, type Word } from './shell-words.ts'

/** What expansion needs of the shell. */
export interface ShellVariables {
  get(name: string): string | null
  set(name: string, value: string): void
  /** $1, $2, … */
  readonly positional: readonly string[]
  /** Runs `$( … )` and gives what it printed. */
  substitute(source: string): Promise<string>
}

/** The fields that a list of words becomes. */
export async function expandWords(variables: ShellVariables, words: readonly Word[]): Promise<string[]> {
  const fields: string[] = []
  for (const word of words) {
    const splitter = new Splitter()
    for (const part of word) await expandPart(variables, part, splitter)
    fields.push(...splitter.done())
  }
  return fields
}

/** One string: no field splitting, as in assignments and redirections. */
export async function expandText(variables: ShellVariables, word: Word): Promise<string> {
  let text = ''
  for (const part of word) text += part.kind === 'text' ? part.text : await valueOf(variables, part)
  return text
}

export function expandHereDocument(variables: ShellVariables, text: string): Promise<string> {
  return expandText(variables, parseHereText(text))
}

class Splitter {
  readonly #fields: string[] = []
  #current: string | null = null

  add(text: string): void {
    this.#current = (this.#current ?? '') + text
  }

  /** Ends the present field. */
  break(): void {
    if (this.#current !== null) this.#fields.push(this.#current)
    this.#current = null
  }

  split(text: string): void {
    const pieces = text.split(/[ \t\n]+/)
    pieces.forEach((piece, index) => {
      if (index > 0) this.break()
      if (piece !== '') this.add(piece)
    })
  }

  done(): string[] {
    this.break()
    return this.#fields
  }
}

async function expandPart(variables: ShellVariables, part: Part, splitter: Splitter): Promise<void> {
  if (part.kind === 'text') return splitter.add(part.text)
  if (part.kind === 'variable' && part.name === '@' && part.quoted) {
    variables.positional.forEach((value, index) => {
      if (index > 0) splitter.break()
      splitter.add(value)
    })
    return
  }
  const value = await valueOf(variables, part)
  if (part.quoted) splitter.add(value)
  else splitter.split(value)
}

async function valueOf(variables: ShellVariables, part: Exclude<Part, { kind: 'text' }>): Promise<string> {
  switch (part.kind) {
    case 'command':
      return (await variables.substitute(part.source)).replace(/\n+$/, '')
    case 'arithmetic': {
      const source = await expandText(variables, parseHereText(part.source))
      return String(evaluateArithmetic(source, (name) => variables.get(name)))
    }
    case 'variable':
      return parameter(variables, part)
  }
}

async function parameter(variables: ShellVariables, part: Part & { kind: 'variable' }): Promise<string> {
  const value = variables.get(part.name)
  const { operator } = part
  const empty = operator.startsWith(':') ? value === null || value === '' : value === null
  const operand = () => expandText(variables, part.operand)
  switch (operator.replace(':', '')) {
    case '-':
      return empty ? operand() : (value ?? '')
    case '+':
      return empty ? '' : operand()
    case '=': {
      if (!empty) return value ?? ''
      const text = await operand()
      variables.set(part.name, text)
      return text
    }
    case '?':
      if (empty) throw new ShellSyntaxError(`${part.name}: ${(await operand()) || 'parameter not set or null'}`)
      return value ?? ''
    case 'length':
      return String((value ?? '').length)
    case '#':
    case '##':
    case '%':
    case '%%':
      return strip(value ?? '', await operand(), operator)
    default:
      return value ?? ''
  }
}

/** `${name#pattern}` and its three sisters; patterns know `*` and `?`. */
function strip(value: string, pattern: string, operator: string): string {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  const matches = new RegExp(`^(?:${expression})$`, 's')
  const prefix = operator.startsWith('#')
  const longest = operator.length === 2
  const lengths = Array.from({ length: value.length + 1 }, (_, index) => index)
  for (const length of longest ? lengths.reverse() : lengths) {
    const piece = prefix ? value.slice(0, length) : value.slice(value.length - length)
    if (matches.test(piece)) return prefix ? value.slice(length) : value.slice(0, value.length - length)
  }
  return value
}
