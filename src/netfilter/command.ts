/** The iptables command line: `iptables -t nat -A PREROUTING … `, everything but printing to a terminal. */
import { settleCounters } from '../link/account.ts'
import { NetfilterError } from './error.ts'
import { hookNames, type TableName, tableHooks, tableNames } from './hook.ts'
import type { ListOptions } from './rule-text.ts'
import type { Ruleset } from './ruleset.ts'
import { list, saveCommands } from './save.ts'
import { Words } from './words.ts'

const long: Readonly<Record<string, string>> = {
  '--append': '-A',
  '--check': '-C',
  '--delete': '-D',
  '--insert': '-I',
  '--replace': '-R',
  '--list': '-L',
  '--list-rules': '-S',
  '--flush': '-F',
  '--zero': '-Z',
  '--new-chain': '-N',
  '--new': '-N',
  '--delete-chain': '-X',
  '--rename-chain': '-E',
  '--policy': '-P',
}

const commands: readonly string[] = ['-A', '-I', '-R', '-D', '-C', '-L', '-S', '-F', '-Z', '-N', '-X', '-E', '-P']

/** Options whose value may look like an option of the command itself. */
const valued: readonly string[] = ['--comment', '--log-prefix', '--nflog-prefix', '-N', '-E']

function stray(words: Words): NetfilterError {
  const word = words.peek()
  return word.startsWith('-')
    ? new NetfilterError(`unknown option "${word}"`)
    : new NetfilterError(`Bad argument \`${word}'`, 'bare')
}

export function noTable(name: string | undefined, legacy: boolean): NetfilterError {
  if (name === undefined) return new NetfilterError('option "-t" requires an argument')
  if (name === 'security') return new NetfilterError('podwire: table security is not modelled')
  if (legacy) {
    return new NetfilterError(
      `can't initialize iptables table \`${name}': Table does not exist (do you need to insmod?)\n` +
        'Perhaps iptables or your kernel needs to be upgraded.',
      'table',
    )
  }
  return new NetfilterError(
    `table '${name}' does not exist\nPerhaps iptables or your kernel needs to be upgraded.`,
    'table',
  )
}

function builtIn(table: TableName, name: string): boolean {
  return tableHooks[table].some((hook) => hookNames[hook] === name)
}

/** Counts from 1. */
function ruleNumber(text: string, option = ''): number {
  if (option !== '' && !isNumber(text)) throw new NetfilterError(`${option} requires a rule number`)
  if (Number(text) < 1) throw new NetfilterError(`Invalid rule number \`${text}'`)
  return Number(text)
}

function rest(words: Words): string[] {
  const all: string[] = []
  while (words.left) all.push(words.next())
  return all
}

/** A chain's name, unless an option follows. */
function optional(words: Words): string | null {
  return words.left && !words.peek().startsWith('-') ? words.next() : null
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text)
}

/** Does a command that changes rules; false when the first word is no such command. */
export function editRules(ruleset: Ruleset, table: TableName, words: Words): boolean {
  const word = words.next()
  const command = long[word] ?? word
  const option = word
  switch (command) {
    case '-A':
      ruleset.append(table, words.value(option), rest(words))
      break
    case '-I': {
      const chain = words.value(option)
      const place = isNumber(words.peek()) ? ruleNumber(words.next()) : 1
      ruleset.insert(table, chain, place, rest(words))
      break
    }
    case '-R': {
      const chain = words.value(option)
      ruleset.replace(table, chain, ruleNumber(words.next(), option), rest(words))
      break
    }
    case '-D': {
      const chain = words.value(option)
      if (isNumber(words.peek())) ruleset.deleteAt(table, chain, ruleNumber(words.next()))
      else ruleset.delete(table, chain, rest(words))
      break
    }
    case '-C':
      if (!ruleset.has(table, words.value(option), rest(words))) {
        throw new NetfilterError('Bad rule (does a matching rule exist in that chain?).', 'kernel')
      }
      break
    case '-F':
      ruleset.flush(table, optional(words))
      break
    case '-Z':
      ruleset.zero(table, optional(words), isNumber(words.peek()) ? ruleNumber(words.next()) : null)
      break
    case '-N':
      ruleset.newChain(table, words.value(option))
      break
    case '-X':
      ruleset.deleteChain(table, optional(words))
      break
    case '-E':
      {
        const chain = words.value(option)
        if (!words.left) throw new NetfilterError('-E requires old-chain-name and new-chain-name')
        ruleset.renameChain(table, chain, words.next())
      }
      break
    case '-P':
      {
        const chain = words.value(option)
        if (!words.left) throw new NetfilterError('-P requires a chain and a policy')
        ruleset.policy(table, chain, words.next())
      }
      break
    default:
      return false
  }
  if (words.left) throw stray(words)
  return true
}

/**
 * Does what `iptables` does with these arguments (the command's own name is not among them) and returns what it
 * prints. @throws NetfilterError; iptables would print `iptables: ` and its sentence, and exit with 1 (2 for usage).
 */
export function iptables(ruleset: Ruleset, args: readonly string[]): string {
  settleCounters()
  const options: ListOptions = {}
  let table: TableName = 'filter'
  const words: string[] = []
  for (let i = 0; i < args.length; i++) {
    const word = args[i]
    if (word === '-t' || word === '--table') {
      const name = tableNames.find((known) => known === args[i + 1])
      if (name === undefined) throw noTable(args[i + 1], ruleset.legacy)
      table = name
      i++
    } else if (word === '-w' || word === '--wait') {
      // Waiting for the lock: there is nobody to wait for.
      if (isNumber(args[i + 1] ?? '')) i++
    } else if (/^(-w|--wait=)[0-9]+$/.test(word) || word === '-4' || word === '--ipv4') continue
    else if (word === '--line-numbers') options.lineNumbers = true
    else if (valued.includes(args[i - 1] ?? '')) words.push(word)
    else if (word === '--numeric') options.numeric = true
    else if (word === '--verbose') options.verbose = true
    else if (word === '--exact') options.exact = true
    else if (/^-[nvxLSFZ]{2,}$/.test(word) || word === '-n' || word === '-v' || word === '-x') {
      for (const letter of word.slice(1)) {
        if (letter === 'n') options.numeric = true
        else if (letter === 'v') options.verbose = true
        else if (letter === 'x') options.exact = true
        else words.push(`-${letter}`)
      }
    } else words.push(word)
  }
  const command = long[words[0]] ?? words[0]
  if (command === undefined) throw new NetfilterError('no command specified')
  const cursor = new Words(words)
  if (command === '-L' || command === '-S') {
    cursor.next()
    const chain = optional(cursor)
    const number = isNumber(cursor.peek()) ? Number(cursor.next()) : null
    const follower = long[cursor.peek()] ?? cursor.peek()
    if (follower === '-Z') cursor.next()
    else if (commands.includes(follower)) throw new NetfilterError(`Cannot use ${follower} with ${command}`)
    if (cursor.left) throw stray(cursor)
    if (
      !ruleset.legacy &&
      chain !== null &&
      ruleset.peek(table)?.chains.has(chain) !== true &&
      !builtIn(table, chain)
    ) {
      throw new NetfilterError(`chain \`${chain}' in table \`${table}' is incompatible, use 'nft' tool.\n`, 'foreign')
    }
    if (command === '-L') {
      const text = list(ruleset, table, chain, options, number)
      if (follower === '-Z') ruleset.zero(table, chain, number)
      return text
    }
    return saveCommands(ruleset, table, chain, number, options.verbose === true)
  }
  if (!words[0].startsWith('-')) throw stray(cursor)
  const illegal = options.numeric === true ? '-n' : options.exact === true ? '-x' : null
  if (illegal !== null && commands.includes(command)) {
    throw new NetfilterError(`Illegal option \`${illegal}' with this command`)
  }
  if (!editRules(ruleset, table, cursor)) throw new NetfilterError(`unknown option "${words[0]}"`)
  return ''
}
