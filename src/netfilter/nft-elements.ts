/** `{ 10.0.0.1 : accept, … }`: elements of sets and maps, named or written where they are used. */
import { Verdict } from './hook.ts'
import { type Expression, typesOf } from './nft-ast.ts'
import { Refusal } from './nft-error.ts'
import type { NftChain, NftTable } from './nft-objects.ts'
import { NftElement, NftSet } from './nft-set.ts'
import { NftLimit, NftPlainCounter } from './nft-state.ts'
import { type Datatype, wordsOf } from './nft-type.ts'
import { type Constant, NftValues } from './nft-values.ts'

const MILLISECOND = 1e6

/** A verdict and, for jump and goto, where it leads. */
export interface Judgement {
  readonly verdict: Verdict
  readonly chain: NftChain | null
}

/** An element as it was read, with its place for errors. */
export interface ReadElement {
  readonly element: NftElement
  readonly key: readonly Constant[]
  /** Is there anything but the key? */
  readonly plain: boolean
  readonly start: number
  readonly end: number
}

const VERDICTS: Readonly<Record<string, Verdict>> = {
  accept: Verdict.ACCEPT,
  drop: Verdict.DROP,
  continue: Verdict.CONTINUE,
  return: Verdict.RETURN,
  jump: Verdict.JUMP,
  goto: Verdict.GOTO,
}

export const BYTE_UNITS: Readonly<Record<string, number>> = { bytes: 1, kbytes: 1024, mbytes: 1024 * 1024 }
export const RATE_UNITS: Readonly<Record<string, number>> = {
  second: 1e9,
  minute: 60e9,
  hour: 3600e9,
  day: 86_400e9,
  week: 604_800e9,
}

export class NftElements extends NftValues {
  table: NftTable | null = null
  now: () => number = () => 0
  /** Sets that were made where they are used: they belong to the rule. */
  protected made: NftSet[] = []

  /** `accept`, `jump c`; null when the next word is no verdict. `place`: what an error underlines. */
  judgement(place: { readonly start: number; readonly end: number } | null = null): Judgement | null {
    const token = this.peek()
    const verdict = token.kind === 'word' ? VERDICTS[token.text] : undefined
    if (verdict === undefined) return null
    this.next()
    if (verdict !== Verdict.JUMP && verdict !== Verdict.GOTO) return { verdict, chain: null }
    const name = this.name()
    const chain = this.table?.chains.get(name.text)
    const { start, end } = place ?? name
    if (chain === undefined) throw this.fail(`Could not process rule: ${Refusal.NO_ENTRY}`, start, end)
    if (chain.hook !== null) throw this.fail(`Could not process rule: ${Refusal.UNSUPPORTED}`, start, end)
    return { verdict, chain }
  }

  /** The set whose name comes next, behind `@`. */
  protected setNamed(start: number): NftSet {
    const name = this.name()
    const set = this.table?.sets.get(name.text)
    if (set === undefined || set.anonymous) {
      const at = this.source.text.lastIndexOf('@', name.start)
      throw this.fail(Refusal.NO_ENTRY, at >= start ? at : name.start, name.end)
    }
    return set
  }

  /** The key must be of the set's types. */
  protected agree(key: Expression, set: NftSet, start: number, end: number): void {
    const wanted = typesOf(key)
    const given = set.key.map((part) => part.type)
    const same = wanted.length === given.length && wanted.every((type, i) => fits(type, given[i]))
    if (same) return
    const sentence = `datatype mismatch, expected ${describe(wanted)}, expression has type ${describe(given)}`
    throw this.fail(sentence, start, end)
  }

  /** A set that stands in a rule. */
  protected anonymous(key: readonly Datatype[], data: readonly Datatype[] | 'verdict' | null): NftSet {
    if (this.table === null) throw new Error('podwire bug: an nft set without a table')
    const read = this.elements(key, data)
    let given = data
    // `dnat to … map { 80 : 10.0.0.1 . 8080 }` says with its first element that it gives ports too.
    if (Array.isArray(data) && read.length > 0) given = this.#dataTypes
    const set = new NftSet(this.table, '', key, given, true)
    set.flags.constant = true
    set.flags.interval = read.some(({ key: parts }) => parts.some((part) => part.k === 'range'))
    for (const each of set.flags.interval && !set.isMap && key.length === 1 ? merged(read) : read) {
      const { element } = each
      if (set.overlaps(element.low, element.high) === null) set.insert(element)
      else if (set.isMap || set.find(element.low, element.high) === null) {
        throw this.fail('conflicting intervals specified', each.start, each.end)
      }
    }
    this.made.push(set)
    return set
  }

  #dataTypes: readonly Datatype[] = []
  /** How many elements the last braces held. */
  protected written = 0

  /** `{ … }` */
  elements(key: readonly Datatype[], data: readonly Datatype[] | 'verdict' | null): ReadElement[] {
    this.skipNewlines()
    this.expect('{')
    const all: ReadElement[] = []
    this.#dataTypes = data === null || data === 'verdict' ? [] : data
    for (;;) {
      this.skipNewlines()
      if (this.is('}') && all.length > 0) break
      all.push(this.#element(key, data))
      this.skipNewlines()
      if (!this.take(',')) break
    }
    this.expect('}')
    this.written = all.length
    return all
  }

  #element(types: readonly Datatype[], data: readonly Datatype[] | 'verdict' | null): ReadElement {
    const { start } = this.peek()
    const key = this.constants(types)
    const { end } = this.last
    const low = key.flatMap((part) => wordsOf(part.k === 'value' ? part.value : part.low, part.type.bits))
    const high = key.flatMap((part) => wordsOf(part.k === 'value' ? part.value : part.high, part.type.bits))
    const lowest = Int32Array.from(low)
    const exact = key.every((part) => part.k === 'value')
    const element = new NftElement(lowest, exact ? lowest : Int32Array.from(high))
    let plain = !this.#options(element)
    if (this.take(':')) {
      plain = false
      if (data === null) throw this.unexpected()
      this.#data(element, data, { start, end })
    } else if (data !== null) {
      // Deleting needs the key only; adding without a value is the kernel's to refuse.
      element.verdict = -1
    }
    return { element, key, plain, start, end }
  }

  #data(
    element: NftElement,
    data: readonly Datatype[] | 'verdict',
    place: { readonly start: number; readonly end: number },
  ): void {
    if (data === 'verdict') {
      const judgement = this.judgement(place)
      if (judgement === null) throw this.unexpected()
      element.verdict = judgement.verdict
      element.chain = judgement.chain
      return
    }
    const values: Constant[] = [this.constant(data[0])]
    while (this.take('.')) {
      const type = data[values.length] ?? this.extraData
      if (type === null) throw this.unexpected()
      values.push(this.constant(type))
    }
    this.#dataTypes = values.map((value) => value.type)
    element.data = Int32Array.from(
      values.flatMap((value) => wordsOf(value.k === 'value' ? value.value : value.low, value.type.bits)),
    )
  }

  /** The type of a second value that a NAT's map may give. */
  protected extraData: Datatype | null = null

  /** `timeout 1h expires 30m counter comment "x"`; false when there are none. */
  #options(element: NftElement): boolean {
    let some = false
    for (;;) {
      if (this.take('timeout')) {
        element.timeout = Number(this.milliseconds()) * MILLISECOND
        element.due = this.now() + element.timeout
      } else if (this.take('expires')) element.due = this.now() + Number(this.milliseconds()) * MILLISECOND
      else if (this.take('comment')) element.comment = this.quoted()
      else if (this.is('counter')) element.counter = this.counter()
      else if (this.is('limit')) element.limit = this.limit()
      else return some
      some = true
    }
  }

  /** `counter packets 3 bytes 180` */
  protected counter(): NftPlainCounter {
    this.expect('counter')
    const counter = new NftPlainCounter()
    if (this.take('packets')) {
      counter.packets = this.number()
      this.expect('bytes')
      counter.bytes = this.number()
    }
    return counter
  }

  /** `limit rate over 10/second burst 5 packets`, also `10 kbytes/second`. */
  protected limit(): NftLimit {
    this.take('limit')
    this.expect('rate')
    const over = this.take('over')
    if (!over) this.take('until')
    const { start } = this.peek()
    const rate = this.number()
    const factor = this.#rateUnit()
    const unit = RATE_UNITS[this.last.text.split('/').at(-1) ?? '']
    if (unit === undefined) throw this.fail('Wrong unit format', start, this.last.end)
    if (rate === 0) throw this.fail('limit rate must be > 0', start, this.last.end)
    let burst = factor === null ? 5 : 0
    if (this.is('burst')) {
      const from = this.next().start
      burst = this.number()
      const bytes = this.#byteUnit()
      if (bytes !== null) burst *= bytes
      else this.expect('packets')
      if (burst === 0 && factor === null) throw this.fail('packet limit burst must be > 0', from, this.last.end)
    }
    return new NftLimit(rate * (factor ?? 1), unit, burst, factor !== null, over, this.now())
  }

  /** `/second`, or `kbytes/second`: then how many bytes a unit has. */
  #rateUnit(): number | null {
    if (this.take('/')) {
      this.name()
      return null
    }
    const factor = BYTE_UNITS[this.peek().text.split('/')[0]]
    if (factor === undefined) throw this.unexpected()
    this.next()
    return factor
  }

  #byteUnit(): number | null {
    const factor = BYTE_UNITS[this.peek().text]
    if (factor === undefined) return null
    this.next()
    return factor
  }

  /** `100 mbytes` */
  protected byteCount(): number {
    const count = this.number()
    const factor = this.#byteUnit()
    if (factor === null) throw this.unexpected()
    return count * factor
  }
}

export function describe(types: readonly Datatype[]): string {
  if (types.length === 1) return types[0].described
  return `concatenation of (${types.map((type) => type.described).join(', ')})`
}

function fits(a: Datatype, b: Datatype): boolean {
  return a === b || (a.bits === b.bits && (a.name === 'integer' || b.name === 'integer'))
}

/** Intervals that touch or overlap become one (the segment tree of anonymous sets). */
export function merged(read: readonly ReadElement[]): ReadElement[] {
  const sorted = [...read].sort((a, b) => order(a.element.low, b.element.low))
  const result: ReadElement[] = []
  for (const each of sorted) {
    const before = result.at(-1)
    if (before === undefined || order(following(before.element.high), each.element.low) < 0) {
      result.push(each)
      continue
    }
    if (order(before.element.high, each.element.high) >= 0) continue
    result[result.length - 1] = { ...before, element: new NftElement(before.element.low, each.element.high) }
  }
  return result
}

function order(a: Int32Array, b: Int32Array): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return a[i] >>> 0 < b[i] >>> 0 ? -1 : 1
  }
  return 0
}

/** The next value; the highest stays. */
function following(words: Int32Array): Int32Array {
  const next = words.slice()
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = (next[i] + 1) | 0
    if (next[i] !== 0) return next
  }
  return words
}
