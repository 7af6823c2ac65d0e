/** A capture filter cut into words: names, numbers, addresses, operators. */

export type FilterWordKind = 'name' | 'number' | 'address' | 'net' | 'mac' | 'range' | 'operator'

export interface FilterWord {
  readonly kind: FilterWordKind
  readonly text: string
}

const patterns: readonly (readonly [FilterWordKind, RegExp])[] = [
  ['mac', /^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}(?![\w:])/i],
  ['net', /^[0-9]+(\.[0-9]+){0,3}\/[0-9]+/],
  ['address', /^[0-9]+(\.[0-9]+){1,3}(?![\w.])/],
  ['range', /^[0-9]+-[0-9]+(?![\w-])/],
  ['number', /^(0x[0-9a-f]+|[0-9]+)(?![\w.])/i],
  ['name', /^\\?[a-z][\w.-]*/i],
  ['operator', /^(&&|\|\||<<|>>|!=|==|>=|<=|[()[\]:&|<>=!+*/%^-])/],
]

/** Null when a character belongs to no word. */
export function filterWords(text: string): FilterWord[] | null {
  const words: FilterWord[] = []
  for (let rest = text.trimStart(); rest !== ''; rest = rest.trimStart()) {
    let length = 0
    for (const [kind, pattern] of patterns) {
      const found = pattern.exec(rest)
      if (found === null) continue
      words.push({ kind, text: found[0] })
      length = found[0].length
      break
    }
    if (length === 0) return null
    rest = rest.slice(length)
  }
  return words
}

/** What is wrong with the expression, as tcpdump says it. */
export class FilterError extends Error {
  constructor(message = "can't parse filter expression: syntax error") {
    super(message)
    this.name = 'FilterError'
  }
}

/** The words, and how far they have been read. */
export class FilterCursor {
  readonly #words: readonly FilterWord[]
  #at = 0

  constructor(words: readonly FilterWord[]) {
    this.#words = words
  }

  get done(): boolean {
    return this.#at >= this.#words.length
  }

  /** The text of the next word, or of one further on; empty behind the end. */
  peek(ahead = 0): string {
    return this.#words[this.#at + ahead]?.text ?? ''
  }

  /** Is the next word of one of these kinds? */
  is(...kinds: FilterWordKind[]): boolean {
    const word = this.#words[this.#at]
    return word !== undefined && kinds.includes(word.kind)
  }

  take(): FilterWord {
    const word = this.#words[this.#at]
    if (word === undefined) throw new FilterError()
    this.#at++
    return word
  }

  accept(...texts: string[]): boolean {
    if (this.done || !texts.includes(this.peek())) return false
    this.#at++
    return true
  }

  /** Where it stands; `back` returns there. */
  get place(): number {
    return this.#at
  }

  back(place: number): void {
    this.#at = place
  }
}
