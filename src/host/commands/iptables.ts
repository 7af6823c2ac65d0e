/**
 * iptables, iptables-save and iptables-restore 1.8.9, in front of the namespace's netfilter: the nf_tables variant, and
 * under their own names the legacy one, which has rules of its own.
 */
import { NetfilterError, type TableName } from '../../netfilter/netfilter.ts'
import type { Ruleset } from '../../netfilter/ruleset.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { printed } from './ip-words.ts'

/** Which of the two backends a program serves. */
interface Variant {
  readonly legacy: boolean
  readonly version: string
}
const NFT: Variant = { legacy: false, version: 'v1.8.9 (nf_tables)' }
const LEGACY: Variant = { legacy: true, version: 'v1.8.9 (legacy)' }

function rulesOf(self: Process, { legacy }: Variant): Ruleset {
  const { netfilter } = self.netns
  return legacy ? netfilter.legacy : netfilter.rules
}

/** The nf_tables variant says so when there are tables that it does not show. */
function warn(self: Process, { legacy }: Variant, program: string): void {
  if (legacy || self.netns.netfilter.legacy.list().length === 0) return
  self.err(`# Warning: iptables-legacy tables present, use ${program} to see them\n`)
}

const tables: readonly string[] = ['filter', 'nat', 'mangle', 'raw'] satisfies TableName[]

export const iptables: Program = (self) => run(self, NFT)
export const iptablesLegacy: Program = (self) => run(self, LEGACY)
export const iptablesSave: Program = (self) => save(self, NFT)
export const iptablesLegacySave: Program = (self) => save(self, LEGACY)
export const iptablesRestore: Program = (self) => restore(self, NFT)
export const iptablesLegacyRestore: Program = (self) => restore(self, LEGACY)

const LISTS = /^(-[nvx]*[LS][nvx]*|--list|--list-rules)$/

async function run(self: Process, variant: Variant): Promise<number> {
  const args = self.args.slice(1)
  if (args.includes('-V') || args.includes('--version')) return printed(self, `iptables ${variant.version}\n`)
  try {
    const text = self.netns.netfilter.iptables(args, rulesOf(self, variant))
    if (args.some((word) => LISTS.test(word))) warn(self, variant, 'iptables-legacy')
    return printed(self, text)
  } catch (error) {
    if (!(error instanceof NetfilterError)) throw error
    return fail(self, error, variant.version)
  }
}

function fail(self: Process, { sentence, kind }: NetfilterError, version: string): number {
  const help = "Try `iptables -h' or 'iptables --help' for more information.\n"
  if (sentence.startsWith('podwire:')) {
    self.err(`${sentence}\n`)
    return 2
  }
  switch (kind) {
    case 'kernel':
      self.err(`iptables: ${sentence}\n`)
      return 1
    case 'foreign':
      self.err(`iptables ${version}: ${sentence}`)
      return 1
    case 'batch':
      self.err(`iptables ${version}: ${sentence}\n`)
      return 4
    case 'table':
      self.err(`iptables ${version}: ${sentence}\n`)
      return 3
    case 'bare':
      self.err(`${sentence}\n${help}`)
      return 2
    default:
      self.err(`iptables ${version}: ${sentence}\n${help}`)
      return 2
  }
}

/** How iptables-restore says the same, with the line. */
function failRestore(self: Process, { sentence, kind, line }: NetfilterError, variant: Variant): number {
  const { version, legacy } = variant
  const help = `Error occurred at line: ${line}\nTry \`iptables-restore -h' or 'iptables-restore --help' for more information.\n`
  if (sentence.startsWith('podwire:')) {
    self.err(`${sentence}\nError occurred at line: ${line}\n`)
    return 2
  }
  switch (kind) {
    case 'kernel':
      if (sentence.startsWith('COMMIT')) self.err(`iptables-restore: ${sentence}\n`)
      else self.err(`iptables-restore: line ${line} failed${sentence === '' || legacy ? '' : `: ${sentence}`}\n`)
      return 1
    case 'foreign':
      self.err(`iptables-restore ${version}: ${sentence}\n`)
      return 1
    case 'batch':
      self.err(`iptables-restore ${version}: \nline ${line}:${sentence}\n`)
      return 4
    case 'bare':
      self.err(`${sentence}\n${help}`)
      return 2
    default:
      self.err(`iptables-restore ${version}: ${sentence}\n${help}`)
      return 2
  }
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** ctime(3) in UTC: `Sat Nov 21 08:18:52 2026`. */
export function calendarText(milliseconds: number): string {
  const date = new Date(milliseconds)
  const clock = date.toISOString().slice(11, 19)
  const day = String(date.getUTCDate()).padStart(2)
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${clock} ${date.getUTCFullYear()}`
}

async function save(self: Process, variant: Variant): Promise<number> {
  const { version, legacy } = variant
  const found = getopt(self.args.slice(1), 'ct:M:f:V', {
    counters: 'c',
    table: 't:',
    modprobe: 'M:',
    file: 'f:',
    version: 'V',
  })
  if (found.problem !== null || found.rest.length > 0) {
    const what =
      found.problem === null ? 'Unknown arguments found on commandline' : `unknown option "${found.problem.option}"`
    self.err(`${what}\n`)
    return 1
  }
  if (has(found, 'V')) return printed(self, `iptables-save ${version}\n`)
  const table = valueOf(found, 't')
  if (table === 'security') {
    self.err('podwire: table security is not modelled\n')
    return 2
  }
  if (table !== null && !tables.includes(table)) {
    const why = 'Cannot initialize: Table does not exist (do you need to insmod?)'
    self.err(legacy ? `iptables-save ${version}: ${why}\n` : `Table \`${table}' does not exist\n`)
    return 1
  }
  warn(self, variant, 'iptables-legacy-save')
  const options = {
    counters: has(found, 'c'),
    date: calendarText(self.runner.wallClock),
    ...(table === null ? {} : { table: table as TableName }),
  }
  const text = self.netns.netfilter.save(options, rulesOf(self, variant))
  const file = valueOf(found, 'f')
  if (file === null) self.out(text)
  else self.place.files.set(file, text)
  return 0
}

async function restore(self: Process, variant: Variant): Promise<number> {
  const long = { noflush: 'n', counters: 'c', table: 'T:', test: 't', verbose: 'v', wait: 'w', version: 'V' }
  const found = getopt(self.args.slice(1), 'ncT:tvwVM:', long)
  if (found.problem !== null) {
    self.err(
      `iptables-restore: unrecognized option '${found.problem.option}'\nTry \`iptables-restore -h' for more information.\n`,
    )
    return 1
  }
  if (has(found, 'V')) return printed(self, `iptables-restore ${variant.version}\n`)
  for (const option of ['T', 't']) {
    if (!has(found, option)) continue
    self.err(`podwire: iptables-restore -${option} is not modelled\n`)
    return 2
  }
  const [file] = found.rest
  const text = file === undefined ? await self.stdin.readAll() : self.place.files.get(file)
  if (text === undefined) {
    self.err(`Can't open ${file}: No such file or directory\n`)
    return 1
  }
  try {
    const options = { noflush: has(found, 'n'), counters: has(found, 'c') }
    self.netns.netfilter.restore(text, options, rulesOf(self, variant))
    return 0
  } catch (error) {
    if (!(error instanceof NetfilterError)) throw error
    return failRestore(self, error, variant)
  }
}
