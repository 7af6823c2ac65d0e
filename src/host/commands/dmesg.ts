/** dmesg of util-linux 2.38.1: the kernel's log as the machine keeps it. */
import type { LogRecord } from '../../link/kernel-log.ts'
import type { Nanos } from '../../sim/scheduler.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { DmesgTime, type TimeFormat, timeFormat } from './dmesg-time.ts'
import { notModelled, printed, ToolError, tool } from './ip-words.ts'

export const levelNames: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug']
const facilities = 'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp'.split(' ')

const SHORT = 'CcDdEeF:f:HhJkL:l:n:PprSs:TtuVWwx'
const long: Readonly<Record<string, string>> = {
  buffer: 's:',
  'buffer-size': 's:',
  clear: 'C',
  'console-level': 'n:',
  'console-off': 'D',
  'console-on': 'E',
  ctime: 'T',
  decode: 'x',
  facility: 'f:',
  file: 'F:',
  follow: 'w',
  'follow-new': 'W',
  'force-prefix': 'p',
  help: 'h',
  human: 'H',
  json: 'J',
  kernel: 'k',
  level: 'l:',
  noescape: 'noescape',
  nopager: 'P',
  notime: 't',
  raw: 'r',
  'read-clear': 'c',
  reltime: 'e',
  'show-delta': 'd',
  since: 'since:',
  syslog: 'S',
  'time-format': 'time-format:',
  until: 'until:',
  userspace: 'u',
  version: 'V',
}

/** Options that do not go together, with their long names. */
const exclusive: readonly (readonly string[])[] = [
  ['C', 'D', 'E', 'c', 'n', 'r'],
  ['H', 'r'],
  ['S', 'w'],
  ['T', 'r'],
  ['d', 'r'],
  ['e', 'r'],
  ['r', 'x'],
  ['r', 't'],
]

const HINT = "\nTry 'dmesg --help' for more information."

/** What is printed of each record, and how. */
interface Settings {
  readonly time: TimeFormat
  readonly delta: boolean
  readonly decode: boolean
  readonly raw: boolean
  readonly json: boolean
  readonly escape: boolean
  readonly wants: (record: LogRecord) => boolean
}

export const dmesg = tool(async (self) => {
  const found = getopt(withoutColor(self.args.slice(1)), SHORT, long)
  refuse(found)
  if (has(found, 'h')) throw notModelled('dmesg --help')
  if (has(found, 'V')) return printed(self, 'dmesg from util-linux 2.38.1\n')
  const settings = settingsOf(self, found)
  if (found.rest.length > 0) throw new ToolError(`dmesg: bad usage${HINT}`, 1)
  const log = self.netns.kernelLog
  if (self.place.confined) {
    const what = has(found, 'C') ? 'clear' : 'read'
    throw new ToolError(`dmesg: ${what} kernel buffer failed: Operation not permitted`, 1)
  }
  if (has(found, 'C')) {
    log.clear()
    return 0
  }
  const times = new DmesgTime(settings.time, settings.delta, bootTime(self))
  const known = has(found, 'W') ? [] : log.list().filter(settings.wants)
  if (settings.json) self.out(json(known, settings))
  else for (const record of known) self.out(line(record, settings, times))
  if (has(found, 'c')) log.clear()
  return has(found, 'w') || has(found, 'W') ? follow(self, settings, times) : 0
})

/** Prints each record as it is written, until somebody ends it. */
async function follow(self: Process, settings: Settings, times: DmesgTime): Promise<number> {
  const waiting: LogRecord[] = []
  let wake: ((value: null) => void) | null = null
  const end = self.netns.kernelLog.listen((record) => {
    waiting.push(record)
    wake?.(null)
  })
  self.own({ close: end })
  for (;;) {
    while (waiting.length > 0) {
      const record = waiting.shift() as LogRecord
      if (settings.wants(record)) self.out(line(record, settings, times))
    }
    await self.wait<null>((settle) => {
      wake = settle
      if (waiting.length > 0) settle(null)
    })
  }
}

/** `-L[WHEN]` has a value only if it is attached. Terminals get no colours here, which is `auto` for a pipe. */
function withoutColor(args: readonly string[]): string[] {
  return args.filter((arg) => {
    const color = /^(?:-L=?|--color(?:=|$))(.*)$/.exec(arg)
    if (color === null) return true
    const when = color[1]
    if (when === 'always') throw notModelled('dmesg --color=always')
    if (when !== '' && when !== 'auto' && when !== 'never')
      throw new ToolError(`dmesg: unsupported color mode: '${when}'`, 1)
    return false
  })
}

function refuse(found: Options): void {
  const { problem } = found
  if (problem !== null) {
    const name = problem.option
    const letter = name.startsWith('--') ? null : name.slice(1)
    if (problem.kind === 'unknown') {
      throw new ToolError(
        `dmesg: ${letter === null ? `unrecognized option '${name}'` : `invalid option -- '${letter}'`}${HINT}`,
        1,
      )
    }
    const whose =
      letter === null ? `option '${name}' requires an argument` : `option requires an argument -- '${letter}'`
    throw new ToolError(`dmesg: ${whose}${HINT}`, 1)
  }
  for (const group of exclusive) {
    if (group.filter((name) => has(found, name)).length < 2) continue
    const names = group.map((letter) => `--${longName(letter)}`)
    throw new ToolError(`dmesg: mutually exclusive arguments: ${names.join(' ')}`, 1)
  }
  for (const name of ['F', 'D', 'E', 'since', 'until']) {
    if (has(found, name)) throw notModelled(`dmesg --${longName(name)}`)
  }
}

function longName(name: string): string {
  const known = Object.entries(long).filter(([, short]) => short.replace(':', '') === name)
  return known.at(-1)?.[0] ?? name
}

function settingsOf(self: Process, found: Options): Settings {
  const levels = list(valueOf(found, 'l'), levelNames, 'level')
  const chosen = list(valueOf(found, 'f'), facilities, 'facility')
  if (has(found, 'n')) {
    list(valueOf(found, 'n'), levelNames, 'level')
    throw notModelled('dmesg --console-level')
  }
  const kernel = has(found, 'k')
  const user = has(found, 'u')
  const asked = timeFormat(found)
  if (asked === null) throw new ToolError(`dmesg: unknown time format: ${valueOf(found, 'time-format')}`, 1)
  const [time, shown] = asked
  let delta = shown || has(found, 'd')
  if (delta && time === 'iso') {
    self.err('dmesg: --show-delta is ignored when used together with iso8601 time format\n')
    delta = false
  }
  return {
    time,
    delta,
    decode: has(found, 'x'),
    raw: has(found, 'r'),
    json: has(found, 'J'),
    escape: !has(found, 'noescape'),
    wants: ({ level, facility }) =>
      (levels === null || levels.includes(level)) &&
      (chosen === null || chosen.includes(facility)) &&
      (kernel === user || kernel === (facility === 0)),
  }
}

/** `err,warn`, or numbers; null when the option is not there. */
function list(text: string | null, names: readonly string[], what: string): number[] | null {
  if (text === null) return null
  return text.split(',').map((word) => {
    const number = /^[0-9]+$/.test(word) ? Number(word) : names.indexOf(word)
    if (number < 0 || number >= names.length) throw new ToolError(`dmesg: unknown ${what} '${word}'`, 1)
    return number
  })
}

function line(record: LogRecord, settings: Settings, times: DmesgTime): string {
  const text = settings.escape ? escaped(record.text) : record.text
  // LOG_MAKEPRI without its shift: -r shows facility and level in the same bits.
  if (settings.raw) return `<${record.facility | record.level}>${times.plain(record.time)}${text}\n`
  const who = `${facilities[record.facility].padEnd(6)}:${levelNames[record.level].padEnd(6)}: `
  return `${settings.decode ? who : ''}${times.stamp(record.time)}${text}\n`
}

function escaped(text: string): string {
  return text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, (each) => `\\x${each.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function json(records: readonly LogRecord[], { decode }: Settings): string {
  if (records.length === 0) return ''
  const times = new DmesgTime('time', false, 0)
  const items = records.map((record) => {
    const { facility, level, text } = record
    const names = `         "fac": "${facilities[facility]}",\n         "pri": "${levelNames[level]}",\n`
    const priority = decode ? names : `         "pri": ${facility | level},\n`
    return `${priority}         "time": ${times.seconds(record.time)},\n         "msg": ${JSON.stringify(text)}\n`
  })
  return `{\n   "dmesg": [\n      {\n${items.join('      },{\n')}      }\n   ]\n}\n`
}

/** Milliseconds since 1970 at which the machine started, which is when the world began. */
function bootTime(self: Process): Nanos {
  return self.runner.epochSeconds * 1000
}

const BUSYBOX_USAGE = `BusyBox v1.36.1 multi-call binary.

Usage: dmesg [-cr] [-n LEVEL] [-s SIZE]

Print or control the kernel ring buffer

	-c		Clear ring buffer after printing
	-n LEVEL	Set console logging level
	-s SIZE		Buffer size
	-r		Print raw message buffer`

export const busyboxDmesg = tool(async (self) => {
  const found = getopt(self.args.slice(1), 'crn:s:')
  if (found.problem !== null) {
    const letter = found.problem.option.slice(1)
    const what = found.problem.kind === 'unknown' ? 'invalid option' : 'option requires an argument'
    throw new ToolError(`dmesg: ${what} -- '${letter}'\n${BUSYBOX_USAGE}`, 1)
  }
  if (has(found, 'n')) throw notModelled('dmesg -n')
  if (self.place.confined) throw new ToolError('dmesg: klogctl: Operation not permitted', 1)
  const log = self.netns.kernelLog
  const times = new DmesgTime('time', false, 0)
  for (const { time, facility, level, text } of log.list()) {
    self.out(`${has(found, 'r') ? `<${(facility << 3) | level}>` : ''}${times.plain(time)}${text}\n`)
  }
  if (has(found, 'c')) log.clear()
  return 0
})
