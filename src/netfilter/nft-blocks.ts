/** What stands in braces: tables, chains and sets as they are declared, and the elements that go in. */
import { Hook, Verdict } from './hook.ts'
import { type NftError, NftRefused, Refusal } from './nft-error.ts'
import type { Token } from './nft-lexer.ts'
import { PRIORITIES } from './nft-list.ts'
import type { NftChain, NftChainType, NftRule, NftTable } from './nft-objects.ts'
import { formatRule } from './nft-print.ts'
import type { HookSpec } from './nft-ruleset.ts'
import { type Later, NftSets } from './nft-sets.ts'
import { NftPlainCounter } from './nft-state.ts'
import type { PrintOptions } from './nft-value-text.ts'

const HOOKS: Readonly<Record<string, Hook>> = {
  prerouting: Hook.PREROUTING,
  input: Hook.INPUT,
  forward: Hook.FORWARD,
  output: Hook.OUTPUT,
  postrouting: Hook.POSTROUTING,
}
const TYPE_HOOKS: Readonly<Record<NftChainType, readonly Hook[]>> = {
  filter: [Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING],
  nat: [Hook.PREROUTING, Hook.INPUT, Hook.OUTPUT, Hook.POSTROUTING],
  route: [Hook.OUTPUT],
}
/** nf_tables has no nat chain before conntrack. */
const FIRST_NAT = -200

export abstract class NftBlocks extends NftSets {
  /** -e: what is added is told. */
  echo: PrintOptions | null = null
  echoed = ''

  protected unexpectedOf(token: Token): string {
    if (token.kind === 'newline') return 'syntax error, unexpected newline'
    return token.kind === 'end' ? 'syntax error, unexpected end of file' : 'syntax error, unexpected string'
  }

  /** The kernel refused the command that began here. */
  protected refused({ reason, what }: NftRefused, start: number): NftError {
    if (what === 'all') while (this.peek().kind !== 'newline' && this.peek().kind !== 'end') this.next()
    // The line's end belongs to the command.
    const end = this.peek().kind === 'newline' ? this.peek().end : this.last.end
    const named = this.#name
    const sentence = `Could not process rule: ${reason}`
    if (what === 'all' || named === null) return this.fail(sentence, start, end)
    return this.fail(sentence, named.start, named.end)
  }

  /** The last name that a command was about. */
  #name: Token | null = null

  override name(): Token {
    this.#name = super.name()
    return this.#name
  }

  protected define(): void {
    this.next()
    const name = this.name()
    this.expect('=')
    const tokens: Token[] = []
    let depth = 0
    while (depth > 0 || !this.ended) {
      const token = this.next()
      if (token.kind === 'end') break
      if (token.text === '{' && token.kind === 'sign') depth++
      if (token.text === '}' && token.kind === 'sign') depth--
      tokens.push(token)
    }
    this.defines.set(name.text, tokens)
  }

  protected addTable(exclusive: boolean): void {
    const family = this.family()
    const name = this.name()
    const table = this.rules.addTable(family, name.text, exclusive)
    this.table = table
    if (!this.take('{')) return
    this.#chainsFirst(table)
    const later: Later[] = []
    this.lines(() => this.#tableLine(table, later))
    const behind = this.place
    const byKind = [...later.filter(({ set }) => set !== null), ...later.filter(({ chain }) => chain !== null)]
    for (const { place, chain, set } of byKind) {
      this.seek(place)
      if (set !== null) this.addElements(set, false)
      else {
        const rule = this.rules.addRule(chain, this.rule(), chain.rules.length, false)
        if (this.echo !== null) this.echoRule('add', rule)
      }
    }
    this.seek(behind)
  }

  /** nft makes the chains of a block before everything else in it. */
  #chainsFirst(table: NftTable): void {
    const { place } = this
    for (let depth = 0; depth >= 0 && this.peek().kind !== 'end'; ) {
      const token = this.next()
      if (token.kind === 'sign' && token.text === '{') depth++
      else if (token.kind === 'sign' && token.text === '}') depth--
      else if (depth === 0 && token.text === 'chain' && this.peek().kind === 'word') {
        this.rules.addChain(table, this.next().text, false)
      }
    }
    this.seek(place)
  }

  #tableLine(table: NftTable, later: Later[]): void {
    this.closes = false
    if (this.take('chain')) {
      const chain = this.rules.addChain(table, this.name().text, false)
      this.expect('{')
      this.lines(() => this.#chainLine(chain, later))
      return
    }
    if (this.is('set') || this.is('map')) {
      const map = this.next().text === 'map'
      return this.declareSet(table, false, map, later)
    }
    const object = this.takeOneOf(['counter', 'quota', 'limit'])
    if (object !== null) return this.#object(table, object, false)
    if (this.take('comment')) {
      table.comment = this.quoted()
      return
    }
    if (this.take('flags')) {
      const flag = this.name()
      if (flag.text !== 'dormant') throw this.fail(`unknown table option ${flag.text}`, flag.start, flag.end)
      return this.rules.setDormant(table, true)
    }
    if (['flowtable', 'ct', 'secmark', 'synproxy'].includes(this.peek().text)) {
      throw this.notModelled(`nft ${this.peek().text}`)
    }
    throw this.unexpected()
  }

  protected addChain(exclusive: boolean): void {
    const family = this.family()
    const first = this.name()
    const table = this.rules.table(family, first.text)
    const name = this.name()
    if (table === null) throw this.missing(first, true)
    this.table = table
    const { text } = name
    const chain = this.rules.addChain(table, text, exclusive)
    if (this.take('{')) this.lines(() => this.#chainLine(chain, null))
  }

  #chainLine(chain: NftChain, later: Later[] | null): void {
    this.closes = false
    const { start } = this.peek()
    if (this.is('type')) {
      const spec = this.#hook(start)
      return this.#hang(chain, spec)
    }
    if (this.is('policy') && (this.is('accept', 1) || this.is('drop', 1))) {
      this.next()
      const policy = this.next().text === 'drop' ? Verdict.DROP : Verdict.ACCEPT
      if (chain.hook === null) {
        throw this.fail(`Could not process rule: ${Refusal.UNSUPPORTED}`, start, this.last.end)
      }
      return this.rules.setPolicy(chain, policy)
    }
    if (this.is('comment') && this.peek(1).kind === 'quoted') {
      this.next()
      chain.comment = this.quoted()
      return
    }
    if (this.is('flags')) throw this.notModelled('nft: chain flags')
    if (later === null) throw this.unexpected()
    later.push({ place: this.place, chain, set: null })
    this.skip()
  }

  /** `type filter hook input priority 0; policy drop` */
  #hook(start: number): HookSpec {
    this.next()
    const type = this.name()
    if (type.text !== 'filter' && type.text !== 'nat' && type.text !== 'route') {
      throw this.fail('unknown chain type', type.start, type.end)
    }
    this.expect('hook')
    const hookName = this.name()
    const hook = HOOKS[hookName.text]
    if (hookName.text === 'ingress' || hookName.text === 'egress') throw this.notModelled(`nft hook ${hookName.text}`)
    if (hook === undefined) throw this.fail('unknown chain hook', hookName.start, hookName.end)
    if (this.is('device') || this.is('devices')) throw this.notModelled('nft: chains of a device')
    this.expect('priority', 'priority')
    const priority = this.#priority(hook)
    const all = this.source.text.lastIndexOf('\n', start) + 1
    if (!TYPE_HOOKS[type.text].includes(hook) || (type.text === 'nat' && priority <= FIRST_NAT)) {
      throw new NftRefused(Refusal.UNSUPPORTED, 'all')
    }
    if (this.table !== null && all < 0) throw this.unexpected()
    return { type: type.text, hook, priority }
  }

  #priority(hook: Hook): number {
    const from = this.last.start
    const sign = this.take('-') ? -1 : 1
    if (this.peek().kind === 'number') return sign * this.number()
    const word = this.name()
    const known = PRIORITIES.find(([name]) => name === word.text)
    if (known === undefined || (known[2] !== null && !known[2].includes(hook))) {
      const sentence = 'invalid priority expression value in this context.'
      throw this.fail(sentence, from, word.end)
    }
    if (this.take('+')) return known[1] + this.number()
    return this.take('-') ? known[1] - this.number() : known[1]
  }

  #hang(chain: NftChain, spec: HookSpec): void {
    const { type, hook, priority } = spec
    if (chain.hook === null) {
      // The kernel makes no base chain of one that has been there without a hook.
      if (chain.rules.length > 0 || chain.uses > 0) throw new NftRefused(Refusal.EXISTS)
      return this.rules.hookChain(chain, spec)
    }
    if (chain.type !== type || chain.hook !== hook || chain.priority !== priority) {
      throw new NftRefused(Refusal.UNSUPPORTED, 'all')
    }
  }

  protected addObject(kind: 'counter' | 'quota' | 'limit', exclusive: boolean): void {
    const family = this.family()
    const first = this.name()
    const table = this.rules.table(family, first.text)
    if (table === null) throw this.missing(first, false)
    this.table = table
    this.#object(table, kind, exclusive)
  }

  #object(table: NftTable, kind: 'counter' | 'quota' | 'limit', exclusive: boolean): void {
    const name = this.name()
    let comment = ''
    const counter = new NftPlainCounter()
    let quota: ReturnType<NftBlocks['quota']> | null = null
    let limit: ReturnType<NftBlocks['limit']> | null = null
    if (this.is('{')) {
      this.next()
      this.lines(() => {
        this.closes = true
        if (this.take('comment')) comment = this.quoted()
        else if (kind === 'counter' && this.take('packets')) {
          counter.packets = this.number()
          this.expect('bytes')
          counter.bytes = this.number()
        } else if (kind === 'quota') quota = this.quota()
        else if (kind === 'limit') limit = this.limit()
        else throw this.unexpected()
      })
      this.closes = true
    }
    if (kind === 'counter') {
      this.rules.addObject(table, name.text, { kind, state: counter }, exclusive).comment = comment
    } else if (kind === 'quota') {
      if (quota === null) throw this.unexpected()
      this.rules.addObject(table, name.text, { kind, state: quota }, exclusive).comment = comment
    } else {
      if (limit === null) throw this.unexpected()
      this.rules.addObject(table, name.text, { kind, state: limit }, exclusive).comment = comment
    }
  }

  protected echoRule(how: string, { chain, statements, comment, handle }: NftRule): void {
    const { echo } = this
    if (echo === null) return
    const text = formatRule(statements, comment, echo)
    const tail = echo.handles ? ` # handle ${handle}` : ''
    this.echoed += `${how} rule ${chain.table.family} ${chain.table.name} ${chain.name} ${text}${tail}\n`
  }
}
