/**
 * The shell's tokens (POSIX.1-2017, XCU 2.2, 2.3): words made of literal text and expansions, operators, newlines,
 * here-documents.
 */

export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  | {
      readonly kind: 'variable'
      readonly name: string
      readonly quoted: boolean
      /** `:-`, `-`, `:+`, `+`, `:=`, `#`, `##`, `%`, `%%`; `length` is ${#name}. */
      readonly operator: string
      readonly operand: Word
    }
  | { readonly kind: 'command'; readonly source: string; readonly quoted: boolean }
  | { readonly kind: 'arithmetic'; readonly source: string; readonly quoted: boolean }

export type Word = readonly Part[]

export interface HereDocument {
  text: string
  /** The delimiter was quoted: nothing is expanded. */
  readonly literal: boolean
}

export type Token =
  | { readonly kind: 'word'; readonly word: Word; readonly plain: string | null }
  | { readonly kind: 'operator'; readonly text: string; readonly here: HereDocument | null }

/** `incomplete`: more lines could make it right. */
export class ShellSyntaxError extends Error {
  override readonly name = 'ShellSyntaxError'
  readonly incomplete: boolean

  constructor(message: string, incomplete = false) {
    super(message)
    this.incomplete = incomplete
  }
}

const OPERATORS = [
  '&&',
  '||',
  ';;',
  '<<-',
  '<<<',
  '<<',
  '>>',
  '>&',
  '<&',
  '>|',
  '&>',
  '\n',
  '|',
  '&',
  ';',
  '<',
  '>',
  '(',
  ')',
]
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/

export function tokenize(source: string): Token[] {
  return new Lexer(source).tokens()
}

/** Text with expansions but without quoting: the body of a here-document. */
export function parseHereText(text: string): Word {
  return new Lexer(text).quotedUntil(null)
}

class Lexer {
  readonly #source: string
  #at = 0
  readonly #waiting: { here: HereDocument; delimiter: string; stripTabs: boolean }[] = []

  constructor(source: string) {
    this.#source = source
  }

  tokens(): Token[] {
    const tokens: Token[] = []
    for (;;) {
      this.#skipBlanks()
      if (this.#at >= this.#source.length) break
      tokens.push(...this.#token())
    }
    if (this.#waiting.length > 0) throw new ShellSyntaxError('here-document without its end', true)
    return tokens
  }

  #token(): Token[] {
    const redirected = /^\d(?=[<>])/.exec(this.#source.slice(this.#at))
    if (redirected !== null) {
      this.#at++
      const [operator] = this.#operator() ?? []
      if (operator?.kind === 'operator') return [{ ...operator, text: redirected[0] + operator.text }]
    }
    return this.#operator() ?? [this.#wordToken()]
  }

  #operator(): Token[] | null {
    const text = OPERATORS.find((candidate) => this.#source.startsWith(candidate, this.#at))
    if (text === undefined) return null
    this.#at += text.length
    if (text === '\n') this.#readHereDocuments()
    if (text !== '<<' && text !== '<<-') return [{ kind: 'operator', text, here: null }]
    this.#skipBlanks()
    const delimiter = this.#wordToken().word
    const here = { text: '', literal: delimiter.some((part) => part.kind === 'text' && part.quoted) }
    const name = delimiter.map((part) => (part.kind === 'text' ? part.text : '')).join('')
    this.#waiting.push({ here, delimiter: name, stripTabs: text === '<<-' })
    return [{ kind: 'operator', text: '<<', here }]
  }

  #readHereDocuments(): void {
    for (const { here, delimiter, stripTabs } of this.#waiting.splice(0)) {
      for (;;) {
        if (this.#at >= this.#source.length) throw new ShellSyntaxError('here-document without its end', true)
        const newline = this.#source.indexOf('\n', this.#at)
        const end = newline < 0 ? this.#source.length : newline
        const line = this.#source.slice(this.#at, end)
        this.#at = newline < 0 ? end : end + 1
        const shown = stripTabs ? line.replace(/^\t+/, '') : line
        if (shown === delimiter) break
        here.text += `${shown}\n`
      }
    }
  }

  #skipBlanks(): void {
    for (;;) {
      const char = this.#source[this.#at]
      if (char === ' ' || char === '\t' || char === '\r') this.#at++
      else if (char === '\\' && this.#source[this.#at + 1] === '\n') this.#at += 2
      else if (char === '#') this.#at = this.#lineEnd()
      else return
    }
  }

  #lineEnd(): number {
    const newline = this.#source.indexOf('\n', this.#at)
    return newline < 0 ? this.#source.length : newline
  }

  #wordToken(): Token & { kind: 'word' } {
    const parts: Part[] = []
    while (this.#at < this.#source.length && !/[\s;&|<>()]/.test(this.#source[this.#at])) this.#part(parts)
    const plain = parts.every((part) => part.kind === 'text' && !part.quoted)
      ? parts.map((part) => (part.kind === 'text' ? part.text : '')).join('')
      : null
    return { kind: 'word', word: parts, plain }
  }

  #part(parts: Part[]): void {
    const char = this.#source[this.#at]
    if (char === "'") {
      const end = this.#source.indexOf("'", this.#at + 1)
      if (end < 0) throw new ShellSyntaxError('Unterminated quoted string', true)
      parts.push({ kind: 'text', text: this.#source.slice(this.#at + 1, end), quoted: true })
      this.#at = end + 1
    } else if (char === '"') {
      this.#at++
      const inside = this.quotedUntil('"')
      parts.push(...(inside.length === 0 ? [{ kind: 'text', text: '', quoted: true } as const] : inside))
    } else if (char === '\\') {
      const next = this.#source[this.#at + 1] ?? ''
      if (next !== '\n') parts.push({ kind: 'text', text: next, quoted: true })
      this.#at += 2
    } else if (char === '$' || char === '`') this.#dollar(parts, false)
    else {
      const plain = /^[^\s;&|<>()'"\\$`]+/.exec(this.#source.slice(this.#at))?.[0] ?? char
      parts.push({ kind: 'text', text: plain, quoted: false })
      this.#at += plain.length
    }
  }

  /** Inside double quotes, or a here-document when there is no end mark. */
  quotedUntil(end: '"' | null): Part[] {
    const parts: Part[] = []
    let text = ''
    const flush = () => {
      if (text !== '') parts.push({ kind: 'text', text, quoted: true })
      text = ''
    }
    for (;;) {
      const char = this.#source[this.#at]
      if (char === undefined) {
        if (end !== null) throw new ShellSyntaxError('Unterminated quoted string', true)
        break
      }
      if (char === end) {
        this.#at++
        break
      }
      if (char === '\\' && /[$`"\\\n]/.test(this.#source[this.#at + 1] ?? '')) {
        const next = this.#source[this.#at + 1]
        if (next !== '\n') text += next
        this.#at += 2
      } else if (char === '$' || char === '`') {
        flush()
        this.#dollar(parts, true)
      } else {
        text += char
        this.#at++
      }
    }
    flush()
    return parts
  }

  #dollar(parts: Part[], quoted: boolean): void {
    const rest = this.#source.slice(this.#at)
    if (rest[0] === '`') {
      const end = rest.indexOf('`', 1)
      if (end < 0) throw new ShellSyntaxError('Unterminated quoted string', true)
      parts.push({ kind: 'command', source: rest.slice(1, end).replaceAll('\\$', '$'), quoted })
      this.#at += end + 1
    } else if (rest.startsWith('$((')) {
      const end = rest.indexOf('))')
      if (end < 0) throw new ShellSyntaxError('Missing "))"', true)
      parts.push({ kind: 'arithmetic', source: rest.slice(3, end), quoted })
      this.#at += end + 2
    } else if (rest.startsWith('$(')) {
      const end = closing(rest, 2, '(', ')')
      parts.push({ kind: 'command', source: rest.slice(2, end), quoted })
      this.#at += end + 1
    } else if (rest.startsWith('${')) this.#braces(rest, parts, quoted)
    else {
      const name = NAME.exec(rest.slice(1))?.[0] ?? /^[?$!#@*0-9-]/.exec(rest.slice(1))?.[0]
      if (name === undefined) parts.push({ kind: 'text', text: '$', quoted })
      else parts.push({ kind: 'variable', name, quoted, operator: '', operand: [] })
      this.#at += 1 + (name?.length ?? 0)
    }
  }

  #braces(rest: string, parts: Part[], quoted: boolean): void {
    const end = closing(rest, 2, '{', '}')
    const inside = rest.slice(2, end)
    const found = /^(#?)([A-Za-z_][A-Za-z0-9_]*|[?$!#@*0-9-])(:?[-+=?]|##?|%%?)?([\s\S]*)$/.exec(inside)
    if (found === null) throw new ShellSyntaxError('Bad substitution')
    const [, length, name, operator = '', operand] = found
    if (operator === '' && operand !== '') throw new ShellSyntaxError('Bad substitution')
    const word = new Lexer(operand).quotedUntil(null)
    parts.push({ kind: 'variable', name, quoted, operator: length === '#' ? 'length' : operator, operand: word })
    this.#at += end + 1
  }
}

/** Where the bracket that was opened before `from` closes, minding quotes and nesting. */
function closing(text: string, from: number, open: string, close: string): number {
  let depth = 1
  for (let at = from; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === "'") {
      const end = text.indexOf("'", at + 1)
      if (end < 0) break
      at = end
    } else if (char === '"') {
      at++
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    } else if (char === open) depth++
    else if (char === close && --depth === 0) return at
  }
  throw new ShellSyntaxError(`Missing "${close}"`, true)
}
