/** nft's commands: add, delete, flush, list and their kin, each on one kind of object. */
import { NftBlocks } from './nft-blocks.ts'
import { type NftError, NftRefused, Refusal } from './nft-error.ts'
import {
  listChain,
  listChains,
  listKind,
  listObjects,
  listRuleset,
  listSet,
  listTable,
  listTables,
} from './nft-list.ts'
import { type NftChain, type NftFamily, type NftTable, nftFamilies } from './nft-objects.ts'
import type { NftSet } from './nft-set.ts'
import type { PrintOptions } from './nft-value-text.ts'

type Verb = 'add' | 'create' | 'insert' | 'delete' | 'replace' | 'flush' | 'list' | 'reset' | 'rename' | 'get'
const VERBS: readonly Verb[] = [
  'add',
  'create',
  'insert',
  'delete',
  'replace',
  'flush',
  'list',
  'reset',
  'rename',
  'get',
]
const OBJECTS = ['counter', 'quota', 'limit'] as const
const PLURALS: Readonly<Record<string, 'counter' | 'quota' | 'limit'>> = {
  counters: 'counter',
  quotas: 'quota',
  limits: 'limit',
}

export class NftCommands extends NftBlocks {
  out = ''
  options: PrintOptions | null = null

  /** Where the last command began. */
  #began = 0

  /** The kernel refused the batch when it was complete: the last command is named. */
  refusedBatch(refusal: NftRefused): NftError {
    return this.refused(refusal, this.#began)
  }

  /** Everything that was given, one command after the other. @throws NftError */
  run(): void {
    for (;;) {
      while (this.peek().kind === 'newline' || this.is(';')) this.next()
      if (this.peek().kind === 'end') break
      const { start } = this.peek()
      this.#began = start
      try {
        this.#command()
        if (!this.ended || this.is('}')) throw this.unexpected('end of file or newline or semicolon')
      } catch (error) {
        if (!(error instanceof NftRefused)) throw error
        throw this.refused(error, start)
      }
    }
  }

  #command(): void {
    const first = this.peek()
    if (first.text === 'define' || first.text === 'redefine') return this.define()
    if (first.text === 'undefine') {
      this.next()
      this.defines.delete(this.name().text)
      return
    }
    if (first.text === 'include') throw this.notModelled('nft include')
    if (['monitor', 'export', 'import', 'describe', 'destroy'].includes(first.text)) {
      throw this.notModelled(`nft ${first.text}`)
    }
    const verb = this.takeOneOf(VERBS) ?? 'add'
    const kind = this.peek().text
    switch (verb) {
      case 'add':
      case 'create':
        return this.#add(verb === 'create')
      case 'insert':
        this.expect('rule')
        return this.#rule('insert')
      case 'replace':
        this.expect('rule')
        return this.#rule('replace')
      case 'delete':
        return this.#delete()
      case 'flush':
        return this.#flush()
      case 'list':
        return this.#list()
      case 'rename':
        this.expect('chain')
        return this.#rename()
      case 'get':
        this.expect('element')
        return this.#get()
      default:
        if (kind in PLURALS || OBJECTS.some((each) => each === kind)) throw this.notModelled(`nft reset ${kind}`)
        throw this.unexpected('counter or counters or quotas or quota')
    }
  }

  protected family(): NftFamily {
    const family = this.takeOneOf(nftFamilies) ?? 'ip'
    if (family !== 'ip' && family !== 'inet') throw this.notModelled(`nft: family ${family}`)
    return family
  }

  /** `[family] table`, which must be there. `asked`: nft itself finds out; otherwise the kernel. */
  #table(asked: boolean): NftTable {
    const family = this.family()
    const name = this.name()
    const table = this.rules.table(family, name.text)
    if (table === null) throw this.missing(name, asked)
    this.table = table
    return table
  }

  #chain(asked: boolean): NftChain {
    const family = this.family()
    const first = this.name()
    const name = this.name()
    const table = this.rules.table(family, first.text)
    if (table === null) throw this.missing(first, asked)
    this.table = table
    const chain = table.chains.get(name.text)
    if (chain === undefined) throw this.missing(name, asked)
    return chain
  }

  #set(asked: boolean, map: boolean | null): NftSet {
    const family = this.family()
    const first = this.name()
    const name = this.name()
    const table = this.rules.table(family, first.text)
    if (table === null) throw this.missing(first, asked)
    this.table = table
    const set = table.sets.get(name.text)
    if (set === undefined || (map !== null && set.isMap !== map)) throw this.missing(name, asked)
    return set
  }

  #add(exclusive: boolean): void {
    if (this.take('table')) return this.addTable(exclusive)
    if (this.take('chain')) return this.addChain(exclusive)
    if (this.take('rule')) return this.#rule('add')
    if (this.take('set')) return this.addSet(exclusive, false)
    if (this.take('map')) return this.addSet(exclusive, true)
    if (this.take('element')) return this.addElements(this.#set(true, null), exclusive)
    const object = this.takeOneOf(OBJECTS)
    if (object !== null) return this.addObject(object, exclusive)
    const { text } = this.peek()
    if (text === 'flowtable' || text === 'ct' || text === 'secmark' || text === 'synproxy') {
      throw this.notModelled(`nft ${text}`)
    }
    // A rule may stand there without the word.
    this.#rule('add')
  }

  #rule(how: 'add' | 'insert' | 'replace'): void {
    const chain = this.#chain(false)
    let place = how === 'insert' ? 0 : chain.rules.length
    const where = this.takeOneOf(['handle', 'position', 'index'])
    if (where === null && how === 'replace') throw this.unexpected('handle')
    if (where !== null) {
      const at = this.peek()
      const number = this.number()
      const index = where === 'index' ? number : chain.rules.findIndex((rule) => rule.handle === number)
      if (index < 0 || index >= chain.rules.length) {
        const start = where === 'index' ? at.start - 'index '.length : at.start
        throw this.fail(`Could not process rule: ${Refusal.NO_ENTRY}`, start, at.end)
      }
      place = how === 'add' ? index + 1 : index
    }
    const rule = this.rules.addRule(chain, this.rule(), place, how === 'replace')
    if (this.echo !== null) this.echoRule(how, rule)
  }

  #delete(): void {
    const { rules } = this
    if (this.take('table')) {
      if (this.peek().text === 'handle' || this.is('handle', 1)) throw this.notModelled('nft: delete by handle')
      return rules.deleteTable(this.#table(false))
    }
    if (this.take('chain')) {
      if (this.is('handle', 1) || this.is('handle', 2)) throw this.notModelled('nft: delete by handle')
      return rules.deleteChain(this.#chain(false))
    }
    if (this.take('rule')) {
      const { place } = this
      this.takeOneOf(nftFamilies)
      this.name()
      this.name()
      if (!this.is('handle')) throw this.unexpected('handle')
      this.seek(place)
      const chain = this.#chain(false)
      this.next()
      const at = this.peek()
      const number = this.number()
      const rule = chain.rules.find((each) => each.handle === number)
      if (rule === undefined) throw this.missing(at, false)
      return rules.deleteRule(rule)
    }
    if (this.is('set') || this.is('map')) {
      const map = this.next().text === 'map'
      return rules.deleteSet(this.#set(false, map))
    }
    if (this.take('element')) return this.deleteElements(this.#set(true, null))
    const kind = this.takeOneOf(OBJECTS)
    if (kind === null) throw this.unexpected()
    const table = this.#table(false)
    const name = this.name()
    const object = table.objects.get(`${kind} ${name.text}`)
    if (object === undefined) throw this.missing(name, false)
    rules.deleteObject(table, object)
  }

  #flush(): void {
    const { rules } = this
    if (this.take('ruleset')) {
      const family = this.takeOneOf(nftFamilies)
      for (const table of [...rules.tables.values()]) {
        if (family === null || table.family === family) rules.deleteTable(table)
      }
      return
    }
    if (this.take('table')) {
      for (const chain of this.#table(false).chains.values()) rules.flushChain(chain)
      return
    }
    if (this.take('chain')) return rules.flushChain(this.#chain(false))
    if (!this.is('set') && !this.is('map')) throw this.unexpected()
    const map = this.next().text === 'map'
    const set = this.#set(true, map)
    for (const element of set.elements()) rules.deleteElement(set, element)
  }

  #rename(): void {
    const chain = this.#chain(true)
    this.rules.renameChain(chain, this.name().text)
  }

  #get(): void {
    this.getElements(this.#set(true, null))
  }

  #list(): void {
    const token = this.peek()
    const { options } = this
    if (options === null) throw new Error('podwire bug: nft list without options')
    const word = token.text
    this.next()
    switch (token.kind === 'word' ? word : '') {
      case 'ruleset':
      case 'tables':
      case 'chains':
      case 'sets':
      case 'maps':
      case 'counters':
      case 'quotas':
      case 'limits': {
        const family = this.takeOneOf(nftFamilies)
        let tables = this.#tables(family)
        if (this.take('table')) tables = [this.#table(true)]
        this.out += this.#all(word, tables, options)
        return
      }
      case 'table':
        this.out += listTable(this.#table(true), options)
        return
      case 'chain':
        this.out += listChain(this.#chain(true), options)
        return
      case 'set':
      case 'map':
        this.out += listSet(this.#set(true, word === 'map'), options)
        return
      case 'counter':
      case 'quota':
      case 'limit': {
        const table = this.#table(true)
        const name = this.name()
        if (!table.objects.has(`${word} ${name.text}`)) throw this.missing(name, true)
        this.out += listObjects([table], word, name.text, options)
        return
      }
      case 'hooks':
      case 'flowtables':
      case 'flowtable':
      case 'ct':
      case 'meters':
      case 'meter':
        throw this.notModelled(`nft list ${word}`)
      default:
        this.seek(this.place - (token.kind === 'newline' || token.kind === 'end' ? 0 : 1))
        throw this.fail(this.unexpectedOf(token), token.start, Math.max(token.end, token.start + 1))
    }
  }

  /** Those of one family, or all of them, family after family. */
  #tables(family: NftFamily | null): NftTable[] {
    const all = [...this.rules.tables.values()]
    return nftFamilies.flatMap((each) =>
      family === null || family === each ? all.filter((table) => table.family === each) : [],
    )
  }

  #all(word: string, tables: readonly NftTable[], options: PrintOptions): string {
    switch (word) {
      case 'ruleset':
        return listRuleset(tables, options)
      case 'tables':
        return listTables(tables)
      case 'chains':
        return listChains(tables, options)
      case 'sets':
      case 'maps':
        return listKind(tables, word === 'maps', options)
      default:
        return listObjects(tables, PLURALS[word], null, options)
    }
  }
}
