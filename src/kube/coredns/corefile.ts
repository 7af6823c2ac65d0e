/**
 * The Corefile as CoreDNS reads it (github.com/coredns/caddy's caddyfile: words, quotes, comments, blocks), and its
 * fingerprint, which CoreDNS prints at the start and the reload plugin compares.
 */
import { sha512Hex } from '../../host/sha512.ts'

export interface Token {
  readonly line: number
  readonly text: string
}

/** One line of a directive, or of its block. */
export interface Words {
  readonly line: number
  readonly words: readonly string[]
}

export interface Directive extends Words {
  readonly name: string
  /** Without the name. */
  readonly args: readonly string[]
  readonly block: readonly Words[]
}

export interface ServerBlock {
  /** As written: `.:53`, `example.com`. */
  readonly keys: readonly string[]
  readonly directives: readonly Directive[]
  /** All words of each directive, for the fingerprint. */
  readonly tokens: ReadonlyMap<string, readonly Token[]>
}

/** A Corefile that CoreDNS does not start with; the message is what it says. */
export class CorefileError extends Error {
  override readonly name = 'CorefileError'
}

export function parseError(file: string, line: number, what: string): CorefileError {
  return new CorefileError(`${file}:${line} - Error during parsing: ${what}`)
}

/** Words; `"…"` may hold blanks, `#` at a word's beginning starts a comment. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let line = 1
  let word = ''
  let wordLine = 1
  let quoted = false
  let comment = false
  const end = () => {
    if (word !== '') tokens.push({ line: wordLine, text: word })
    word = ''
  }
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (quoted) {
      if (char === '\\' && text[i + 1] === '"') word += text[++i]
      else if (char === '"') {
        tokens.push({ line: wordLine, text: word })
        word = ''
        quoted = false
      } else word += char
      if (char === '\n') line++
      continue
    }
    if (/\s/.test(char)) {
      end()
      if (char === '\n') {
        line++
        comment = false
      }
      continue
    }
    if (comment || (char === '#' && word === '')) {
      comment = true
      continue
    }
    if (word === '') wordLine = line
    if (char === '"' && word === '') quoted = true
    else word += char
  }
  end()
  return tokens
}

/** @throws CorefileError */
export function parseCorefile(text: string, file: string): ServerBlock[] {
  const tokens = tokensOf(text)
  const blocks: ServerBlock[] = []
  let at = 0
  while (at < tokens.length) {
    const keys: string[] = []
    while (at < tokens.length && tokens[at].text !== '{') {
      const key = tokens[at++]
      if (key.text === '}') throw parseError(file, key.line, `Unexpected token '}', expecting a server block`)
      for (const part of key.text.split(',')) if (part !== '') keys.push(part)
    }
    if (at === tokens.length) throw parseError(file, tokens[at - 1].line, `Unexpected EOF`)
    if (keys.length === 0) throw parseError(file, tokens[at].line, 'server block without keys')
    at++
    const body = blockAt(tokens, at, file)
    at = body.end
    blocks.push({ keys, ...body })
  }
  return blocks
}

function blockAt(tokens: readonly Token[], from: number, file: string) {
  const directives: Directive[] = []
  const all = new Map<string, Token[]>()
  let at = from
  for (;;) {
    if (at >= tokens.length) throw parseError(file, tokens[tokens.length - 1].line, `Unexpected EOF, expected '}'`)
    if (tokens[at].text === '}') return { directives, tokens: all, end: at + 1 }
    const end = directiveEnd(tokens, at, file)
    const words = tokens.slice(at, end)
    directives.push(directiveOf(words))
    const name = words[0].text
    all.set(name, [...(all.get(name) ?? []), ...words])
    at = end
  }
}

/** Behind the line's last word, or behind the brace that closes its block. */
function directiveEnd(tokens: readonly Token[], from: number, file: string): number {
  let depth = 0
  let at = from
  for (; at < tokens.length; at++) {
    const { line, text } = tokens[at]
    if (depth === 0 && at > from && line !== tokens[at - 1].line) return at
    if (text === '{') depth++
    if (text === '}') {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    }
  }
  if (depth > 0) throw parseError(file, tokens[at - 1].line, `Unexpected EOF, expected '}'`)
  return at
}

function directiveOf(tokens: readonly Token[]): Directive {
  const [{ line, text: name }] = tokens
  const open = tokens.findIndex((token) => token.text === '{')
  const head = open < 0 ? tokens : tokens.slice(0, open)
  const inside = open < 0 ? [] : tokens.slice(open + 1, -1)
  const block: { line: number; words: string[] }[] = []
  for (const token of inside) {
    const last = block.at(-1)
    if (last !== undefined && last.line === token.line) last.words.push(token.text)
    else block.push({ line: token.line, words: [token.text] })
  }
  const words = head.map((token) => token.text)
  return { name, line, words, args: words.slice(1), block }
}

/** SHA-512 of the parsed blocks as Go's encoding/json writes them. */
export function fingerprint(blocks: readonly ServerBlock[]): string {
  const json = blocks.map(({ keys, tokens }) => ({
    Keys: keys,
    Tokens: Object.fromEntries(
      [...tokens.keys()]
        .sort()
        .map((name) => [name, tokens.get(name)?.map(({ line, text }) => ({ File: '', Line: line, Text: text }))]),
    ),
  }))
  // encoding/json escapes what HTML would trip over.
  const text = JSON.stringify(json).replace(/[<>&\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  if (text !== hashed) {
    hashed = text
    sum = sha512Hex(text)
  }
  return sum
}

/** What was hashed last: each replica starts with the same, and looks at it again twice a minute. */
let hashed = ''
let sum = ''

/** Seconds: Go's durations of one unit. */
export function duration(text: string | undefined): number | null {
  const found = /^([0-9.]+)(ms|s|m|h)$/.exec(text ?? '')
  if (found === null) return null
  return Number(found[1]) * { ms: 0.001, s: 1, m: 60, h: 3600 }[found[2] as 'ms' | 's' | 'm' | 'h']
}

/** Lower case, without the final dot; a network becomes its reverse zone, on a boundary of its octets. */
export function normalZone(text: string): string {
  const network = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(8|16|24)$/.exec(text)
  if (network === null) return text.toLowerCase().replace(/\.$/, '')
  const octets = network.slice(1, 1 + Number(network[5]) / 8)
  return `${octets.reverse().join('.')}.in-addr.arpa`
}
