/** Words, numbers and signs of nft's language, each with its place (scanner.l of nft 1.0.6). */
import { NftError, type Source } from './nft-error.ts'

export type TokenKind = 'word' | 'number' | 'address' | 'quoted' | 'sign' | 'newline' | 'end' | 'junk'

export interface Token {
  readonly kind: TokenKind
  /** As written; a quoted one without its quotes. */
  readonly text: string
  readonly start: number
  /** Behind its last sign. */
  readonly end: number
}

/** In this order: what is longer first. */
const RULES: readonly (readonly [TokenKind, RegExp])[] = [
  ['address', /(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}(?![0-9a-fA-F:])/y],
  ['address', /(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])/y],
  [
    'address',
    /(?:(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{0,4}|(?:[0-9a-fA-F]{1,4})?::(?:[0-9a-fA-F]{1,4}:)*[0-9a-fA-F]{0,4})(?![0-9a-zA-Z])/y,
  ],
  ['number', /0x[0-9a-fA-F]+(?![0-9a-zA-Z])/y],
  ['word', /(?:[0-9]+(?:ms|[dhms]))+(?![0-9a-zA-Z])/y],
  ['number', /[0-9]+(?![0-9a-zA-Z])/y],
  ['word', /[a-zA-Z_][a-zA-Z0-9/\-_.]*\*?/y],
  ['word', /[0-9]+[a-zA-Z][a-zA-Z0-9]*/y],
  ['sign', /==|!=|<=|>=|<<|>>|[{}()@$,:;=.!<>&|^/\-+*~]/y],
  ['newline', /\n/y],
]

const SPACE = /(?:[ \t\r]|\\\n|#[^\n]*)+/y
const QUOTED = /"([^"\n]*)"/y

export function scan(source: Source): Token[] {
  const { text } = source
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    SPACE.lastIndex = at
    if (SPACE.test(text)) {
      at = SPACE.lastIndex
      continue
    }
    const token = next(text, at)
    if (token.kind === 'junk') throw new NftError(`syntax error, unexpected junk`, source, token.start, token.end)
    tokens.push(token)
    at = token.end
  }
  tokens.push({ kind: 'end', text: '', start: text.length, end: text.length })
  return tokens
}

function next(text: string, at: number): Token {
  QUOTED.lastIndex = at
  const quoted = QUOTED.exec(text)
  if (quoted !== null) return { kind: 'quoted', text: quoted[1], start: at, end: QUOTED.lastIndex }
  for (const [kind, rule] of RULES) {
    rule.lastIndex = at
    const found = rule.exec(text)
    if (found !== null) return { kind, text: found[0], start: at, end: rule.lastIndex }
  }
  return { kind: 'junk', text: text[at], start: at, end: at + 1 }
}
