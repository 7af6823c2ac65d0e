/** The iptables command line: `iptables -t nat -A PREROUTING … `, everything but printing to a terminal. */
import { NetfilterError } from './error.ts'
import { type TableName, tableNames } from './hook.ts'
import type { ListOptions } from './rule-text.ts'
import type { Ruleset } from './ruleset.ts'
import { list, saveCommands } from './save.ts'
import { parseNumber, Words } from './words.ts'

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
      const place = isNumber(words.peek()) ? Number(words.next()) : 1
      ruleset.insert(table, chain, place, rest(words))
      break
    }
    case '-R': {
      const chain = words.value(option)
      ruleset.replace(table, chain, parseNumber(words.value(option), option, 1), rest(words))
      break
    }
    case '-D': {
      const chain = words.value(option)
      if (isNumber(words.peek())) ruleset.deleteAt(table, chain, Number(words.next()))
      else ruleset.delete(table, chain, rest(words))
      break
    }
    case '-C':
      if (!ruleset.has(table, words.value(option), rest(words))) {
        throw new NetfilterError('Bad rule (does a matching rule exist in that chain?).')
      }
      break
    case '-F':
      ruleset.flush(table, optional(words))
      break
    case '-Z':
      ruleset.zero(table, optional(words))
      break
    case '-N':
      ruleset.newChain(table, words.value(option))
      break
    case '-X':
      ruleset.deleteChain(table, optional(words))
      break
    case '-E':
      ruleset.renameChain(table, words.value(option), words.value(option))
      break
    case '-P':
      ruleset.policy(table, words.value(option), words.value(option))
      break
    default:
      return false
  }
  if (words.left) throw new NetfilterError(`Bad argument "${words.peek()}"`)
  return true
}

/**
 * Does what `iptables` does with these arguments (the command's own name is not among them) and returns what it
 * prints. @throws NetfilterError; iptables would print `iptables: ` and its sentence, and exit with 1 (2 for usage).
 */
export function iptables(ruleset: Ruleset, args: readonly string[]): string {
  const options: ListOptions = {}
  let table: TableName = 'filter'
  const words: string[] = []
  for (let i = 0; i < args.length; i++) {
    const word = args[i]
    if (word === '-t' || word === '--table') {
      const name = tableNames.find((known) => known === args[i + 1])
      if (name === undefined) throw new NetfilterError(`podwire: table ${args[i + 1]} is not modelled`)
      table = name
      i++
    } else if (word === '-w' || word === '--wait') {
      // Waiting for the lock: there is nobody to wait for.
      if (isNumber(args[i + 1] ?? '')) i++
    } else if (word === '--line-numbers') options.lineNumbers = true
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
    if (cursor.left) throw new NetfilterError(`Bad argument "${cursor.peek()}"`)
    if (command === '-L') return list(ruleset, table, chain, options)
    return saveCommands(ruleset, table, chain, number, options.verbose === true)
  }
  if (!editRules(ruleset, table, cursor)) throw new NetfilterError(`unknown option "${words[0]}"`)
  return ''
}
