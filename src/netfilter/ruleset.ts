/**
 * All tables of one namespace, and every way to change them: what `iptables` and `iptables-restore` do. Errors are
 * NetfilterErrors in iptables' own words where it has some; nothing is changed then.
 */
import { configurationChanged } from '../link/flow-cache.ts'
import { Chain, type Rule, Table } from './chain.ts'
import { NetfilterError, RuleRefused } from './error.ts'
import { type TableName, tableNames, Verdict } from './hook.ts'
import { IpSets, type SetPlace } from './ipset.ts'
import { RecentLists } from './match-recent.ts'
import { SetMatch, SetTarget } from './match-set.ts'
import { type Place, parseRules } from './rule-parser.ts'
import { learnStencil, rendered, stencilOf } from './rule-stencil.ts'
import { saveRule } from './rule-text.ts'

/** Words that -j always takes for a target. */
const targetNames: readonly string[] = [
  'ACCEPT',
  'DROP',
  'RETURN',
  'QUEUE',
  'REJECT',
  'LOG',
  'MARK',
  'SNAT',
  'DNAT',
  'MASQUERADE',
]

/** What iptables-legacy makes of the kernel's refusal. */
const legacyReasons: Readonly<Record<string, string>> = {
  'Invalid argument': "Invalid argument. Run `dmesg' for more information.",
  'Too many links': 'Too many levels of symbolic links.',
}
const NO_CHAIN = 'No chain/target/match by that name.'
const NO_RULE = 'Bad rule (does a matching rule exist in that chain?).'

export class Ruleset {
  /** x_tables, what iptables-legacy configures; else nf_tables. A namespace may have both. */
  readonly legacy: boolean
  readonly lists: RecentLists
  readonly sets: IpSets
  /** Told after each change. */
  onChange: (() => void) | null = null
  /** Hears why the kernel refused a rule. */
  onRefused: ((why: string) => void) | null = null
  #tables = new Map<TableName, Table>()

  /** `beside`: the namespace's other rule set, which shares its lists and sets. */
  constructor(beside: Ruleset | null = null) {
    this.legacy = beside !== null
    this.lists = beside?.lists ?? new RecentLists()
    this.sets = beside?.sets ?? new IpSets()
  }

  /** How often rules name the set: it cannot be destroyed meanwhile. */
  references(place: SetPlace): number {
    let count = 0
    for (const table of this.#tables.values()) {
      for (const chain of table.chains.values()) {
        for (const { matches, target } of chain.rules) {
          for (const match of matches) if (match instanceof SetMatch && match.place === place) count++
          if (target instanceof SetTarget) count += target.places.filter((named) => named === place).length
        }
      }
    }
    return count
  }

  /** Null while nobody has used the table. */
  peek(name: TableName): Table | null {
    return this.#tables.get(name) ?? null
  }

  /** In the order in which they are printed, of x_tables the youngest first; only those that exist. */
  list(): Table[] {
    if (this.legacy) return [...this.#tables.values()].reverse()
    return tableNames.map((name) => this.#tables.get(name)).filter((table) => table !== undefined)
  }

  /** The table, made on first use. */
  table(name: TableName): Table {
    let table = this.#tables.get(name)
    if (table === undefined) {
      table = this.makeTable(name)
      this.#tables.set(name, table)
      this.#changed()
    }
    return table
  }

  /** A table that is not in the set. */
  makeTable(name: TableName): Table {
    return new Table(name, this.legacy)
  }

  /** Puts another table, or none, in the place of this one: iptables-restore begins and fails with it. */
  replaceTable(name: TableName, table: Table | null): void {
    if (table === null) this.#tables.delete(name)
    else this.#tables.set(name, table)
    this.#changed()
  }

  /** @throws NetfilterError when there is no such chain. */
  chain(table: TableName, name: string): Chain {
    const chain = this.table(table).chains.get(name)
    if (chain === undefined) throw new NetfilterError(NO_CHAIN, 'kernel')
    return chain
  }

  append(table: TableName, chain: string, words: readonly string[]): void {
    const at = this.chain(table, chain)
    at.rules.push(...this.#parse(table, at, words, 'RULE_APPEND'))
    this.#changed(table)
  }

  /** As `append`, of a line that was read before. False: it was not, or means something else here. */
  appendKnown(table: TableName, line: string): boolean {
    const known = stencilOf(this.#kindOf(table), line)
    if (known === null) return false
    const into = this.table(table)
    const at = into.chains.get(known.chain)
    const rule = at?.hook === known.hook ? rendered(known, into) : null
    if (at === undefined || rule === null || (rule.chain !== null && reaches(rule.chain, at))) return false
    at.rules.push(rule)
    this.#changed(table)
    return true
  }

  /** The line was read, and the chain ends with the one rule that it means. */
  learn(table: TableName, line: string, { name, hook, rules }: Chain): void {
    const rule = rules.at(-1)
    if (rule !== undefined) learnStencil(this.#kindOf(table), line, rule, name, hook)
  }

  #kindOf(table: TableName): string {
    return this.legacy ? `legacy ${table}` : table
  }

  /** `place` counts from 1. */
  insert(table: TableName, chain: string, place: number, words: readonly string[]): void {
    const at = this.chain(table, chain)
    if (place < 1 || place > at.rules.length + 1) throw new NetfilterError('Index of insertion too big.', 'kernel')
    at.rules.splice(place - 1, 0, ...this.#parse(table, at, words, 'RULE_INSERT'))
    this.#changed(table)
  }

  /** `place` counts from 1. */
  replace(table: TableName, chain: string, place: number, words: readonly string[]): void {
    const at = this.chain(table, chain)
    const rules = this.#parse(table, at, words, 'RULE_REPLACE')
    if (rules.length !== 1) throw new NetfilterError('Replacement rule does not specify a unique address')
    this.#place(at, place, 'replacement')
    at.rules[place - 1] = rules[0]
    this.#changed(table)
  }

  /** Removes the first rule that is spelled like this. */
  delete(table: TableName, chain: string, words: readonly string[]): void {
    const at = this.table(table).chains.get(chain)
    if (at === undefined) throw new NetfilterError(NO_RULE, 'kernel')
    for (const rule of this.#parse(table, at, words, 'RULE_DELETE')) {
      const index = find(at, rule)
      if (index < 0) throw new NetfilterError(NO_RULE, 'kernel')
      at.rules.splice(index, 1)
    }
    this.#changed(table)
  }

  /** `place` counts from 1. */
  deleteAt(table: TableName, chain: string, place: number): void {
    const at = this.chain(table, chain)
    this.#place(at, place, 'deletion')
    at.rules.splice(place - 1, 1)
    this.#changed(table)
  }

  /** `iptables -C`: is there such a rule? */
  has(table: TableName, chain: string, words: readonly string[]): boolean {
    const at = this.table(table).chains.get(chain)
    return at !== undefined && this.#parse(table, at, words, 'RULE_CHECK').every((rule) => find(at, rule) >= 0)
  }

  /** Puts the rule before all others of a built-in chain, unless it is there. `text`: its words as they would be typed. */
  ensure(table: TableName, chain: string, text: string, words: readonly string[]): void {
    const line = `-A ${chain} ${text}`
    const at = this.chain(table, chain)
    const known = stencilOf(this.#kindOf(table), line)
    const made = known?.hook === at.hook ? rendered(known, at.table) : null
    const rules = made === null ? this.#parse(table, at, words, 'RULE_INSERT') : [made]
    if (rules.every((rule) => find(at, rule) >= 0)) return
    at.rules.unshift(...rules)
    this.#changed(table)
    if (rules.length === 1 && known === null) learnStencil(this.#kindOf(table), line, rules[0], chain, at.hook)
  }

  /** All chains when `chain` is null. */
  flush(table: TableName, chain: string | null): void {
    for (const at of this.#chosen(table, chain)) at.rules = []
    this.#changed(table)
  }

  /** Sets the counters of the chain (all chains when null) and of its rules to zero. */
  zero(table: TableName, chain: string | null, place: number | null = null): void {
    if (chain !== null && place !== null) {
      const rule = this.chain(table, chain).rules.at(place - 1)
      if (rule === undefined) throw new NetfilterError('Index of rule too big.', 'kernel')
      rule.packets = 0
      rule.bytes = 0
      return
    }
    for (const at of this.#chosen(table, chain)) {
      at.packets = 0
      at.bytes = 0
      for (const rule of at.rules) {
        rule.packets = 0
        rule.bytes = 0
      }
    }
  }

  newChain(table: TableName, name: string): void {
    checkName(name)
    const at = this.table(table)
    if (at.chains.has(name)) throw new NetfilterError('Chain already exists.', 'kernel')
    at.chains.set(name, new Chain(name, null, at))
    this.#changed(table)
  }

  /** A user-defined chain that is empty and not jumped to; all such chains when null. */
  deleteChain(table: TableName, name: string | null): void {
    const at = this.table(table)
    if (name === null) {
      for (const chain of at.ordered()) {
        if (chain.hook === null && chain.rules.length === 0 && at.references(chain) === 0) at.chains.delete(chain.name)
      }
    } else {
      const chain = this.chain(table, name)
      if (chain.hook !== null) throw new NetfilterError(NO_CHAIN, 'kernel')
      if (this.legacy && chain.rules.length > 0) throw new NetfilterError('Directory not empty.', 'kernel')
      if (this.legacy && at.references(chain) > 0) throw new NetfilterError('Too many links.', 'kernel')
      if (chain.rules.length > 0 || at.references(chain) > 0) {
        throw new NetfilterError(` CHAIN_DEL failed (Device or resource busy): chain ${name}`, 'batch')
      }
      at.chains.delete(name)
    }
    this.#changed(table)
  }

  renameChain(table: TableName, from: string, to: string): void {
    checkName(to)
    const { chains } = this.table(table)
    if (this.legacy && chains.has(to)) throw new NetfilterError('File exists.', 'kernel')
    const chain = this.chain(table, from)
    if (chain.hook !== null) throw new NetfilterError(NO_CHAIN, 'kernel')
    if (chains.has(to)) throw new NetfilterError('File exists.', 'kernel')
    chains.delete(from)
    chain.name = to
    chains.set(to, chain)
    this.#changed(table)
  }

  /** ACCEPT or DROP for a built-in chain. */
  policy(table: TableName, name: string, policy: string): void {
    const chain = this.table(table).chains.get(name)
    if (chain === undefined || chain.hook === null) throw new NetfilterError('Bad built-in chain name.', 'kernel')
    if (policy !== 'ACCEPT' && policy !== 'DROP')
      throw new NetfilterError("Bad policy name. Run `dmesg' for more information.", 'kernel')
    if (table === 'nat' && policy === 'DROP') {
      throw new NetfilterError(
        '\nThe "nat" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n',
      )
    }
    chain.policy = policy === 'ACCEPT' ? Verdict.ACCEPT : Verdict.DROP
    this.#changed(table)
  }

  #chosen(table: TableName, chain: string | null): Chain[] {
    return chain === null ? this.table(table).ordered() : [this.chain(table, chain)]
  }

  #place(chain: Chain, place: number, what: string): void {
    if (place > chain.rules.length) throw new NetfilterError(`Index of ${what} too big.`, 'kernel')
  }

  /** @throws NetfilterError; what the kernel refuses is told in nf_tables' words, with the operation's name. */
  #parse(name: TableName, chain: Chain, words: readonly string[], operation: string): Rule[] {
    try {
      return this.#parseRules(name, chain, words)
    } catch (error) {
      if (!(error instanceof RuleRefused)) throw error
      if (error.log !== '') this.onRefused?.(error.log)
      if (this.legacy) throw new NetfilterError(legacyReasons[error.reason] ?? `${error.reason}.`, 'kernel')
      throw new NetfilterError(` ${operation} failed (${error.reason}): rule in chain ${chain.name}`, 'batch')
    }
  }

  #parseRules(name: TableName, chain: Chain, words: readonly string[]): Rule[] {
    const table = this.table(name)
    const place: Place = {
      table: name,
      chain,
      lists: this.lists,
      sets: this.sets,
      legacy: this.legacy,
      find: (wanted) => {
        const found = table.chains.get(wanted)
        return found === undefined || found.hook !== null ? null : found
      },
    }
    const rules = parseRules(words, place)
    for (const { chain: goal } of rules) {
      if (goal !== null && reaches(goal, chain)) throw new RuleRefused('', 'Too many links')
    }
    return rules
  }

  /** x_tables puts a whole table in the place of the old one, and what the policies had counted is lost. */
  #changed(name: TableName | null = null): void {
    if (this.legacy && name !== null) {
      for (const chain of this.table(name).hooks) {
        if (chain === null) continue
        chain.packets = 0
        chain.bytes = 0
      }
    }
    configurationChanged()
    if (this.onChange !== null) this.onChange()
  }
}

/** -1 when no rule of the chain is spelled like this one. */
function find(chain: Chain, rule: Rule): number {
  if (chain.rules.length === 0) return -1
  const text = saveRule(rule)
  return chain.rules.findIndex((other) => saveRule(other) === text)
}

/** Can a packet get from one chain to the other? */
function reaches(from: Chain, to: Chain): boolean {
  const seen = new Set<Chain>([from])
  for (const chain of seen) {
    if (chain === to) return true
    for (const rule of chain.rules) if (rule.chain !== null) seen.add(rule.chain)
  }
  return false
}

function checkName(name: string): void {
  if (name.startsWith('-') || name.startsWith('!')) {
    throw new NetfilterError(`chain name not allowed to start with \`${name[0]}'`)
  }
  if (name.length > 28) throw new NetfilterError(`chain name \`${name}' too long (must be under 29 chars)`)
  if (targetNames.includes(name)) throw new NetfilterError('chain name may not clash with target name')
  if (name === '' || /\s/.test(name)) throw new NetfilterError(`Invalid chain name \`${name}'`)
}
