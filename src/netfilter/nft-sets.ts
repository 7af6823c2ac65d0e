/** Sets and maps as they are declared, and the elements that go in and out. */
import { typesOf } from './nft-ast.ts'
import { merged, type ReadElement } from './nft-elements.ts'
import { type NftError, NftRefused, Refusal } from './nft-error.ts'
import type { Token } from './nft-lexer.ts'
import { listSet } from './nft-list.ts'
import type { NftChain, NftFamily, NftTable } from './nft-objects.ts'
import type { NftRuleset } from './nft-ruleset.ts'
import { NftElement, NftSet } from './nft-set.ts'
import { NftPlainCounter } from './nft-state.ts'
import { NftStatements } from './nft-statements.ts'
import { type Datatype, ICMP_TYPE, typeNamed, VERDICT } from './nft-type.ts'
import type { PrintOptions } from './nft-value-text.ts'

const MILLISECOND = 1e6

/** What waits until all chains and sets of a block are there. */
export type Later = { readonly place: number } & (
  | { readonly chain: NftChain; readonly set: null }
  | { readonly set: NftSet; readonly chain: null }
)

export abstract class NftSets extends NftStatements {
  rules!: NftRuleset

  protected abstract family(): NftFamily

  /** What an error names: the sentence of nft itself, or of the kernel. */
  protected missing(token: Token, asked: boolean): NftError {
    return this.fail(`${asked ? '' : 'Could not process rule: '}${Refusal.NO_ENTRY}`, token.start, token.end)
  }

  /** Lines up to the closing brace. */
  protected lines(line: () => void): void {
    for (;;) {
      while (this.peek().kind === 'newline' || this.is(';')) this.next()
      if (this.take('}')) return
      line()
      if (this.peek().kind !== 'newline' && !this.is(';') && !this.is('}'))
        throw this.unexpected('newline or semicolon')
      if (this.is('}') && !this.closes) throw this.unexpected('newline or semicolon')
    }
  }

  /** May a brace stand behind what was just read? Behind a block it may, behind a line it may not. */
  protected closes = false

  /** Over a rule or elements, to be read later. */
  protected skip(): void {
    let depth = 0
    for (;;) {
      const token = this.peek()
      if (token.kind === 'end') throw this.unexpected()
      if (depth === 0 && this.ended) return
      if (token.kind === 'sign' && token.text === '{') depth++
      if (token.kind === 'sign' && token.text === '}') depth--
      this.next()
    }
  }

  protected addSet(exclusive: boolean, map: boolean): void {
    const family = this.family()
    const first = this.name()
    const table = this.rules.table(family, first.text)
    if (table === null) throw this.missing(first, true)
    this.table = table
    const later: Later[] = []
    this.declareSet(table, exclusive, map, later)
    const behind = this.place
    for (const { place, set } of later) {
      this.seek(place)
      if (set !== null) this.addElements(set, false)
    }
    this.seek(behind)
  }

  protected declareSet(table: NftTable, exclusive: boolean, map: boolean, later: Later[]): void {
    const name = this.name()
    const from = this.peek()
    this.expect('{')
    let key: readonly Datatype[] | null = null
    let data: readonly Datatype[] | 'verdict' | null = null
    const wanted = new NftSet(table, name.text, [], null, false)
    const places: number[] = []
    const line = () => {
      this.closes = false
      if (this.is('type') || this.is('typeof')) {
        const spelled = this.next().text === 'typeof'
        const { start } = this.peek()
        key = this.#types(spelled)
        if (map) {
          this.expect(':', 'colon or .')
          data = this.take('verdict') ? 'verdict' : this.#types(spelled)
        } else if (this.is(':')) throw this.unexpected('newline or semicolon or .')
        if (spelled) wanted.typeofText = this.source.text.slice(start, this.last.end).replaceAll(/\s+/g, ' ')
        return
      }
      this.#setLine(wanted, places)
    }
    this.lines(line)
    this.closes = false
    if (key === null)
      throw this.fail(`${map ? 'map' : 'set'} definition does not specify key`, from.start, this.last.end)
    if (data !== null && data !== 'verdict' && (data as readonly Datatype[]).includes(VERDICT)) data = 'verdict'
    const set = this.#make(table, name, key, data, wanted, exclusive)
    for (const place of places) later.push({ place, set, chain: null })
  }

  #make(
    table: NftTable,
    name: Token,
    key: readonly Datatype[],
    data: readonly Datatype[] | 'verdict' | null,
    wanted: NftSet,
    exclusive: boolean,
  ): NftSet {
    const present = table.sets.get(name.text)
    const set = new NftSet(table, name.text, key, data, false)
    const { typeofText, comment, timeout, gcInterval, size, memory, autoMerge, counts } = wanted
    Object.assign(set, { typeofText, comment, timeout, gcInterval, size, memory, autoMerge, counts })
    Object.assign(set.flags, wanted.flags)
    if (timeout > 0) set.flags.timeout = true
    if (present === undefined) {
      this.rules.addSet(table, set)
      return set
    }
    const types = (each: NftSet) => [...each.key, ...(each.data ?? [])].map((part) => part.type.name).join()
    const same =
      types(present) === types(set) && present.isMap === set.isMap && present.flags.interval === set.flags.interval
    if (exclusive || !same) {
      throw this.fail(`Could not process rule: ${Refusal.EXISTS}`, name.start, name.end)
    }
    return present
  }

  #setLine(set: NftSet, places: number[]): void {
    if (this.take('flags')) {
      do {
        const flag = this.takeOneOf(['constant', 'interval', 'timeout', 'dynamic'])
        if (flag === null) throw this.unexpected()
        set.flags[flag] = true
      } while (this.take(','))
    } else if (this.take('timeout')) set.timeout = Number(this.milliseconds()) * MILLISECOND
    else if (this.take('gc-interval')) set.gcInterval = Number(this.milliseconds()) * MILLISECOND
    else if (this.take('size')) set.size = this.number()
    else if (this.take('policy')) set.memory = this.takeOneOf(['memory', 'performance']) === 'memory'
    else if (this.take('auto-merge')) set.autoMerge = true
    else if (this.take('comment')) set.comment = this.quoted()
    else if (this.is('counter')) {
      this.counter()
      set.counts = true
    } else if (this.take('elements')) {
      this.expect('=')
      places.push(this.place)
      this.skip()
    } else throw this.unexpected()
  }

  /** `ipv4_addr . inet_service`, or behind `typeof` what has such values. */
  #types(spelled: boolean): Datatype[] {
    if (spelled) return this.take('verdict') ? [VERDICT] : typesOf(this.expression())
    const types: Datatype[] = []
    do {
      const name = this.name()
      const type = typeNamed(name.text)
      if (type === null && ['counter', 'quota', 'limit'].includes(name.text)) {
        throw this.notModelled(`nft: a map of ${name.text}s`)
      }
      if (type === null && name.text === 'ipv6_addr') throw this.notModelled('nft type ipv6_addr')
      if (type === null) throw this.fail(`unknown datatype ${name.text}`, name.start, name.end)
      types.push(type)
    } while (this.take('.'))
    return types
  }

  #read(set: NftSet): ReadElement[] {
    const data = set.verdicts ? 'verdict' : (set.data?.map((part) => part.type) ?? null)
    const read = this.elements(
      set.key.map((part) => part.type),
      data,
    )
    for (const { key, start, end } of read) {
      const range = key.find((part) => part.k === 'range')
      if (range === undefined || set.flags.interval) continue
      const what = this.source.text.slice(start, end).includes('/') ? 'prefix' : 'range'
      const sentence = `You must add 'flags interval' to your set declaration if you want to add ${what} elements`
      throw this.fail(sentence, start, end)
    }
    return read
  }

  protected addElements(set: NftSet, exclusive: boolean): void {
    this.table = set.table as NftTable
    const closed = set.flags.constant && set.count > 0
    const all = this.#read(set)
    const joined = set.autoMerge && !set.isMap && set.key.length === 1
    const read = joined ? this.#joinOld(set, all) : all
    for (const each of read) {
      const { element, start, end } = each
      if (set.isMap && element.verdict < 0 && element.data === null) {
        throw this.fail(`Could not process rule: ${Refusal.INVALID}`, start, end)
      }
      if (set.timeout > 0 && element.timeout === 0) {
        element.timeout = set.timeout
        element.due = Math.min(element.due, this.now() + set.timeout)
      }
      if (set.counts && element.counter === null) element.counter = new NftPlainCounter()
      const present = set.find(element.low, element.high)
      if (present !== null && present.due > this.now()) {
        if (exclusive || differs(present, element)) {
          throw this.fail(`Could not process rule: ${Refusal.EXISTS}`, start, end)
        }
        continue
      }
      if (present !== null) set.remove(present)
      if (closed) throw this.fail(`Could not process rule: ${Refusal.FULL}`, start, end)
      if (set.flags.interval && set.overlaps(element.low, element.high) !== null) {
        const sentence = 'interval overlaps with an existing one'
        throw this.fail(set.key.length > 1 ? `Could not process rule: ${Refusal.EXISTS}` : sentence, start, end)
      }
      try {
        this.rules.addElement(set, element)
      } catch (error) {
        if (!(error instanceof NftRefused)) throw error
        throw this.fail(`Could not process rule: ${error.reason}`, start, end)
      }
    }
  }

  /** auto-merge: what touches new elements comes out and goes in again with them. */
  #joinOld(set: NftSet, read: readonly ReadElement[]): ReadElement[] {
    const place = read[0] ?? { key: [], start: 0, end: 0 }
    const old = set.elements().map((element) => ({ ...place, element, plain: true }))
    const result = merged([...old, ...read])
    const kept = new Set(result.map(({ element }) => element))
    for (const { element } of old) if (!kept.has(element)) this.rules.deleteElement(set, element)
    const present = new Set(set.elements())
    return result.filter(({ element }) => !present.has(element))
  }

  protected deleteElements(set: NftSet): void {
    if (!this.is('{')) throw this.unexpected("'{' or '$'")
    for (const { element, start, end } of this.#read(set)) {
      const present = set.find(element.low, element.high)
      if (present === null) throw this.fail(`Could not process rule: ${Refusal.NO_ENTRY}`, start, end)
      this.rules.deleteElement(set, present)
    }
  }

  protected getElements(set: NftSet): void {
    const begin = this.source.text.lastIndexOf('get', this.last.start)
    const found = new NftSet(
      set.table,
      set.name,
      set.key.map((part) => part.type),
      set.verdicts ? 'verdict' : (set.data?.map((part) => part.type) ?? null),
      false,
    )
    Object.assign(found, {
      typeofText: set.typeofText,
      comment: set.comment,
      timeout: set.timeout,
      size: set.size,
      counts: set.counts,
    })
    Object.assign(found.flags, set.flags)
    for (const { element } of this.#read(set)) {
      const present = set.lookup(element.low, 0, this.now())
      if (present === null) {
        throw this.fail(`Could not process rule: ${Refusal.NO_ENTRY}`, begin, this.peek().end)
      }
      const copy = new NftElement(present.low, present.high)
      const { data, verdict, chain, comment, timeout, due, counter, limit } = present
      found.insert(Object.assign(copy, { data, verdict, chain, comment, timeout, due, counter, limit }))
    }
    if (this.printing !== null) this.told += listSet(found, this.printing)
  }

  /** How `get` and -e print, and what they said. */
  printing: PrintOptions | null = null
  told = ''

  protected override echoSet(): NftSet {
    const set = new NftSet(this.table as NftTable, '', [ICMP_TYPE], null, true)
    set.flags.constant = true
    for (const type of [0, 8]) {
      const key = Int32Array.of(type)
      set.insert(new NftElement(key, key))
    }
    this.made.push(set)
    return set
  }
}

/** Does a map say something else for the same key? */
function differs(a: NftElement, b: NftElement): boolean {
  if (a.verdict !== b.verdict || a.chain !== b.chain) return true
  if (a.data === null || b.data === null) return a.data !== b.data
  return a.data.some((word, i) => word !== b.data?.[i])
}
