/** GNU wget's command line. */
import { type Nanos, SECOND } from '../../sim/scheduler.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'

const LONG = {
  quiet: 'q',
  'output-document': 'O:',
  'directory-prefix': 'P:',
  'user-agent': 'U:',
  spider: 'spider',
  timeout: 'T:',
  tries: 't:',
  header: 'header:',
  'post-data': 'post-data:',
  'server-response': 'S',
  'no-verbose': 'nv',
  verbose: 'v',
  'max-redirect': 'max-redirect:',
}

const USAGE = "Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n"

export interface WgetOptions {
  readonly found: Options
  readonly urls: readonly string[]
  /** -q, -nv, and without either. */
  readonly level: 'quiet' | 'brief' | 'verbose'
  readonly spider: boolean
  /** 0: without end. */
  readonly tries: number
  /** Of connecting, and of each read. */
  readonly timeout: Nanos
  readonly redirects: number
}

/** An exit code when the command line is refused, and it was said why. */
export function wgetOptions(self: Process): WgetOptions | number {
  const words = self.args.slice(1).map((word) => (word === '-nv' ? '--no-verbose' : word))
  const found = getopt(words, 'qvO:P:T:t:SU:', LONG)
  if (found.problem !== null) {
    self.err(`podwire: wget ${found.problem.option} is not modelled\n`)
    return 2
  }
  const timeout = valueOf(found, 'T')
  if (timeout !== null && !/^(\d+\.?\d*|\.\d+)$/.test(timeout)) {
    self.err(`wget: --timeout: Invalid time period ‘${timeout}’\n`)
    return 2
  }
  if (found.rest.length === 0) {
    self.err(`wget: missing URL\n${USAGE}`)
    return 1
  }
  const tries = valueOf(found, 't') ?? '20'
  return {
    found,
    urls: found.rest,
    level: has(found, 'q') ? 'quiet' : has(found, 'nv') ? 'brief' : 'verbose',
    spider: has(found, 'spider'),
    tries: tries === 'inf' ? 0 : Number.parseInt(tries, 10) || 0,
    timeout: (Number(timeout ?? 0) || 900) * SECOND,
    redirects: Number(valueOf(found, 'max-redirect') ?? 20),
  }
}
