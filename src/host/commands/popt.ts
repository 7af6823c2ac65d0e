/** popt(3): letters may stand together, a value may follow its letter at once, and options may follow operands. */
import { ToolError } from './ip-words.ts'

/** `maybe`: a value unless the next word is an option. */
export type Takes = 'nothing' | 'value' | 'maybe'

export interface Option {
  readonly name: string
  /** The whole word. */
  readonly typed: string
  /** Empty without one. */
  readonly value: string
}

export class Popt {
  /** What is no option. */
  readonly rest: string[] = []
  readonly #words: readonly string[]
  readonly #takes: (name: string) => Takes | null
  #at = 0
  /** Letters that still stand in the word. */
  #letters = ''

  /** `takes`: what follows an option, by its letter or long name; null for one that is not known. */
  constructor(words: readonly string[], takes: (name: string) => Takes | null) {
    this.#words = words
    this.#takes = takes
  }

  /** The next option; null: there is none. @throws ToolError */
  next(): Option | null {
    while (this.#letters === '') {
      if (this.#at >= this.#words.length) return null
      const word = this.#words[this.#at++]
      if (word === '--') {
        this.rest.push(...this.#words.slice(this.#at))
        this.#at = this.#words.length
      } else if (word.startsWith('--')) return this.#long(word)
      else if (word.startsWith('-') && word !== '-') this.#letters = word.slice(1)
      else this.rest.push(word)
    }
    const name = this.#letters[0]
    const typed = this.#words[this.#at - 1]
    this.#letters = this.#letters.slice(1)
    const takes = this.#takes(name)
    if (takes === null) throw new ToolError(`-${name}: unknown option`, 255)
    if (takes === 'nothing') return { name, typed, value: '' }
    const attached = this.#letters
    this.#letters = ''
    return { name, typed, value: attached !== '' ? attached : this.#value(takes, `-${name}`) }
  }

  #long(word: string): Option {
    const equals = word.indexOf('=')
    const name = word.slice(2, equals < 0 ? undefined : equals)
    const takes = name.length > 1 ? this.#takes(name) : null
    if (takes === null) throw new ToolError(`${word}: unknown option`, 255)
    if (takes === 'nothing') return { name, typed: word, value: '' }
    return { name, typed: word, value: equals < 0 ? this.#value(takes, `--${name}`) : word.slice(equals + 1) }
  }

  #value(takes: Takes, option: string): string {
    const next = this.#words[this.#at]
    if (takes === 'maybe' && (next === undefined || next.startsWith('-'))) return ''
    if (next === undefined) throw new ToolError(`${option}: missing argument`, 255)
    this.#at++
    return next
  }
}
