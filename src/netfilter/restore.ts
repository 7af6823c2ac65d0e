/** iptables-restore: tables from text, each as a whole or not at all. */
import { type Chain, type Rule, Table } from './chain.ts'
import { editRules } from './command.ts'
import { NetfilterError } from './error.ts'
import { type TableName, tableNames, type Verdict } from './hook.ts'
import type { Ruleset } from './ruleset.ts'
import { splitWords, Words } from './words.ts'

export interface RestoreOptions {
  /** Keep the chains and rules that the text does not name. */
  noflush?: boolean
}

/** How a table was before the text began to change it. */
interface Before {
  readonly name: TableName
  readonly table: Table | null
  readonly chains: readonly { readonly chain: Chain; readonly rules: readonly Rule[]; readonly policy: Verdict }[]
}

/** @throws NetfilterError with the line; the table on that line and those behind it are then as they were. */
export function restore(ruleset: Ruleset, text: string, options: RestoreOptions = {}): void {
  const lines = text.split('\n')
  let before: Before | null = null
  let at = 0
  try {
    for (const raw of lines) {
      at++
      const line = raw.trim()
      if (line === '' || line.startsWith('#')) continue
      if (line.startsWith('*')) {
        if (before !== null) throw new NetfilterError('a table begins before the last one has its COMMIT')
        before = begin(ruleset, line.slice(1).trim(), options.noflush === true)
      } else if (before === null) throw new NetfilterError('a rule or chain stands outside of any table')
      else if (line === 'COMMIT') before = null
      else if (line.startsWith(':')) declare(ruleset, before.name, line.slice(1))
      else rule(ruleset, before.name, line)
    }
    if (before !== null) throw new NetfilterError('COMMIT expected')
  } catch (error) {
    if (before !== null) rollBack(ruleset, before)
    throw error instanceof NetfilterError ? error.at(at) : error
  }
}

function begin(ruleset: Ruleset, word: string, noflush: boolean): Before {
  const name = tableNames.find((known) => known === word)
  if (name === undefined) throw new NetfilterError(`podwire: table ${word} is not modelled`)
  const table = ruleset.peek(name)
  const chains = table === null ? [] : [...table.chains.values()]
  const before = {
    name,
    table,
    chains: chains.map((chain) => ({ chain, rules: [...chain.rules], policy: chain.policy })),
  }
  if (!noflush || table === null) ruleset.replaceTable(name, new Table(name))
  return before
}

function rollBack(ruleset: Ruleset, { name, table, chains }: Before): void {
  if (table !== null) {
    table.chains.clear()
    for (const { chain, rules, policy } of chains) {
      chain.rules = [...rules]
      chain.policy = policy
      table.chains.set(chain.name, chain)
    }
  }
  ruleset.replaceTable(name, table)
}

/** `:CHAIN POLICY [packets:bytes]`. A user-defined chain that exists is emptied. */
function declare(ruleset: Ruleset, table: TableName, text: string): void {
  const [name, policy, counters] = text.split(/\s+/)
  if (name === '' || policy === undefined) throw new NetfilterError('bad line: chain without policy')
  const numbers = counters === undefined ? ['', '0', '0'] : /^\[([0-9]+):([0-9]+)\]$/.exec(counters)
  if (numbers === null) throw new NetfilterError(`invalid policy counters for chain "${name}"`)
  const known = ruleset.table(table).chains.get(name)
  if (known === undefined || known.hook === null) {
    if (policy !== '-') throw new NetfilterError(`Can't set policy "${policy}" on "${name}": it is no built-in chain`)
    if (known === undefined) ruleset.newChain(table, name)
    else ruleset.flush(table, name)
    return
  }
  if (policy === '-') throw new NetfilterError(`built-in chain ${name} needs a policy`)
  ruleset.policy(table, name, policy)
  known.packets = Number(numbers[1])
  known.bytes = Number(numbers[2])
  known.counted = true
}

/** `[packets:bytes] -A CHAIN …` and the other commands of iptables. */
function rule(ruleset: Ruleset, table: TableName, line: string): void {
  const counters = /^\[([0-9]+):([0-9]+)\]\s*/.exec(line)
  const words = splitWords(counters === null ? line : line.slice(counters[0].length))
  if (counters !== null && (words[0] === '-A' || words[0] === '-I')) words.push('-c', counters[1], counters[2])
  if (!editRules(ruleset, table, new Words(words))) throw new NetfilterError(`bad command "${words[0]}"`)
}
