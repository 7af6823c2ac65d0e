/** iptables, iptables-save and iptables-restore 1.8.9 (nf_tables), in front of the namespace's netfilter. */
import { NetfilterError, type TableName } from '../../netfilter/netfilter.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { printed } from './ip-words.ts'

const VERSION = 'v1.8.9 (nf_tables)'
const tables: readonly string[] = ['filter', 'nat', 'mangle', 'raw'] satisfies TableName[]

export const iptables: Program = async (self) => {
  const args = self.args.slice(1)
  if (args.includes('-V') || args.includes('--version')) return printed(self, `iptables ${VERSION}\n`)
  try {
    return printed(self, self.netns.netfilter.iptables(args))
  } catch (error) {
    if (!(error instanceof NetfilterError)) throw error
    return fail(self, error)
  }
}

function fail(self: Process, { sentence, kind }: NetfilterError): number {
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
      self.err(`iptables ${VERSION}: ${sentence}`)
      return 1
    case 'batch':
      self.err(`iptables ${VERSION}: ${sentence}\n`)
      return 4
    case 'table':
      self.err(`iptables ${VERSION}: ${sentence}\n`)
      return 3
    case 'bare':
      self.err(`${sentence}\n${help}`)
      return 2
    default:
      self.err(`iptables ${VERSION}: ${sentence}\n${help}`)
      return 2
  }
}

/** How iptables-restore says the same, with the line. */
function failRestore(self: Process, { sentence, kind, line }: NetfilterError): number {
  const help = `Error occurred at line: ${line}\nTry \`iptables-restore -h' or 'iptables-restore --help' for more information.\n`
  if (sentence.startsWith('podwire:')) {
    self.err(`${sentence}\nError occurred at line: ${line}\n`)
    return 2
  }
  switch (kind) {
    case 'kernel':
      if (sentence.startsWith('COMMIT')) self.err(`iptables-restore: ${sentence}\n`)
      else self.err(`iptables-restore: line ${line} failed${sentence === '' ? '' : `: ${sentence}`}\n`)
      return 1
    case 'batch':
      self.err(`iptables-restore ${VERSION}: \nline ${line}:${sentence}\n`)
      return 4
    case 'bare':
      self.err(`${sentence}\n${help}`)
      return 2
    default:
      self.err(`iptables-restore ${VERSION}: ${sentence}\n${help}`)
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

export const iptablesSave: Program = async (self) => {
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
  if (has(found, 'V')) return printed(self, `iptables-save ${VERSION}\n`)
  const table = valueOf(found, 't')
  if (table === 'security') {
    self.err('podwire: table security is not modelled\n')
    return 2
  }
  if (table !== null && !tables.includes(table)) {
    self.err(`Table \`${table}' does not exist\n`)
    return 1
  }
  const text = self.netns.netfilter.save({
    counters: has(found, 'c'),
    date: calendarText(self.runner.wallClock),
    ...(table === null ? {} : { table: table as TableName }),
  })
  const file = valueOf(found, 'f')
  if (file === null) self.out(text)
  else self.place.files.set(file, text)
  return 0
}

export const iptablesRestore: Program = async (self) => {
  const long = { noflush: 'n', counters: 'c', table: 'T:', test: 't', verbose: 'v', wait: 'w', version: 'V' }
  const found = getopt(self.args.slice(1), 'ncT:tvwVM:', long)
  if (found.problem !== null) {
    self.err(
      `iptables-restore: unrecognized option '${found.problem.option}'\nTry \`iptables-restore -h' for more information.\n`,
    )
    return 1
  }
  if (has(found, 'V')) return printed(self, `iptables-restore ${VERSION}\n`)
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
    self.netns.netfilter.restore(text, { noflush: has(found, 'n'), counters: has(found, 'c') })
    return 0
  } catch (error) {
    if (!(error instanceof NetfilterError)) throw error
    return failRestore(self, error)
  }
}
