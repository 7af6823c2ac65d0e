/**
 * watch (procps 4.0.2, BusyBox): a command again and again. On a terminal each round clears the screen, as the real
 * one does; where there is none, rounds follow each other with an empty line between them.
 */
import { SECOND } from '../../sim/scheduler.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process, Program } from '../process.ts'
import { unknownOption } from './coreutils.ts'

const LONG = {
  interval: 'n:',
  'no-title': 't',
  chgexit: 'g',
  errexit: 'e',
  exec: 'x',
  beep: 'b',
  precise: 'p',
  differences: 'd',
}
const USAGE = `
Usage:
 watch [options] command

Options:
  -b, --beep             beep if command has a non-zero exit
  -c, --color            interpret ANSI color and style sequences
  -d, --differences[=<permanent>]
                         highlight changes between updates
  -e, --errexit          exit if command has a non-zero exit
  -g, --chgexit          exit when output from command changes
  -q, --equexit <cycles>
                         exit when output from command does not change
  -n, --interval <secs>  seconds to wait between updates
  -p, --precise          attempt run command in precise intervals
  -t, --no-title         turn off header
  -w, --no-wrap          turn off line wrapping
  -x, --exec             pass command to exec instead of "sh -c"

 -h, --help     display this help and exit
 -v, --version  output version information and exit

For more details see watch(1).
`
/** Of a terminal nobody has resized. */
const COLUMNS = 80
const CLEAR = '\x1b[H\x1b[J'

export const watch: Program = (self) => watched(self, 'procps')
export const busyboxWatch: Program = (self) => watched(self, 'busybox')

async function watched(self: Process, style: 'procps' | 'busybox'): Promise<number> {
  const found = getopt(
    self.args.slice(1),
    style === 'procps' ? 'n:tgexbpd' : 'n:t',
    style === 'procps' ? LONG : {},
    false,
  )
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  if (has(found, 'd')) return unknownOption(self, '-d')
  if (found.rest.length === 0) {
    self.err(USAGE)
    return 1
  }
  const text = valueOf(found, 'n') ?? '2'
  if (!/^(\d+\.?\d*|[.,]\d+)$/.test(text)) {
    self.err(`watch: failed to parse argument: '${text}': Invalid argument\n`)
    return 1
  }
  const interval = Math.max(Number(text), style === 'procps' ? 0.1 : 1)
  return rounds(self, found, interval, style)
}

async function rounds(self: Process, found: Options, interval: number, style: 'procps' | 'busybox'): Promise<number> {
  const line = found.rest.join(' ')
  let before: string | null = null
  for (;;) {
    if (self.tty) self.out(CLEAR)
    else if (before !== null) self.out('\n')
    if (!has(found, 't')) self.out(`${title(self, interval, line, style)}\n\n`)
    let shown = ''
    const keep = (more: string) => {
      shown += more
      self.out(more)
    }
    const io = { out: keep, err: keep, stdin: '' }
    const began = self.now()
    const code = await (has(found, 'x') ? self.run(found.rest, io) : self.shell(line, io))
    if (code !== 0 && has(found, 'e')) return code
    if (has(found, 'g') && before !== null && before !== shown) return 0
    before = shown
    // -p counts from the round's beginning.
    const spent = has(found, 'p') ? self.now() - began : 0
    await self.sleep(Math.max(Math.round(interval * SECOND) - spent, 0))
  }
}

/** What is watched on the left, where and when on the right. */
function title(self: Process, interval: number, line: string, style: 'procps' | 'busybox'): string {
  const now = new Date(self.runner.wallClock)
  const left = `Every ${interval.toFixed(1)}s: `
  if (style === 'busybox') {
    const stamp = now.toISOString().slice(0, 19).replace('T', ' ')
    return `${(left + line).slice(0, COLUMNS - stamp.length).padEnd(COLUMNS - stamp.length)}${stamp}`
  }
  const right = `${self.place.hostname}: ${clock(now)}`
  // Two columns stay free before it.
  const room = COLUMNS - left.length - right.length - 2
  const shown = line.length <= room ? line : `${line.slice(0, Math.max(room - 3, 0))}...`
  return `${(left + shown).padEnd(COLUMNS - right.length)}${right}`
}

/** ctime(3): `Thu Jan  1 00:00:00 2026`. */
function clock(time: Date): string {
  const [day, date, month, year, hour] = time.toUTCString().replace(',', '').split(' ')
  return `${day} ${month} ${String(Number(date)).padStart(2)} ${hour} ${year}`
}
