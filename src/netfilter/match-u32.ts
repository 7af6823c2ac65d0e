/**
 * `-m u32 --u32 "0>>22&0x3C@12&0xFFFFFF00=1024"`: 32-bit words of the packet, shifted, masked, and used as places of
 * further words, compared with ranges (xt_u32). What lies outside of the packet does not match.
 */
import { i32 } from '../wire/bytes.ts'
import { missingOption, NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import type { Words } from './words.ts'

const Operation = { AND: 0, LEFT: 1, RIGHT: 2, AT: 3 } as const
const signs = ['&', '<<', '>>', '@'] as const

/** One test: a place, what is done with the word there, and the ranges it may lie in. */
interface U32Test {
  readonly place: number
  /** Pairs of operation and number. */
  readonly steps: number[]
  /** Pairs of lowest and highest. */
  readonly ranges: number[]
}

export class U32Match extends Match {
  readonly name = 'u32'
  #tests: U32Test[] | null = null
  #not = false

  override option(name: string, words: Words, not: boolean): boolean {
    if (name !== '--u32') return false
    this.#tests = new U32Parser(words.value(name)).tests
    this.#not = not
    return true
  }

  override check(): void {
    if (this.#tests === null) throw missingOption('u32', '--u32')
  }

  override test(packet: Packet): boolean {
    const tests = this.#tests ?? []
    for (let i = 0; i < tests.length; i++) if (!holds(tests[i], packet)) return this.#not
    return !this.#not
  }

  get #text(): string {
    const hex = (value: number) => `0x${value.toString(16)}`
    const texts = (this.#tests ?? []).map(({ place, steps, ranges }) => {
      let text = hex(place)
      for (let i = 0; i < steps.length; i += 2) text += signs[steps[i]] + hex(steps[i + 1])
      const pairs: string[] = []
      for (let i = 0; i < ranges.length; i += 2) {
        pairs.push(ranges[i] === ranges[i + 1] ? hex(ranges[i]) : `${hex(ranges[i])}:${hex(ranges[i + 1])}`)
      }
      return `${text}=${pairs.join(',')}`
    })
    return `"${texts.join('&&')}"`
  }

  override save(): string {
    return `${bang(this.#not)}--u32 ${this.#text}`
  }

  override list(): string {
    return `u32 ${bang(this.#not)}${this.#text}`
  }
}

function holds({ place, steps, ranges }: U32Test, { bytes, network, end }: Packet): boolean {
  let at = network
  if (at + place + 4 > end) return false
  let value = i32(bytes, at + place) >>> 0
  for (let i = 0; i < steps.length; i += 2) {
    const number = steps[i + 1]
    switch (steps[i]) {
      case Operation.AND:
        value = (value & number) >>> 0
        break
      case Operation.LEFT:
        value = number > 31 ? 0 : (value << number) >>> 0
        break
      case Operation.RIGHT:
        value = number > 31 ? 0 : value >>> number
        break
      default:
        at += value
        if (at + number + 4 > end) return false
        value = i32(bytes, at + number) >>> 0
    }
  }
  for (let i = 0; i < ranges.length; i += 2) if (value >= ranges[i] && value <= ranges[i + 1]) return true
  return false
}

/** Complains with the place of the fault, as iptables does. */
class U32Parser {
  readonly tests: U32Test[] = []
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    do this.tests.push(this.#test())
    while (this.#next('&&'))
    if (this.tests.length > 10) throw new NetfilterError('u32: at char 0: too many "&&"s')
  }

  #test(): U32Test {
    if (this.#rest === '') throw new NetfilterError('u32: abrupt end of input after location specifier')
    const place = this.#number()
    const steps: number[] = []
    while (!this.#next('=')) {
      if (this.#rest === '') throw new NetfilterError('u32: abrupt end of input after location specifier')
      const sign = signs.findIndex((each) => this.#next(each))
      if (sign < 0) throw this.#fault('operator expected')
      steps.push(sign, this.#number())
    }
    const ranges: number[] = []
    do {
      const low = this.#number()
      ranges.push(low, this.#next(':') ? this.#number() : low)
    } while (this.#next(','))
    if (this.#rest !== '' && !this.#rest.startsWith('&&')) throw this.#fault('expected "," or "&&"')
    return { place, steps, ranges }
  }

  get #rest(): string {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++
    return this.#text.slice(this.#at)
  }

  #next(sign: string): boolean {
    if (!this.#rest.startsWith(sign)) return false
    this.#at += sign.length
    return true
  }

  #number(): number {
    const found = /^(0x[0-9a-f]+|[0-9]+)/i.exec(this.#rest)
    if (found === null || Number(found[1]) > 0xffffffff) throw this.#fault('not a number or out of range')
    this.#at += found[1].length
    return /^0[0-7]+$/.test(found[1]) ? Number.parseInt(found[1], 8) : Number(found[1])
  }

  #fault(what: string): NetfilterError {
    return new NetfilterError(`u32: at char ${this.#at}: ${what}`)
  }
}
