/** iptables-restore: tables from text, each as a whole or not at all. */
import { settleCounters } from '../link/account.ts'
import type { Chain, Rule, Table } from './chain.ts'
import { editRules, noTable } from './command.ts'
import { NetfilterError } from './error.ts'
import { type TableName, tableNames, type Verdict } from './hook.ts'
import type { Ruleset } from './ruleset.ts'
import { splitWords, Words } from './words.ts'

export interface RestoreOptions {
  /** Keep the chains and rules that the text does not name. */
  noflush?: boolean
  /** False: the counters in the text are not taken over, as without -c. */
  counters?: boolean
}

/** How a table was before the text began to change it. */
interface Before {
  readonly name: TableName
  readonly table: Table | null
  readonly noflush: boolean
  /** Chains that the text has named so far. */
  readonly declared: Set<string>
  /** What the policies have counted is set last. */
  readonly counts: (() => void)[]
  readonly chains: readonly { readonly chain: Chain; readonly rules: readonly Rule[]; readonly policy: Verdict }[]
}

/** @throws NetfilterError with the line; the table on that line and those behind it are then as they were. */
export function restore(ruleset: Ruleset, text: string, options: RestoreOptions = {}): void {
  settleCounters()
  const lines = text.split('\n')
  const counted = options.counters !== false
  let before: Before | null = null
  let at = 0
  try {
    if (ruleset.legacy && ruleset.list().length === 0) register(ruleset, lines)
    for (const raw of lines) {
      at++
      const line = raw.trim()
      if (line === '' || line.startsWith('#')) continue
      if (line.startsWith('*')) {
        if (before !== null) throw new NetfilterError(`Bad argument \`${line}'`, 'bare')
        before = begin(ruleset, line.slice(1).trim(), at, options.noflush === true)
      } else if (before === null) throw new NetfilterError('', 'kernel')
      else if (line === 'COMMIT') {
        for (const count of before.counts) count()
        before = null
      } else if (line.startsWith(':')) declare(ruleset, before, line.slice(1), counted, at)
      else rule(ruleset, before.name, line, at, counted)
    }
    if (before !== null) throw new NetfilterError(`COMMIT expected at line ${at}`, 'kernel')
  } catch (error) {
    if (before !== null) rollBack(ruleset, before)
    // x_tables' kernel is asked about a whole table at once.
    if (ruleset.legacy && error instanceof NetfilterError && byKernel(error)) error.at(nextCommit(lines, at))
    throw error instanceof NetfilterError ? error.at(at) : error
  }
}

function begin(ruleset: Ruleset, word: string, line: number, noflush: boolean): Before {
  const name = tableNames.find((known) => known === word)
  if (name === undefined) {
    if (word === 'security') throw noTable(word, ruleset.legacy)
    if (ruleset.legacy) throw new NetfilterError(`iptables-restore: unable to initialize table '${word}'`)
    throw new NetfilterError(`iptables-restore: line ${line} table name '${word}' invalid`)
  }
  const table = ruleset.peek(name)
  const chains = table === null ? [] : [...table.chains.values()]
  const before = {
    name,
    table,
    noflush,
    declared: new Set<string>(),
    counts: [],
    chains: chains.map((chain) => ({ chain, rules: [...chain.rules], policy: chain.policy })),
  }
  if (!noflush || table === null) ruleset.replaceTable(name, ruleset.makeTable(name))
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

/**
 * A dump's tables are there on the node that it came from. In a namespace that never used x_tables they are made so
 * that they are listed in the dump's order, the youngest first.
 */
function register(ruleset: Ruleset, lines: readonly string[]): void {
  const named = lines.filter((line) => line.startsWith('*')).map((line) => line.slice(1).trim())
  for (const word of named.reverse()) {
    const name = tableNames.find((known) => known === word)
    if (name !== undefined) ruleset.table(name)
  }
}

function byKernel({ sentence }: NetfilterError): boolean {
  return sentence.startsWith('Invalid argument.') || sentence.startsWith('Too many levels')
}

/** The number of the line that ends the table. */
function nextCommit(lines: readonly string[], at: number): number {
  const behind = lines.slice(at).findIndex((line) => line.trim() === 'COMMIT')
  return behind < 0 ? at : at + behind + 1
}

/** `:CHAIN POLICY [packets:bytes]`. A user-defined chain that exists is emptied. */
function declare(ruleset: Ruleset, before: Before, text: string, counted: boolean, line: number): void {
  const { name: table, declared, noflush } = before
  const [name, policy, counters] = text.split(/\s+/)
  const numbers = /^\[([0-9]+):([0-9]+)\]$/.exec(counted ? (counters ?? '') : '') ?? ['', '0', '0']
  const known = ruleset.table(table).chains.get(name)
  if (known === undefined || known.hook === null) {
    if (ruleset.legacy && known !== undefined && (!noflush || declared.has(name))) {
      throw new NetfilterError(`error creating chain '${name}':File exists`)
    }
    declared.add(name)
    if (known === undefined) ruleset.newChain(table, name)
    else ruleset.flush(table, name)
    return
  }
  if (policy === undefined) {
    if (ruleset.legacy) throw new NetfilterError(`iptables-restore: line ${line} policy invalid`)
    throw new NetfilterError('', 'kernel')
  }
  if (policy !== '-') {
    if (ruleset.legacy && policy !== 'ACCEPT' && policy !== 'DROP') {
      throw new NetfilterError(`Can't set policy \`${policy}' on \`${name}' line ${line}: Bad policy name`, 'foreign')
    }
    if (policy !== 'ACCEPT' && policy !== 'DROP') throw new NetfilterError('Bad policy name.', 'kernel')
    ruleset.policy(table, name, policy)
  }
  before.counts.push(() => {
    known.packets = Number(numbers[1])
    known.bytes = Number(numbers[2])
  })
  known.counted = true
}

/** `[packets:bytes] -A CHAIN …` and the other commands of iptables. */
function rule(ruleset: Ruleset, table: TableName, line: string, at: number, counted: boolean): void {
  if (line.startsWith('-A ') && ruleset.appendKnown(table, line)) return
  const counters = /^\[([0-9]+):([0-9]+)\]\s*/.exec(line)
  if (counters === null && line.startsWith('[')) throw new NetfilterError(`Bad line ${at}: need ]`)
  const words = splitWords(counters === null ? line : line.slice(counters[0].length))
  if (counted && counters !== null && (words[0] === '-A' || words[0] === '-I'))
    words.push('-c', counters[1], counters[2])
  if (words[0] === '-t' || words[0] === '--table') {
    throw new NetfilterError('The -t option cannot be used in iptables-restore.\n')
  }
  const known = words[0] === '-A' ? ruleset.peek(table)?.chains.get(words[1]) : undefined
  const length = known?.rules.length ?? 0
  if (!editRules(ruleset, table, new Words(words))) {
    if (!words[0]?.startsWith('-')) throw new NetfilterError(`Bad argument \`${words[0] ?? ''}'`, 'bare')
    throw new NetfilterError(`unknown option "${words[0]}"`)
  }
  // With several addresses or counters of its own a line is another thing than one rule.
  const one = known !== undefined && known.rules.length === length + 1
  if (one && !words.includes('-c') && !words.includes('--set-counters')) ruleset.learn(table, line, known)
}
