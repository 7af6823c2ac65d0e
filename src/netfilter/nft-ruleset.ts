/**
 * All tables of a namespace, and changes to them that can be taken back: a batch is done as a whole or not at all
 * (nf_tables_api.c). Packets never see a half of it, since nothing else runs meanwhile.
 */
import type { Hook } from './hook.ts'
import type { Statement } from './nft-ast.ts'
import { compile } from './nft-compile.ts'
import { NftRefused, Refusal } from './nft-error.ts'
import { NftChain, type NftChainType, type NftFamily, NftRule, NftTable } from './nft-objects.ts'
import type { NftElement, NftSet } from './nft-set.ts'
import { NamedObject, type NftObject } from './nft-state.ts'
import type { ReadRule } from './nft-statements.ts'
import { validate } from './nft-validate.ts'

/** Where a base chain hangs. */
export interface HookSpec {
  readonly type: NftChainType
  readonly hook: Hook
  readonly priority: number
}

/** A dynamic set without a size gets this one from the rule that writes to it. */
const DYNAMIC_SIZE = 65_535

export class NftRuleset {
  readonly tables = new Map<string, NftTable>()
  /** Told after each batch that changed something. */
  onChange: () => void = () => {}
  /** Which tables of iptables there are: a chain's place among them at the same priority. */
  neighbours: () => number = () => 0
  #handles = 0
  #registrations = 0
  #undo: (() => void)[] = []
  #fresh: NftRule[] = []
  /** Tables whose chains lead elsewhere than before. */
  readonly #rerouted = new Set<NftTable>()

  table(family: NftFamily, name: string): NftTable | null {
    return this.tables.get(`${family} ${name}`) ?? null
  }

  /** Is there anything for packets? */
  get active(): boolean {
    for (const { dormant, chains } of this.tables.values()) {
      if (!dormant) for (const chain of chains.values()) if (chain.hook !== null) return true
    }
    return false
  }

  /** Ends a batch: everything stays, or (`keep` false) nothing does. @throws NftRefused when chains go round. */
  commit(keep = true): void {
    if (keep) for (const table of this.#rerouted) validate(table)
    const changed = this.#undo.length > 0
    if (!keep) this.#rollBack()
    for (const rule of this.#fresh) rule.fresh = false
    this.#fresh = []
    this.#undo = []
    this.#rerouted.clear()
    if (keep && changed) this.onChange()
  }

  abort(): void {
    this.#rollBack()
    this.#fresh = []
    this.#rerouted.clear()
  }

  #rollBack(): void {
    for (const undo of this.#undo.reverse()) undo()
    this.#undo = []
  }

  #done(undo: () => void): void {
    this.#undo.push(undo)
  }

  addTable(family: NftFamily, name: string, exclusive: boolean): NftTable {
    const key = `${family} ${name}`
    const present = this.tables.get(key)
    if (present !== undefined) {
      if (exclusive) throw new NftRefused(Refusal.EXISTS)
      return present
    }
    const table = new NftTable(family, name, ++this.#handles)
    this.tables.set(key, table)
    this.#done(() => this.tables.delete(key))
    return table
  }

  setDormant(table: NftTable, dormant: boolean): void {
    const before = table.dormant
    table.dormant = dormant
    this.#done(() => {
      table.dormant = before
    })
  }

  deleteTable(table: NftTable): void {
    const key = `${table.family} ${table.name}`
    this.tables.delete(key)
    this.#done(() => putBack(this.tables, key, table))
  }

  addChain(table: NftTable, name: string, exclusive: boolean): NftChain {
    const present = table.chains.get(name)
    if (present !== undefined) {
      if (exclusive) throw new NftRefused(Refusal.EXISTS)
      return present
    }
    const chain = new NftChain(table, name)
    chain.handle = table.nextHandle()
    table.chains.set(name, chain)
    this.#done(() => table.chains.delete(name))
    return chain
  }

  /** Makes a fresh chain a base chain. */
  hookChain(chain: NftChain, { type, hook, priority }: HookSpec): void {
    chain.type = type
    chain.hook = hook
    chain.priority = priority
    chain.registered = ++this.#registrations
    chain.neighbours = this.neighbours()
  }

  setPolicy(chain: NftChain, policy: NftChain['policy']): void {
    const before = chain.policy
    chain.policy = policy
    this.#done(() => {
      chain.policy = before
    })
  }

  deleteChain(chain: NftChain): void {
    const { table } = chain
    if (chain.uses > 0) throw new NftRefused(Refusal.BUSY)
    const { rules } = chain
    for (const rule of rules) this.#count(rule, -1)
    table.chains.delete(chain.name)
    this.#done(() => {
      for (const rule of rules) this.#count(rule, 1)
      putBack(table.chains, chain.name, chain)
    })
  }

  renameChain(chain: NftChain, name: string): void {
    const { chains } = chain.table
    if (chains.has(name)) throw new NftRefused(Refusal.EXISTS)
    const old = chain.name
    const call = (from: string, to: string) => {
      chains.delete(from)
      chain.name = to
      putBack(chains, to, chain)
    }
    call(old, name)
    this.#done(() => call(name, old))
  }

  /** Puts a rule at this place of its chain; `instead`: the rule there goes. */
  addRule(chain: NftChain, read: ReadRule, place: number, instead: boolean): NftRule {
    const { table } = chain
    for (const set of read.sets) set.handle = table.nextHandle()
    for (const { k, ...rest } of read.statements) if (k === 'dynset') this.#size((rest as { set: NftSet }).set)
    const rule = new NftRule(chain, read.statements, compile(read.statements), read.comment)
    rule.handle = instead ? chain.rules[place].handle : table.nextHandle()
    const before = chain.rules
    const after = place >= before.length ? before : [...before]
    if (after === before) before.push(rule)
    else after.splice(place, instead ? 1 : 0, rule)
    chain.rules = after
    this.#count(rule, 1)
    if (instead) this.#count(before[place], -1)
    this.#fresh.push(rule)
    if (leads(read.statements)) this.#rerouted.add(table)
    this.#done(() => {
      this.#count(rule, -1)
      if (instead) this.#count(before[place], 1)
      if (after === before) before.pop()
      chain.rules = before
    })
    return rule
  }

  /** A rule writes into the set (nft_dynset_init). */
  #size(set: NftSet): void {
    set.grows = true
    if (set.size !== 0) return
    set.size = DYNAMIC_SIZE
    this.#done(() => {
      set.size = 0
    })
  }

  deleteRule(rule: NftRule): void {
    const { chain } = rule
    const before = chain.rules
    chain.rules = before.filter((each) => each !== rule)
    this.#count(rule, -1)
    this.#done(() => {
      chain.rules = before
      this.#count(rule, 1)
    })
  }

  flushChain(chain: NftChain): void {
    const before = chain.rules
    if (before.length === 0) return
    chain.rules = []
    for (const rule of before) this.#count(rule, -1)
    this.#done(() => {
      chain.rules = before
      for (const rule of before) this.#count(rule, 1)
    })
  }

  /** What a rule uses may not be deleted: chains, sets, objects. */
  #count(rule: NftRule, by: 1 | -1): void {
    for (const chain of rule.program.chains) chain.uses += by
    for (const set of rule.program.sets) {
      set.uses += by
      if (set.anonymous) for (const { chain } of set.elements()) if (chain !== null) chain.uses += by
    }
    for (const { set } of rule.program.dynsets) set.uses += by
    for (const statement of rule.statements) if (statement.k === 'object') statement.object.uses += by
  }

  addSet(table: NftTable, set: NftSet): void {
    set.handle = table.nextHandle()
    table.sets.set(set.name, set)
    this.#done(() => table.sets.delete(set.name))
  }

  deleteSet(set: NftSet): void {
    const table = set.table as NftTable
    if (set.uses > 0) throw new NftRefused(Refusal.BUSY)
    for (const { chain } of set.elements()) if (chain !== null) chain.uses--
    table.sets.delete(set.name)
    this.#done(() => {
      for (const { chain } of set.elements()) if (chain !== null) chain.uses++
      putBack(table.sets, set.name, set)
    })
  }

  addElement(set: NftSet, element: NftElement): void {
    if (set.size !== 0 && set.count >= set.size) throw new NftRefused(Refusal.FULL, 'element')
    set.insert(element)
    if (element.chain !== null) {
      element.chain.uses++
      this.#rerouted.add(set.table as NftTable)
    }
    this.#done(() => {
      set.remove(element)
      if (element.chain !== null) element.chain.uses--
    })
  }

  deleteElement(set: NftSet, element: NftElement): void {
    set.remove(element)
    if (element.chain !== null) element.chain.uses--
    this.#done(() => {
      set.insert(element)
      if (element.chain !== null) element.chain.uses++
    })
  }

  addObject(table: NftTable, name: string, object: NftObject, exclusive: boolean): NamedObject {
    const key = `${object.kind} ${name}`
    const present = table.objects.get(key)
    if (present !== undefined) {
      if (exclusive) throw new NftRefused(Refusal.EXISTS)
      return present
    }
    const named = new NamedObject(name, object)
    named.handle = table.nextHandle()
    table.objects.set(key, named)
    this.#done(() => table.objects.delete(key))
    return named
  }

  deleteObject(table: NftTable, named: NamedObject): void {
    if (named.uses > 0) throw new NftRefused(Refusal.BUSY)
    const key = `${named.object.kind} ${named.name}`
    table.objects.delete(key)
    this.#done(() => table.objects.set(key, named))
  }
}

/** Everything stands in the order of its handles, which is that of its making. */
function putBack<T extends { readonly handle: number }>(map: Map<string, T>, key: string, value: T): void {
  const all: (readonly [string, T])[] = [...map, [key, value]]
  all.sort(([, a], [, b]) => a.handle - b.handle)
  map.clear()
  for (const [name, each] of all) map.set(name, each)
}

/** Does the rule lead elsewhere, or do what only some hooks allow? */
function leads(statements: readonly Statement[]): boolean {
  return statements.some(({ k }) => k === 'vmap' || k === 'nat' || k === 'reject' || k === 'verdict')
}
