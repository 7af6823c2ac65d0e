/** The command line of conntrack(8) 1.4.7: which options there are, and which command takes which. */
import { ToolError } from './ip-words.ts'

export const NAME = 'conntrack v1.4.7 (conntrack-tools)'

/** Letters of commands, and how they are spelled in full. */
const commands: Readonly<Record<string, string>> = {
  L: 'dump',
  I: 'create',
  A: 'add',
  U: 'update',
  D: 'delete',
  G: 'get',
  F: 'flush',
  E: 'event',
  C: 'count',
  S: 'stats',
  V: 'version',
  h: 'help',
}

/** Options by letter, in the order in which their legality is judged. `own`: letters that getopt does not know. */
const order = 's d r q p t u z e [ ] { } m i f n g o c b j w l < > ( )'.split(' ')
const longNames: Readonly<Record<string, readonly string[]>> = {
  s: ['src', 'orig-src'],
  d: ['dst', 'orig-dst'],
  r: ['reply-src'],
  q: ['reply-dst'],
  p: ['protonum'],
  t: ['timeout'],
  u: ['status'],
  z: ['zero'],
  e: ['event-mask'],
  '[': ['tuple-src'],
  ']': ['tuple-dst'],
  '{': ['mask-src'],
  '}': ['mask-dst'],
  m: ['mark'],
  i: ['id'],
  f: ['family'],
  n: ['src-nat'],
  g: ['dst-nat'],
  j: ['any-nat'],
  o: ['output'],
  c: ['secmark'],
  b: ['buffer-size'],
  w: ['zone'],
  l: ['label'],
  '<': ['label-add'],
  '>': ['label-del'],
  '(': ['orig-zone'],
  ')': ['reply-zone'],
}
const OPTIONAL = 'ngj'
const BARE = 'z'

/** What each command does not take. */
const illegal: Readonly<Record<string, string>> = {
  L: 'teib[]',
  I: 'zeji[]{}ocb',
  A: 'zeji[]{}ocb',
  U: 'zejcbw()[]',
  D: 'zejcb[]',
  G: 'tuzemnfgjcbw()[]{}',
  E: 'tuzi[]',
  F: 'sdrqptuzemngjocbwi()[]{}',
  C: 'sdrqptuzemfngjocbwi()[]{}',
  S: 'sdrqptuzemfngjocbwi()[]{}',
  V: '',
  h: '',
}

const ports: readonly string[] = [
  'sport',
  'dport',
  'orig-port-src',
  'orig-port-dst',
  'reply-port-src',
  'reply-port-dst',
]
/** The options that -p brings along. */
const ownOptions: Readonly<Record<number, readonly string[]>> = {
  1: ['icmp-type', 'icmp-code', 'icmp-id'],
  6: [...ports, 'state'],
  17: ports,
}
const aliases: Readonly<Record<string, string>> = { 'orig-port-src': 'sport', 'orig-port-dst': 'dport' }
const protocols: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17 }
const foreign: readonly string[] = ['gre', 'sctp', 'dccp', 'udplite', 'icmpv6']

export interface Given {
  readonly command: string
  readonly table: string
  /** By letter, or by the long name of an option that the protocol brought along. */
  readonly options: ReadonlyMap<string, string>
  /** Null without -p. */
  readonly protocol: number | null
}

export function usage(sentence: string): ToolError {
  return new ToolError(`${NAME}: ${sentence}\nTry \`conntrack -h' or 'conntrack --help' for more information.`, 2)
}

export function notModelled(what: string): ToolError {
  return new ToolError(`podwire: conntrack ${what} is not modelled`, 2)
}

/** Null when there are no arguments at all: conntrack shows its help then. */
export function readOptions(args: readonly string[]): Given | null {
  const reader = new Reader(args)
  const { command, options, protocol, rest } = reader
  if (command === null) return null
  const tables = ['conntrack', 'expect', 'dying', 'unconfirmed']
  const table = rest[0] ?? 'conntrack'
  if (!tables.includes(table)) throw usage(`unknown type \`${table}'`)
  const given = { command, table, options, protocol }
  judge(given)
  return given
}

class Reader {
  command: string | null = null
  protocol: number | null = null
  readonly options = new Map<string, string>()
  readonly rest: string[] = []
  #args: readonly string[]
  #at = 0

  constructor(args: readonly string[]) {
    this.#args = args
    while (this.#at < args.length) {
      const word = args[this.#at++]
      if (word.startsWith('--') && word.length > 2) this.#long(word)
      else if (word.startsWith('-') && word.length > 1) this.#short(word)
      else this.rest.push(word)
    }
  }

  #short(word: string): void {
    for (let i = 1; i < word.length; i++) {
      const letter = word[i]
      if (Object.hasOwn(commands, letter)) this.#begin(letter)
      else if (!/[a-z]/.test(letter) || !Object.hasOwn(longNames, letter)) throw usage(`unknown option \`-${letter}'`)
      else if (BARE.includes(letter)) this.#take(letter, '')
      else {
        const joined = word.slice(i + 1)
        this.#take(letter, joined === '' ? this.#value(letter, `-${letter}`) : joined)
        return
      }
    }
  }

  #long(word: string): void {
    const equals = word.indexOf('=')
    const name = word.slice(2, equals < 0 ? undefined : equals)
    const own = this.protocol === null ? [] : (ownOptions[this.protocol] ?? [])
    const known = new Map<string, string>()
    for (const [letter, full] of Object.entries(commands)) known.set(full, letter)
    for (const [letter, all] of Object.entries(longNames)) for (const each of all) known.set(each, letter)
    for (const each of own) known.set(each, aliases[each] ?? each)
    const meant = [...known.keys()].filter((each) => each.startsWith(name))
    const letters = new Set(meant.map((each) => known.get(each)))
    const key = known.get(name) ?? (letters.size === 1 ? known.get(meant[0]) : undefined)
    if (key === undefined) throw usage(`unknown option \`--${name}'`)
    if (Object.hasOwn(commands, key)) this.#begin(key)
    else if (BARE.includes(key)) this.#take(key, '')
    else this.#take(key, equals >= 0 ? word.slice(equals + 1) : this.#value(key, `--${name}`))
  }

  #begin(letter: string): void {
    if (this.command !== null) throw usage('Invalid commands combination')
    this.command = letter
  }

  #value(letter: string, shown: string): string {
    const next = this.#args[this.#at]
    if (OPTIONAL.includes(letter)) {
      if (next === undefined || next.startsWith('-')) return ''
    } else if (next === undefined) throw usage(`option \`${shown}' requires an argument`)
    this.#at++
    return next ?? ''
  }

  #take(letter: string, value: string): void {
    const before = this.options.get(letter)
    const joins = (letter === 'o' || letter === 'u' || letter === 'e') && before !== undefined
    this.options.set(letter, joins ? `${before},${value}` : value)
    if (letter === 'p') this.protocol = protocolOf(value)
    if (letter === 'f' && value !== 'ipv4' && value !== 'ipv6') throw usage(`\`${value}' unsupported protocol`)
    if (letter === 'l' || letter === '<' || letter === '>') throw notModelled(`-${letter === 'l' ? 'l' : '-label-*'}`)
    if ((letter === 's' || letter === 'd') && value.includes('/')) this.options.set(letter === 's' ? '{' : '}', value)
  }
}

function protocolOf(text: string): number {
  const name = text.toLowerCase()
  if (Object.hasOwn(protocols, name)) return protocols[name]
  if (foreign.includes(name)) throw notModelled(`-p ${name}`)
  if (!/^[0-9]+$/.test(name) || Number(name) > 255) throw usage(`\`${text}' unsupported protocol`)
  return Number(name)
}

/** Is everything there that the command needs, and nothing that it does not take? */
function judge({ command, options, protocol }: Given): void {
  const needs = command === 'I' || command === 'A' ? 'pt' : command === 'G' ? 'p' : ''
  for (const letter of order) {
    const [name] = longNames[letter]
    if (needs.includes(letter) && !options.has(letter)) supply(name)
    if (illegal[command].includes(letter) && options.has(letter)) {
      throw usage(`Illegal option \`--${name}' with this command`)
    }
  }
  if (needs === '') return
  if (protocol === 6 && command !== 'G' && !options.has('state')) supply('state')
  if (protocol === 1) for (const name of ['icmp-type', 'icmp-code']) if (!options.has(name)) supply(name)
  const turned = options.has('r') && options.has('q')
  if (!(options.has('s') && options.has('d')) && !turned) throw usage("you have to specify `--src' and `--dst'")
  if (protocol !== 6 && protocol !== 17) return
  const there = options.has('sport') && options.has('dport')
  const back = options.has('reply-port-src') && options.has('reply-port-dst')
  if (!there && !back) throw usage("you have to specify `--sport' and `--dport'")
}

function supply(name: string): never {
  throw usage(`You need to supply the \`--${name}' option for this command`)
}

/** strtoul(3) with base 0: what does not begin with a number is 0. */
export function looseNumber(text: string): number {
  const found = /^\s*(0x[0-9a-f]+|[0-9]+)/i.exec(text)
  return found === null ? 0 : Number(found[1])
}
