/** A cursor over nft's words: what comes next, what must come, and what is said of anything else. */
import { NftError, type Source } from './nft-error.ts'
import { scan, type Token } from './nft-lexer.ts'

/** Words that the grammar knows: an error names them as they are, any other word is a `string`. */
const KEYWORDS = new Set(
  (
    'table chain rule set map element elements type typeof hook priority policy comment flags timeout size handle ' +
    'accept drop continue return jump goto counter limit quota log reject masquerade snat dnat redirect notrack ' +
    'ip ip6 inet arp bridge netdev tcp udp icmp th meta ct mark list add create insert delete replace flush ruleset ' +
    'tables chains sets maps counters quotas limits rename reset export monitor describe include define position index ' +
    'state status direction saddr daddr sport dport protocol vmap fib numgen jhash symhash to with random all over ' +
    'and or xor not iif oif iifname oifname update packets bytes'
  ).split(' '),
)

const SIGNS: Readonly<Record<string, string>> = {
  ';': 'semicolon',
  ',': 'comma',
  ':': 'colon',
  '.': 'dot',
  '/': 'slash',
  '-': 'dash',
  '@': '@',
  '*': 'asterisk',
}

export class NftReader {
  readonly source: Source
  readonly defines: Map<string, readonly Token[]>
  #tokens: Token[]
  #at = 0

  constructor(source: Source, defines: Map<string, readonly Token[]>) {
    this.source = source
    this.defines = defines
    this.#tokens = scan(source)
  }

  get place(): number {
    return this.#at
  }

  /** Goes back, or on, to a place that was passed. */
  seek(place: number): void {
    this.#at = place
  }

  /** The token `ahead` of the next one; `$name` is what it was defined as. */
  peek(ahead = 0): Token {
    this.#expand(this.#at + ahead)
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]
  }

  next(): Token {
    const token = this.peek()
    if (this.#at < this.#tokens.length - 1) this.#at++
    return token
  }

  /** The last token that was taken. */
  get last(): Token {
    return this.#tokens[Math.max(0, this.#at - 1)]
  }

  #expand(at: number): void {
    const sign = this.#tokens[at]
    if (sign === undefined || sign.kind !== 'sign' || sign.text !== '$') return
    const name = this.#tokens[at + 1]
    const tokens = this.defines.get(name.text)
    if (tokens === undefined) {
      throw new NftError(`unknown identifier '${name.text}'`, this.source, name.start, name.end)
    }
    const here = tokens.map((token) => ({ ...token, start: sign.start, end: name.end }))
    this.#tokens.splice(at, 2, ...here)
  }

  is(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token.text === text && (token.kind === 'sign' || token.kind === 'word')
  }

  /** Takes the word or sign if it is next. */
  take(text: string): boolean {
    if (!this.is(text)) return false
    this.next()
    return true
  }

  takeOneOf<T extends string>(words: readonly T[]): T | null {
    const found = words.find((word) => this.is(word))
    if (found !== undefined) this.next()
    return found ?? null
  }

  expect(text: string, expecting = ''): Token {
    if (!this.is(text)) throw this.unexpected(expecting)
    return this.next()
  }

  /** A name: of a table, chain, set. */
  name(): Token {
    const token = this.peek()
    if (token.kind !== 'word') throw this.unexpected('string')
    return this.next()
  }

  number(): number {
    const token = this.peek()
    if (token.kind !== 'number') throw this.unexpected('number')
    return Number(this.next().text)
  }

  quoted(): string {
    const token = this.peek()
    if (token.kind !== 'quoted' && token.kind !== 'word') throw this.unexpected('string')
    return this.next().text
  }

  skipNewlines(): void {
    while (this.peek().kind === 'newline') this.next()
  }

  /** At the end of a statement or command? */
  get ended(): boolean {
    const { kind, text } = this.peek()
    return kind === 'newline' || kind === 'end' || (kind === 'sign' && (text === ';' || text === '}'))
  }

  unexpected(expecting = ''): NftError {
    const token = this.peek()
    const behind = expecting === '' ? '' : `, expecting ${expecting}`
    const end = Math.max(token.end, token.start + 1)
    return new NftError(`syntax error, unexpected ${described(token)}${behind}`, this.source, token.start, end)
  }

  fail(sentence: string, start: number, end: number, beside: readonly [number, number] | null = null): NftError {
    return new NftError(sentence, this.source, start, end, beside)
  }

  notModelled(what: string): NftError {
    return new NftError(`podwire: ${what} is not modelled`)
  }
}

function described({ kind, text }: Token): string {
  switch (kind) {
    case 'newline':
      return 'newline'
    case 'end':
      return 'end of file'
    case 'quoted':
      return 'quoted string'
    case 'number':
      return 'number'
    case 'sign':
      return SIGNS[text] ?? (text.length > 1 ? text : `'${text}'`)
    default:
      return KEYWORDS.has(text) ? text : 'string'
  }
}
