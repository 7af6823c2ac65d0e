/** The shell's grammar (POSIX.1-2017, XCU 2.10): tokens to commands. `case` and functions are not modelled. */
import { type HereDocument, ShellSyntaxError, type Token, tokenize, type Word } from './shell-words.ts'

export interface Redirect {
  readonly descriptor: number
  /** `<`, `>`, `>>`, `>&`, `<<` (here-document), `<<<`, `&>`. */
  readonly operator: string
  readonly target: Word
  readonly here: HereDocument | null
}

export type Command =
  | {
      readonly kind: 'simple'
      readonly assignments: readonly { readonly name: string; readonly value: Word }[]
      readonly words: readonly Word[]
      readonly redirects: readonly Redirect[]
    }
  | { readonly kind: 'group'; readonly subshell: boolean; readonly body: List; readonly redirects: readonly Redirect[] }
  | {
      readonly kind: 'if'
      readonly branches: readonly { readonly condition: List; readonly body: List }[]
      readonly otherwise: List | null
      readonly redirects: readonly Redirect[]
    }
  | {
      readonly kind: 'while'
      readonly until: boolean
      readonly condition: List
      readonly body: List
      readonly redirects: readonly Redirect[]
    }
  | {
      readonly kind: 'for'
      readonly name: string
      /** Null: the positional parameters. */
      readonly words: readonly Word[] | null
      readonly body: List
      readonly redirects: readonly Redirect[]
    }

export interface Pipeline {
  readonly negated: boolean
  readonly commands: readonly Command[]
}

export interface AndOr {
  readonly first: Pipeline
  readonly rest: readonly { readonly operator: '&&' | '||'; readonly pipeline: Pipeline }[]
  readonly background: boolean
}

export type List = readonly AndOr[]

const CLOSERS = new Set(['then', 'fi', 'elif', 'else', 'do', 'done', '}'])

/** @throws ShellSyntaxError */
export function parseShell(source: string): List {
  const parser = new Parser(tokenize(source))
  const list = parser.list()
  parser.expectEnd()
  return list
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  expectEnd(): void {
    if (this.#at < this.#tokens.length) throw this.#unexpected()
  }

  /** Commands up to a closing word, a `)`, or the end. */
  list(): List {
    const items: AndOr[] = []
    for (;;) {
      this.#skipNewlines()
      if (this.#atEndOfList()) return items
      const item = this.#andOr()
      const background = this.#operator() === '&'
      items.push({ ...item, background })
      if (background || this.#operator() === ';' || this.#operator() === '\n') this.#at++
      else if (!this.#atEndOfList()) throw this.#unexpected()
    }
  }

  #atEndOfList(): boolean {
    if (this.#at >= this.#tokens.length || this.#operator() === ')') return true
    const word = this.#plain()
    return word !== null && CLOSERS.has(word)
  }

  #andOr(): AndOr {
    const first = this.#pipeline()
    const rest: { operator: '&&' | '||'; pipeline: Pipeline }[] = []
    for (;;) {
      const operator = this.#operator()
      if (operator !== '&&' && operator !== '||') return { first, rest, background: false }
      this.#at++
      this.#skipNewlines()
      rest.push({ operator, pipeline: this.#pipeline() })
    }
  }

  #pipeline(): Pipeline {
    let negated = false
    while (this.#plain() === '!') {
      negated = !negated
      this.#at++
    }
    const commands = [this.#command()]
    while (this.#operator() === '|') {
      this.#at++
      this.#skipNewlines()
      commands.push(this.#command())
    }
    return { negated, commands }
  }

  #command(): Command {
    if (this.#operator() === '(') {
      this.#at++
      const body = this.list()
      this.#expectOperator(')')
      return { kind: 'group', subshell: true, body, redirects: this.#redirects() }
    }
    switch (this.#plain()) {
      case '{': {
        this.#at++
        const body = this.list()
        this.#expectWord('}')
        return { kind: 'group', subshell: false, body, redirects: this.#redirects() }
      }
      case 'if':
        return this.#if()
      case 'while':
      case 'until':
        return this.#while()
      case 'for':
        return this.#for()
      case 'case':
      case 'function':
        throw new ShellSyntaxError(`podwire: ${this.#plain()} is not modelled`)
      default:
        return this.#simple()
    }
  }

  #if(): Command {
    const branches: { condition: List; body: List }[] = []
    do {
      this.#at++ // if, elif
      const condition = this.list()
      this.#expectWord('then')
      branches.push({ condition, body: this.list() })
    } while (this.#plain() === 'elif')
    let otherwise: List | null = null
    if (this.#plain() === 'else') {
      this.#at++
      otherwise = this.list()
    }
    this.#expectWord('fi')
    return { kind: 'if', branches, otherwise, redirects: this.#redirects() }
  }

  #while(): Command {
    const until = this.#plain() === 'until'
    this.#at++
    const condition = this.list()
    return { kind: 'while', until, condition, body: this.#doGroup(), redirects: this.#redirects() }
  }

  #for(): Command {
    this.#at++
    const name = this.#plain()
    if (name === null || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new ShellSyntaxError('Bad for loop variable')
    this.#at++
    this.#skipNewlines()
    let words: Word[] | null = null
    if (this.#plain() === 'in') {
      this.#at++
      words = []
      for (let token = this.#peek(); token?.kind === 'word'; token = this.#peek()) {
        words.push(token.word)
        this.#at++
      }
    }
    if (this.#operator() === ';') this.#at++
    return { kind: 'for', name, words, body: this.#doGroup(), redirects: this.#redirects() }
  }

  #doGroup(): List {
    this.#skipNewlines()
    this.#expectWord('do')
    const body = this.list()
    this.#expectWord('done')
    return body
  }

  #simple(): Command {
    const assignments: { name: string; value: Word }[] = []
    const words: Word[] = []
    const redirects: Redirect[] = []
    for (;;) {
      const token = this.#peek()
      if (token === null) break
      if (token.kind === 'word') {
        const assignment = words.length === 0 ? assignmentOf(token.word) : null
        if (assignment === null) words.push(token.word)
        else assignments.push(assignment)
        this.#at++
        continue
      }
      const redirect = this.#redirect()
      if (redirect === null) break
      redirects.push(redirect)
    }
    if (this.#operator() === '(' && words.length === 1)
      throw new ShellSyntaxError('podwire: functions are not modelled')
    if (words.length + assignments.length + redirects.length === 0) throw this.#unexpected()
    return { kind: 'simple', assignments, words, redirects }
  }

  #redirects(): Redirect[] {
    const redirects: Redirect[] = []
    for (let redirect = this.#redirect(); redirect !== null; redirect = this.#redirect()) redirects.push(redirect)
    return redirects
  }

  #redirect(): Redirect | null {
    const token = this.#peek()
    if (token?.kind !== 'operator') return null
    const found = /^(\d?)(<|>|>>|>&|<&|>\||<<|<<<|&>)$/.exec(token.text)
    if (found === null) return null
    this.#at++
    const operator = found[2] === '>|' ? '>' : found[2]
    const descriptor = found[1] === '' ? (operator.startsWith('<') ? 0 : 1) : Number(found[1])
    if (token.here !== null) return { descriptor, operator, target: [], here: token.here }
    const target = this.#peek()
    if (target?.kind !== 'word') throw this.#unexpected()
    this.#at++
    return { descriptor, operator, target: target.word, here: null }
  }

  #peek(): Token | null {
    return this.#tokens[this.#at] ?? null
  }

  #operator(): string | null {
    const token = this.#peek()
    return token?.kind === 'operator' ? token.text : null
  }

  /** The present word when it is unquoted literal text: only such words are reserved. */
  #plain(): string | null {
    const token = this.#peek()
    return token?.kind === 'word' ? token.plain : null
  }

  #skipNewlines(): void {
    while (this.#operator() === '\n') this.#at++
  }

  #expectWord(word: string): void {
    if (this.#plain() !== word) throw this.#unexpected(word)
    this.#at++
  }

  #expectOperator(operator: string): void {
    if (this.#operator() !== operator) throw this.#unexpected(operator)
    this.#at++
  }

  #unexpected(expected: string | null = null): ShellSyntaxError {
    const token = this.#peek()
    const tail = expected === null ? '' : ` (expecting "${expected}")`
    if (token === null) return new ShellSyntaxError(`Syntax error: end of file unexpected${tail}`, true)
    if (token.kind === 'word') return new ShellSyntaxError(`Syntax error: "${token.plain ?? 'word'}" unexpected${tail}`)
    return new ShellSyntaxError(
      `Syntax error: ${token.text === '\n' ? 'newline' : `"${token.text}"`} unexpected${tail}`,
    )
  }
}

/** `NAME=value`; null for any other word. */
function assignmentOf(word: Word): { name: string; value: Word } | null {
  const first = word[0]
  if (first?.kind !== 'text' || first.quoted) return null
  const found = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(first.text)
  if (found === null) return null
  const rest = word.slice(1)
  return { name: found[1], value: found[2] === '' ? rest : [{ ...first, text: found[2] }, ...rest] }
}
