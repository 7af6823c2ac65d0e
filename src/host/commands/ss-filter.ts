/** The filter of ss(8): `state established`, `dport = :80`, `src 10.0.0.0/8`, with and, or, not and parentheses. */

import type { Netns } from '../../net/netns.ts'
import { servicePort } from '../../netfilter/services.ts'
import type { SocketInfo } from '../../socket/sockets.ts'
import { stateNames } from '../../socket/tcp/state.ts'
import { type Cidr, contains, tryParseCidr } from '../../wire/address.ts'
import { notModelled, ToolError, type Words } from './ip-words.ts'

/** What a filter asks about. */
export type Filtered = Pick<SocketInfo, 'local' | 'remote'>
export type SocketTest = (socket: Filtered) => boolean

/** The filter's words: parentheses stand for themselves, wherever they touch. */
export function filterWords(args: readonly string[]): string[] {
  return args.flatMap((word) => word.split(/([()])|\s+/)).filter((word) => word !== undefined && word !== '')
}

const ALL = Object.values(stateNames)
const CONNECTED = ALL.filter((state) => state !== 'LISTEN' && state !== 'UNCONN')

const groups: Readonly<Record<string, readonly string[]>> = {
  all: ALL,
  connected: CONNECTED,
  synchronized: CONNECTED.filter((state) => state !== 'SYN-SENT'),
  bucket: ['SYN-RECV', 'TIME-WAIT'],
  big: ALL.filter((state) => state !== 'SYN-RECV' && state !== 'TIME-WAIT'),
  established: ['ESTAB'],
  'syn-sent': ['SYN-SENT'],
  'syn-recv': ['SYN-RECV'],
  'fin-wait-1': ['FIN-WAIT-1'],
  'fin-wait-2': ['FIN-WAIT-2'],
  'time-wait': ['TIME-WAIT'],
  closed: ['UNCONN'],
  'close-wait': ['CLOSE-WAIT'],
  'last-ack': ['LAST-ACK'],
  listening: ['LISTEN'],
  listen: ['LISTEN'],
  closing: ['CLOSING'],
}

/** What ss shows without -a and -l. */
export const usualStates: ReadonlySet<string> = new Set(
  CONNECTED.filter((state) => state !== 'TIME-WAIT' && state !== 'SYN-RECV'),
)
export const listeningStates: ReadonlySet<string> = new Set(['LISTEN', 'UNCONN'])
export const allStates: ReadonlySet<string> = new Set(ALL)

/** `state X … exclude Y …`: null when the words do not begin so. */
export function takeStates(words: Words): ReadonlySet<string> | null {
  let states: Set<string> | null = null
  while (words.peek === 'state' || words.peek === 'exclude') {
    const exclude = words.take() === 'exclude'
    const name = words.take().toLowerCase()
    const group = groups[name]
    if (group === undefined) throw new ToolError(`ss: wrong state name: ${name}`, 255)
    states ??= new Set(exclude ? ALL : [])
    for (const state of group) {
      if (exclude) states.delete(state)
      else states.add(state)
    }
  }
  return states
}

/** The rest of the line as a test; without words everything passes. */
export function takeFilter(words: Words, netns: Netns): SocketTest {
  if (words.done) return () => true
  const test = takeAlternatives(words, netns)
  if (!words.done) throw syntaxError(words.peek)
  return test
}

function syntaxError(word: string): ToolError {
  return new ToolError(
    `ss: bison bellows (while parsing filter): "syntax error!" Sorry.\nss: near ${JSON.stringify(word)}`,
    255,
  )
}

function takeAlternatives(words: Words, netns: Netns): SocketTest {
  let test = takeConjunction(words, netns)
  while (words.accept('or', '|', '||')) {
    const left = test
    const right = takeConjunction(words, netns)
    test = (socket) => left(socket) || right(socket)
  }
  return test
}

function takeConjunction(words: Words, netns: Netns): SocketTest {
  let test = takeTerm(words, netns)
  while (words.accept('and', '&', '&&') || startsTerm(words)) {
    const left = test
    const right = takeTerm(words, netns)
    test = (socket) => left(socket) && right(socket)
  }
  return test
}

const TERMS = ['src', 'dst', 'sport', 'dport', 'dev', 'autobound', 'fwmark', 'cgroup', 'not', '!', '(']

/** Terms may follow each other without `and`. */
function startsTerm(words: Words): boolean {
  return TERMS.includes(words.peek)
}

function takeTerm(words: Words, netns: Netns): SocketTest {
  if (words.accept('not', '!')) {
    const test = takeTerm(words, netns)
    return (socket) => !test(socket)
  }
  if (words.accept('(')) {
    const test = takeAlternatives(words, netns)
    if (!words.accept(')')) throw syntaxError(words.peek)
    return test
  }
  const what = words.take()
  if (what === 'fwmark' || what === 'cgroup') throw notModelled(`ss ${what}`)
  if (what === 'autobound') return autobound(netns)
  if (what === 'dev') {
    const differs = words.accept('!=', 'ne', 'neq')
    if (!differs) words.accept('=', '==', 'eq')
    const name = words.take()
    if (!netns.devices.has(name)) throw new ToolError(`Error: argument "${name}" is wrong: Invalid device name`, 255)
    // No socket here is bound to a device.
    return () => differs
  }
  if (what === 'sport' || what === 'dport') return takePortTest(words, what === 'sport' ? 'local' : 'remote')
  if (what !== 'src' && what !== 'dst') {
    throw new ToolError(`Error: an inet prefix is expected rather than "${what}".\nCannot parse dst/src address.`, 1)
  }
  const end = what === 'src' ? 'local' : 'remote'
  const unequal = words.accept('!=', 'ne', 'neq')
  if (!unequal) words.accept('=', '==', 'eq')
  const test = hostTest(words.take(), end)
  return unequal ? (socket) => !test(socket) : test
}

function takePortTest(words: Words, end: 'local' | 'remote'): SocketTest {
  const operator = words.take()
  const port = portNamed(words.take().replace(/^.*:/, ''))
  switch (operator) {
    case '=':
    case '==':
    case 'eq':
      return (socket) => socket[end].port === port
    case '!=':
    case 'ne':
    case 'neq':
      return (socket) => socket[end].port !== port
    case '>':
    case 'gt':
      return (socket) => socket[end].port > port
    case '>=':
    case 'ge':
    case 'geq':
      return (socket) => socket[end].port >= port
    case '<':
    case 'lt':
      return (socket) => socket[end].port < port
    case '<=':
    case 'le':
    case 'leq':
      return (socket) => socket[end].port <= port
    default:
      throw syntaxError(operator)
  }
}

/** SSF_S_AUTO: a port that the kernel chose, as far as its number tells. */
function autobound(netns: Netns): SocketTest {
  const range = (netns.sysctl.get('net.ipv4.ip_local_port_range') ?? '').split('\t').map(Number)
  return ({ local }) => local.port >= range[0] && local.port <= range[1]
}

function portNamed(text: string): number {
  const port = /^[0-9]+$/.test(text) ? Number(text) : servicePort(text)
  if (port === null)
    throw new ToolError(`Error: "${text}" does not look like a port.\nCannot parse dst/src address.`, 1)
  return port
}

/** `10.244.1.2`, `10.244.0.0/16`, `10.244.1.2:80`, `:80`. */
function hostTest(text: string, end: 'local' | 'remote'): SocketTest {
  const [host, port] = text.split(':')
  const cidr: Cidr | null = host === '' || host === '*' ? null : tryParseCidr(host)
  if (cidr === null && host !== '' && host !== '*') {
    throw new ToolError(`Error: an inet prefix is expected rather than "${host}".\nCannot parse dst/src address.`, 1)
  }
  const wanted = port === undefined || port === '*' || port === '' ? null : portNamed(port)
  return (socket) =>
    (cidr === null || contains(cidr, socket[end].address)) && (wanted === null || socket[end].port === wanted)
}
