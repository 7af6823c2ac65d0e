/** pgrep, pkill and uptime (procps 4.0.2), over the processes of a place. */
import { MILLISECOND, SECOND } from '../../sim/scheduler.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import { type Process, type Program, SIGTERM } from '../process.ts'
import { unknownOption } from './coreutils.ts'
import { isDeaf, signalNamed } from './signals.ts'

const LETTERS = 'flavcxinod:e'
const LONG = {
  full: 'f',
  'list-name': 'l',
  'list-full': 'a',
  inverse: 'v',
  count: 'c',
  exact: 'x',
  'ignore-case': 'i',
  newest: 'n',
  oldest: 'o',
  delimiter: 'd:',
  echo: 'e',
}

/** All of /proc is read, file by file. */
const READING_PROC = MILLISECOND

/** TASK_COMM_LEN without its last byte: what the kernel keeps of a name. */
const COMM = 15

function nameOf(process: Process): string {
  const [path = ''] = process.args
  return path.slice(path.lastIndexOf('/') + 1).slice(0, COMM)
}

/**
 * Who is meant, in the order of PIDs. What a line is typed into is a shell of its own here (`sh -c LINE`) where a person's
 * would be one that waits: whoever started this command is never meant.
 */
function matching(self: Process, found: Options, pattern: string): Process[] | null {
  let wanted: RegExp
  try {
    wanted = new RegExp(has(found, 'x') ? `^(?:${pattern})$` : pattern, has(found, 'i') ? 'i' : '')
  } catch {
    return null
  }
  const others = [...self.place.processes.values()].filter((each) => each !== self && !each.isAncestorOf(self))
  const text = (each: Process) => (has(found, 'f') ? each.args.join(' ') : nameOf(each))
  const list = others.filter((each) => wanted.test(text(each)) !== has(found, 'v')).sort((a, b) => a.pid - b.pid)
  if (has(found, 'n')) return list.slice(-1)
  return has(found, 'o') ? list.slice(0, 1) : list
}

/** The processes that the command line names; an exit code when it is refused. */
async function select(self: Process, words: readonly string[]): Promise<{ found: Options; list: Process[] } | number> {
  const name = self.args[0]
  const found = getopt(words, LETTERS, LONG)
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const [pattern, more] = found.rest
  const refusal =
    pattern === undefined
      ? 'no matching criteria specified'
      : more !== undefined
        ? 'only one pattern can be provided'
        : null
  if (refusal !== null) {
    self.err(`${name}: ${refusal}\nTry \`${name} --help' for more information.\n`)
    return 2
  }
  await self.sleep(READING_PROC)
  const list = matching(self, found, pattern)
  if (list !== null) return { found, list }
  self.err(`${name}: Unmatched [, [^, [:, [., or [=\n`)
  return 2
}

export const pgrep: Program = async (self) => {
  const selected = await select(self, self.args.slice(1))
  if (typeof selected === 'number') return selected
  const { found, list } = selected
  if (has(found, 'c')) self.out(`${list.length}\n`)
  else if (list.length > 0) {
    const line = (each: Process) => {
      if (has(found, 'a')) return `${each.pid} ${each.args.join(' ')}`
      return has(found, 'l') ? `${each.pid} ${nameOf(each)}` : String(each.pid)
    }
    self.out(`${list.map(line).join(valueOf(found, 'd') ?? '\n')}\n`)
  }
  return list.length > 0 ? 0 : 1
}

export const pkill: Program = async (self) => {
  let signal: number | null = SIGTERM
  const words = self.args.slice(1)
  const at = words.findIndex((word) => /^-(\d+|[A-Z][A-Z0-9]+)$/.test(word))
  if (at >= 0) {
    signal = signalNamed(words[at].slice(1))
    words.splice(at, 1)
    if (signal === null) return unknownOption(self, self.args[at + 1])
  }
  const selected = await select(self, words)
  if (typeof selected === 'number') return selected
  const { found, list } = selected
  for (const process of list) {
    if (!isDeaf(self, process, signal)) process.kill(signal)
    if (has(found, 'e')) self.out(`${nameOf(process)} killed (pid ${process.pid})\n`)
  }
  if (has(found, 'c')) self.out(`${list.length}\n`)
  return list.length > 0 ? 0 : 1
}

/** Since the world began; nobody is logged in, and programs use no processor. */
export const uptime: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'ps', { pretty: 'p', since: 's' })
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const seconds = Math.floor(self.now() / SECOND)
  const now = new Date(self.runner.wallClock)
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3600) % 24
  const minutes = Math.floor(seconds / 60) % 60
  if (has(found, 's')) {
    self.out(`${new Date(now.getTime() - seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}\n`)
    return 0
  }
  if (has(found, 'p')) {
    const part = (count: number, unit: string) => (count === 0 ? [] : [`${count} ${unit}${count === 1 ? '' : 's'}`])
    self.out(
      `up ${[...part(days, 'day'), ...part(hours, 'hour'), ...part(minutes, 'minute')].join(', ') || '0 minutes'}\n`,
    )
    return 0
  }
  const passed = hours > 0 ? `${String(hours).padStart(2)}:${String(minutes).padStart(2, '0')}` : `${minutes} min`
  const whole = days > 0 ? `${days} ${days === 1 ? 'day' : 'days'}, ${passed}` : passed
  self.out(` ${now.toISOString().slice(11, 19)} up ${whole},  0 user,  load average: 0.00, 0.00, 0.00\n`)
  return 0
}
