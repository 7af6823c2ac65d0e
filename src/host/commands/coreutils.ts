/** The small commands of coreutils and procps, as far as people type them in a lab. */
import { SECOND } from '../../sim/scheduler.ts'
import { exists, isDirectory, isMissing, readFileAt } from '../files.ts'
import { getopt, has, valueOf } from '../getopt.ts'
import { type Process, type Program, SIGTERM } from '../process.ts'
import { joinPath } from '../shell-builtins.ts'
import { isDeaf, signalNamed } from './signals.ts'

/** A file's text, or standard input for `-`; null when there is none, and the command has said so. */
export async function readFile(self: Process, name: string): Promise<string | null> {
  if (name === '-') return self.stdin.readAll()
  const path = joinPath(self.cwd, name)
  const reading = readFileAt(self.place, path)
  if ('text' in reading) return reading.text
  if (isMissing(path)) self.err(`podwire: ${path} is not modelled\n`)
  else self.err(`${self.args[0]}: ${name}: ${reading.refusal}\n`)
  return null
}

/** The option that is missing here, said so; null when all is well. */
export function unknownOption(self: Process, option: string): number {
  self.err(`podwire: ${self.args[0]} ${option} is not modelled\n`)
  return 2
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  a: '\x07',
  e: '\x1b',
  '0': '\0',
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, (whole, letter: string) => escapes[letter] ?? whole)
}

export const echo: Program = async (self) => {
  const words = self.args.slice(1)
  let newline = true
  let escaped = false
  while (/^-[neE]+$/.test(words[0] ?? '')) {
    const flags = words.shift() ?? ''
    if (flags.includes('n')) newline = false
    if (flags.includes('e')) escaped = true
  }
  const text = words.join(' ')
  self.out((escaped ? unescape(text) : text) + (newline ? '\n' : ''))
  return 0
}

export const printf: Program = async (self) => {
  const [format = '', ...values] = self.args.slice(1)
  let next = 0
  const once = () =>
    unescape(format).replace(
      /%(-?0?\d*)(?:\.(\d+))?([sdxcf%])/g,
      (_, width: string, precision: string | undefined, kind: string) => {
        if (kind === '%') return '%'
        const value = values[next++] ?? ''
        const number = Number(value) || 0
        let text = value
        if (kind === 'd') text = String(Math.trunc(number))
        else if (kind === 'x') text = Math.trunc(number).toString(16)
        else if (kind === 'f') text = number.toFixed(precision === undefined ? 6 : Number(precision))
        else if (kind === 'c') text = value.slice(0, 1)
        else if (precision !== undefined) text = value.slice(0, Number(precision))
        const size = Math.abs(Number(width))
        if (width.startsWith('-')) return text.padEnd(size)
        return text.padStart(size, width.startsWith('0') ? '0' : ' ')
      },
    )
  // The format is used again while there are arguments.
  do self.out(once())
  while (next > 0 && next < values.length)
  return 0
}

export const cat: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'n')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  let code = 0
  if (found.rest.length === 0) {
    for (let text = await self.stdin.read(); text !== null; text = await self.stdin.read()) self.out(text)
  }
  for (const name of found.rest) {
    const text = await readFile(self, name)
    if (text === null) code = 1
    else self.out(text)
  }
  return code
}

/** `10`, `0.5`, `3600s`, `5m`, `1h`, `2d`; null for anything else. */
function duration(text: string): number | null {
  if (text === 'infinity') return Number.POSITIVE_INFINITY
  const found = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(text)
  if (found === null) return null
  return Number(found[1]) * ({ '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[found[2]] ?? 1) * SECOND
}

export const sleep: Program = async (self) => {
  const times = self.args.slice(1).map(duration)
  if (times.length === 0) {
    self.err("sleep: missing operand\nTry 'sleep --help' for more information.\n")
    return 1
  }
  const bad = times.indexOf(null)
  if (bad >= 0) {
    self.err(`sleep: invalid time interval ‘${self.args[bad + 1]}’\nTry 'sleep --help' for more information.\n`)
    return 1
  }
  const total = times.reduce<number>((sum, time) => sum + (time ?? 0), 0)
  if (total === Number.POSITIVE_INFINITY) return self.forever()
  await self.sleep(total)
  return 0
}

export const hostname: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'fsidI')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const name = self.place.hostname
  if (has(found, 'I') || has(found, 'i')) {
    const addresses: string[] = []
    for (const device of self.netns.devices.values()) {
      for (const { address, scope } of self.netns.addressesOf(device))
        if (scope === 'global') addresses.push(dotted(address))
    }
    self.out(has(found, 'I') ? `${addresses.join(' ')} \n` : `${addresses[0] ?? ''}\n`)
  } else if (has(found, 's')) self.out(`${name.split('.')[0]}\n`)
  else if (has(found, 'd')) self.out(`${name.split('.').slice(1).join('.')}\n`)
  else self.out(`${name}\n`)
  return 0
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

export const env: Program = async (self) => {
  const words = self.args.slice(1)
  const more: Record<string, string> = {}
  while (words[0]?.includes('=')) {
    const [name, ...value] = (words.shift() ?? '').split('=')
    more[name] = value.join('=')
  }
  if (words.length > 0) return self.run(words, { env: { ...self.env, ...more } })
  for (const [name, value] of Object.entries({ ...self.env, ...more })) self.out(`${name}=${value}\n`)
  return 0
}

export const printenv: Program = async (self) => {
  if (self.args.length === 1) return env(self)
  let code = 0
  for (const name of self.args.slice(1)) {
    if (Object.hasOwn(self.env, name)) self.out(`${self.env[name]}\n`)
    else code = 1
  }
  return code
}

/** `test` and `[`: strings, integers, files. */
export const test: Program = async (self) => {
  const words = self.args.slice(1)
  if (self.args[0] === '[' && words.pop() !== ']') {
    self.err("[: missing ']'\n")
    return 2
  }
  let negated = false
  while (words[0] === '!' && words.length > 1) {
    negated = !negated
    words.shift()
  }
  const joint = words.findIndex((word, index) => index > 0 && (word === '-a' || word === '-o'))
  const truth =
    joint < 0
      ? holds(self, words)
      : words[joint] === '-a'
        ? holds(self, words.slice(0, joint)) && holds(self, words.slice(joint + 1))
        : holds(self, words.slice(0, joint)) || holds(self, words.slice(joint + 1))
  return truth === negated ? 1 : 0
}

function holds(self: Process, words: readonly string[]): boolean {
  const [left = '', operator, right = ''] = words
  if (words.length === 0) return false
  if (words.length === 1) return left !== ''
  if (words.length === 2) {
    if (left === '-z') return operator === ''
    if (left === '-n') return operator !== ''
    const path = joinPath(self.cwd, operator)
    const reading = readFileAt(self.place, path)
    if (left === '-e' || left === '-r') return exists(self.place, path)
    if (left === '-f') return 'text' in reading
    if (left === '-s') return 'text' in reading && reading.text !== ''
    if (left === '-d') return isDirectory(self.place, path)
    return false
  }
  const [a, b] = [Number(left), Number(right)]
  const comparisons: Readonly<Record<string, boolean>> = {
    '=': left === right,
    '==': left === right,
    '!=': left !== right,
    '-eq': a === b,
    '-ne': a !== b,
    '-lt': a < b,
    '-le': a <= b,
    '-gt': a > b,
    '-ge': a >= b,
  }
  return comparisons[operator] ?? false
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Virtual time, in UTC. */
export const date: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'uIR')
  if (found.problem !== null) return unknownOption(self, found.problem.option)
  const now = new Date(self.runner.wallClock)
  const two = (value: number) => String(value).padStart(2, '0')
  const fields: Readonly<Record<string, string>> = {
    Y: String(now.getUTCFullYear()),
    m: two(now.getUTCMonth() + 1),
    d: two(now.getUTCDate()),
    e: String(now.getUTCDate()).padStart(2),
    H: two(now.getUTCHours()),
    M: two(now.getUTCMinutes()),
    S: two(now.getUTCSeconds()),
    a: DAYS[now.getUTCDay()],
    b: MONTHS[now.getUTCMonth()],
    Z: 'UTC',
    z: '+0000',
    s: String(Math.floor(now.getTime() / 1000)),
    N: String(Math.floor(self.now() % SECOND)).padStart(9, '0'),
    '%': '%',
    n: '\n',
  }
  const format = found.rest[0]?.startsWith('+') ? found.rest[0].slice(1) : '%a %b %e %H:%M:%S UTC %Y'
  const whole = format.replaceAll('%F', '%Y-%m-%d').replaceAll('%T', '%H:%M:%S')
  self.out(`${whole.replace(/%(.)/g, (text, letter: string) => fields[letter] ?? text)}\n`)
  return 0
}

export const id: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'ugn')
  self.out(
    has(found, 'u') || has(found, 'g')
      ? has(found, 'n')
        ? 'root\n'
        : '0\n'
      : 'uid=0(root) gid=0(root) groups=0(root)\n',
  )
  return 0
}

export const whoami: Program = async (self) => {
  self.out('root\n')
  return 0
}

export const uname: Program = async (self) => {
  const found = getopt(self.args.slice(1), 'asnrvmpio')
  const name = self.place.hostname
  const parts = ['Linux', name, '6.1.0-podwire', '#1 SMP podwire', 'x86_64']
  if (has(found, 'a')) self.out(`${parts.join(' ')} GNU/Linux\n`)
  else if (has(found, 'r')) self.out(`${parts[2]}\n`)
  else if (has(found, 'n')) self.out(`${name}\n`)
  else if (has(found, 'm')) self.out(`${parts[4]}\n`)
  else self.out('Linux\n')
  return 0
}

export const pwd: Program = async (self) => {
  self.out(`${self.cwd}\n`)
  return 0
}

export const ps: Program = async (self) => {
  self.out('    PID TTY          TIME CMD\n')
  for (const { pid, args } of self.place.processes.values()) {
    self.out(`${String(pid).padStart(7)} ?        00:00:00 ${args.join(' ')}\n`)
  }
  return 0
}

/** BusyBox's layout. */
export const busyboxPs: Program = async (self) => {
  self.out('PID   USER     TIME  COMMAND\n')
  for (const { pid, args } of self.place.processes.values()) {
    self.out(`${String(pid).padStart(5)} root      0:00 ${args.join(' ')}\n`)
  }
  return 0
}

export const kill: Program = async (self) => {
  const words = self.args.slice(1)
  let signal = SIGTERM
  if (words[0]?.startsWith('-') === true) {
    const option = words.shift() ?? ''
    const name = (option === '-s' ? (words.shift() ?? '') : option.slice(1)).replace(/^SIG/, '')
    signal = signalNamed(name) ?? -1
    if (signal < 0) {
      self.err(`kill: invalid signal: ${name}\n`)
      return 1
    }
  }
  let code = 0
  for (const word of words) {
    const process = self.place.processes.get(Number(word))
    if (process !== undefined) {
      if (!isDeaf(self, process, signal)) process.kill(signal)
    } else {
      self.err(`kill: (${word}) - No such process\n`)
      code = 1
    }
  }
  return code
}

export const timeout: Program = async (self) => {
  const found = getopt(self.args.slice(1), 's:k:', { signal: 's:' }, false)
  const [time, ...words] = found.rest
  const limit = duration(time ?? '')
  if (limit === null && words.length > 0) {
    self.err(`timeout: invalid time interval ‘${time}’\nTry 'timeout --help' for more information.\n`)
    return 125
  }
  if (limit === null || words.length === 0) {
    self.err("timeout: missing operand\nTry 'timeout --help' for more information.\n")
    return 125
  }
  const name = (valueOf(found, 's') ?? 'TERM').replace(/^SIG/, '')
  const signal = signalNamed(name) ?? SIGTERM
  let late = false
  const child = self.start(words)
  const timer = self.world.scheduler.call(limit, () => {
    late = true
    child.process.kill(signal)
  })
  const code = await child.exit
  self.world.scheduler.cancel(timer)
  return late ? 124 : code
}

export const which: Program = async (self) => {
  let code = 0
  for (const name of self.args.slice(1)) {
    if (self.place.find(name) === null) code = 1
    else self.out(`/usr/bin/${name}\n`)
  }
  return code
}

/** BusyBox's applet; bash has a word of its own for it. */
export const busyboxTime: Program = async (self) => {
  if (self.args.length < 2) return unknownOption(self, 'without a command')
  const began = self.now()
  const code = await self.run(self.args.slice(1))
  const seconds = (self.now() - began) / SECOND
  const minutes = Math.floor(seconds / 60)
  self.err(`real\t${minutes}m ${(seconds - minutes * 60).toFixed(2)}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n`)
  return code
}
