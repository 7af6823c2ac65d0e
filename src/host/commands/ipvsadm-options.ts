/**
 * The command line of ipvsadm(8) 1.31. The first word is the command, the others are options, read by popt: letters may
 * stand together, and a value may follow its letter at once. Sentences and exit codes were compared with the program
 * itself, which for that spoke to a library in place of a kernel.
 */
import { Forward, ScheduleFlag } from '../../netfilter/ipvs/service.ts'
import { type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipv4.ts'
import { notModelled, ToolError } from './ip-words.ts'
import { TRY } from './ipvsadm-help.ts'
import { Popt, type Takes } from './popt.ts'

export type CommandName =
  | 'add-service'
  | 'edit-service'
  | 'delete-service'
  | 'flush'
  | 'list'
  | 'add-server'
  | 'delete-server'
  | 'edit-server'
  | 'set'
  | 'restore'
  | 'save'
  | 'zero'
  | 'help'
  | 'version'

/** By letter or long name. */
const commands: Readonly<Record<string, CommandName | 'daemon'>> = {
  A: 'add-service',
  'add-service': 'add-service',
  E: 'edit-service',
  'edit-service': 'edit-service',
  D: 'delete-service',
  'delete-service': 'delete-service',
  C: 'flush',
  clear: 'flush',
  L: 'list',
  l: 'list',
  list: 'list',
  Z: 'zero',
  zero: 'zero',
  a: 'add-server',
  'add-server': 'add-server',
  e: 'edit-server',
  'edit-server': 'edit-server',
  d: 'delete-server',
  'delete-server': 'delete-server',
  set: 'set',
  R: 'restore',
  restore: 'restore',
  S: 'save',
  save: 'save',
  h: 'help',
  help: 'help',
  v: 'version',
  version: 'version',
  'start-daemon': 'daemon',
  'stop-daemon': 'daemon',
}

/** By letter or long name: what it is called in messages, and what follows it. */
const options: Readonly<Record<string, readonly [name: string, takes: Takes]>> = {
  t: ['service-address', 'value'],
  'tcp-service': ['service-address', 'value'],
  u: ['service-address', 'value'],
  'udp-service': ['service-address', 'value'],
  'sctp-service': ['service-address', 'value'],
  f: ['service-address', 'value'],
  'fwmark-service': ['service-address', 'value'],
  s: ['scheduler', 'value'],
  scheduler: ['scheduler', 'value'],
  p: ['persistent', 'maybe'],
  persistent: ['persistent', 'maybe'],
  M: ['netmask', 'value'],
  netmask: ['netmask', 'value'],
  r: ['real-server', 'value'],
  'real-server': ['real-server', 'value'],
  m: ['forwarding-method', 'nothing'],
  masquerading: ['forwarding-method', 'nothing'],
  i: ['forwarding-method', 'nothing'],
  ipip: ['forwarding-method', 'nothing'],
  g: ['forwarding-method', 'nothing'],
  gatewaying: ['forwarding-method', 'nothing'],
  'tun-type': ['tun-type', 'value'],
  'tun-port': ['tun-port', 'value'],
  'tun-nocsum': ['tun-nocsum', 'nothing'],
  'tun-csum': ['tun-csum', 'nothing'],
  'tun-remcsum': ['tun-remcsum', 'nothing'],
  w: ['weight', 'value'],
  weight: ['weight', 'value'],
  x: ['u-threshold', 'value'],
  'u-threshold': ['u-threshold', 'value'],
  y: ['l-threshold', 'value'],
  'l-threshold': ['l-threshold', 'value'],
  n: ['numeric', 'nothing'],
  numeric: ['numeric', 'nothing'],
  c: ['connection', 'nothing'],
  connection: ['connection', 'nothing'],
  'mcast-interface': ['mcast-interface', 'value'],
  'mcast-group': ['mcast-group', 'value'],
  'mcast-port': ['mcast-port', 'value'],
  'mcast-ttl': ['mcast-ttl', 'value'],
  syncid: ['syncid', 'value'],
  'sync-maxlen': ['sync-maxlen', 'value'],
  timeout: ['timeout', 'nothing'],
  daemon: ['daemon', 'nothing'],
  stats: ['stats', 'nothing'],
  rate: ['rate', 'nothing'],
  thresholds: ['thresholds', 'nothing'],
  'persistent-conn': ['persistent-conn', 'nothing'],
  'tun-info': ['tun-info', 'nothing'],
  nosort: ['nosort', 'nothing'],
  sort: ['sort', 'nothing'],
  X: ['exact', 'nothing'],
  exact: ['exact', 'nothing'],
  '6': ['ipv6', 'nothing'],
  ipv6: ['ipv6', 'nothing'],
  o: ['ops', 'nothing'],
  ops: ['ops', 'nothing'],
  pe: ['pe', 'value'],
  b: ['sched-flags', 'value'],
  'sched-flags': ['sched-flags', 'value'],
}

/** In the order in which their legality is judged. */
const order = (
  'numeric connection service-address scheduler persistent netmask real-server forwarding-method weight u-threshold ' +
  'l-threshold mcast-interface timeout daemon stats rate thresholds persistent-conn nosort syncid exact ops pe ' +
  'sched-flags tun-info tun-type tun-port tun-nocsum tun-csum tun-remcsum mcast-group mcast-port mcast-ttl sync-maxlen'
).split(' ')

const SERVER = 'forwarding-method weight u-threshold l-threshold tun-type tun-port tun-nocsum tun-csum tun-remcsum'
const service = { legal: 'scheduler persistent netmask ops pe sched-flags', needed: 'service-address' }
/** What each command takes and needs. */
const rules: Readonly<Record<CommandName, { legal: string; needed: string }>> = {
  'add-service': service,
  'edit-service': service,
  'delete-service': { legal: '', needed: 'service-address' },
  'add-server': { legal: SERVER, needed: 'service-address real-server' },
  'edit-server': { legal: SERVER, needed: 'service-address real-server' },
  'delete-server': { legal: '', needed: 'service-address real-server' },
  flush: { legal: '', needed: '' },
  list: {
    legal:
      'numeric connection service-address timeout daemon stats rate thresholds persistent-conn nosort syncid exact tun-info',
    needed: '',
  },
  set: { legal: '', needed: '' },
  restore: { legal: '', needed: '' },
  save: { legal: 'numeric', needed: '' },
  zero: { legal: 'service-address', needed: '' },
  help: { legal: '', needed: '' },
  version: { legal: '', needed: '' },
}

/** Null: there is no such word. */
function takesOf(name: string): Takes | null {
  if (Object.hasOwn(commands, name)) return commands[name] === 'daemon' ? 'value' : 'nothing'
  return Object.hasOwn(options, name) ? options[name][1] : null
}

const LONGEST_TIMEOUT = 86_400 * 31

/** A host, still as a name perhaps, and a port; `port` null: none was given. */
export interface Endpoint {
  readonly host: string
  readonly port: string | null
}

export interface Given {
  readonly command: CommandName
  /** Null without one. */
  readonly service: { protocol: number; endpoint: Endpoint } | { mark: number } | null
  readonly server: Endpoint | null
  readonly scheduler: string
  readonly persistence: number
  readonly netmask: Ipv4
  readonly onePacket: boolean
  /** Null without any; which ones a scheduler has is for `flagsOf`. */
  readonly flags: string | null
  readonly forward: Forward
  readonly weight: number
  readonly upper: number
  readonly lower: number
  readonly timeouts: readonly number[]
  /** Names of options without a value. */
  readonly switches: ReadonlySet<string>
}

export function fail(sentence: string, code = 2): ToolError {
  return new ToolError(sentence, code)
}

const nothing: Given = {
  command: 'list',
  service: null,
  server: null,
  scheduler: '',
  persistence: 0,
  netmask: -1 as Ipv4,
  onePacket: false,
  flags: null,
  forward: Forward.ROUTE,
  weight: 1,
  upper: 0,
  lower: 0,
  timeouts: [],
  switches: new Set(),
}

type Draft = { -readonly [K in keyof Given]: Given[K] }

/** @throws ToolError */
export function readOptions(args: readonly string[]): Given {
  if (args.length === 0) return nothing
  const popt = new Popt(args, (name) => takesOf(name))
  const first = popt.next()
  if (first === null || !Object.hasOwn(commands, first.name)) throw fail(TRY, 255)
  const command = commands[first.name]
  if (command === 'daemon') throw notModelled('the sync daemon')
  const draft: Draft = { ...nothing, command, switches: new Set() }
  if (command === 'help' || command === 'version') return draft
  const seen = new Set<string>()
  for (let option = popt.next(); option !== null; option = popt.next()) {
    const known = Object.hasOwn(options, option.name) ? options[option.name] : null
    if (known === null) throw fail(`invalid option \`${option.typed}'`)
    const [name] = known
    if (name !== 'sort') {
      if (seen.has(name) && name !== 'ipv6') throw fail(`multiple '${name}' options specified`)
      seen.add(name)
    }
    take(draft, name, option.name, option.value)
  }
  const { rest } = popt
  if (command === 'set') {
    if (rest.length < 3) throw fail('--set option requires 3 timeout values')
    draft.timeouts = rest.splice(0, 3).map((text) => seconds(text, 0))
  }
  if (rest.length > 0) throw fail(`unexpected argument ${rest[0]}`)
  judge(command, seen)
  return { ...draft, switches: seen }
}

/** Flags by name for a scheduler (`sh-port`, or `flag-2` for any). */
const flagNames: Readonly<Record<string, readonly [flag: number, scheduler: string]>> = {
  'flag-1': [ScheduleFlag.FIRST, ''],
  'flag-2': [ScheduleFlag.SECOND, ''],
  'flag-3': [ScheduleFlag.THIRD, ''],
  'sh-fallback': [ScheduleFlag.FIRST, 'sh'],
  'sh-port': [ScheduleFlag.SECOND, 'sh'],
  'mh-fallback': [ScheduleFlag.FIRST, 'mh'],
  'mh-port': [ScheduleFlag.SECOND, 'mh'],
}

/** @throws ToolError */
export function flagsOf(text: string | null, scheduler: string): number {
  let flags = 0
  for (const name of text === null ? [] : text.split(',')) {
    if (!Object.hasOwn(flagNames, name)) throw fail(`invalid scheduler flag \`${name}'`)
    const [flag, only] = flagNames[name]
    if (only !== '' && only !== scheduler) throw fail(`incompatible scheduler flag \`${name}'`)
    flags |= flag
  }
  return flags
}

function take(draft: Draft, name: string, typed: string, value: string): void {
  switch (name) {
    case 'service-address':
      draft.service = serviceOf(typed, value)
      return
    case 'real-server':
      draft.server = endpointOf(value, 'illegal real server address[:port] specified')
      return
    case 'scheduler':
      // The kernel's field has 16 bytes, and a zero at its end.
      draft.scheduler = value.slice(0, 15)
      return
    case 'persistent':
      draft.persistence = value === '' ? 360 : seconds(value, 1)
      return
    case 'netmask': {
      const mask = tryParseIpv4(value)
      const bare = /^[0-9]+$/.test(value) ? Number(value) | 0 : null
      if (mask === null && bare === null) throw fail('illegal virtual server persistent mask specified')
      draft.netmask = (mask ?? bare) as Ipv4
      return
    }
    case 'forwarding-method':
      if (typed === 'm' || typed === 'masquerading') draft.forward = Forward.MASQUERADE
      else draft.forward = typed === 'i' || typed === 'ipip' ? Forward.TUNNEL : Forward.ROUTE
      return
    case 'weight':
      draft.weight = count(value, 'illegal weight specified')
      return
    case 'u-threshold':
      draft.upper = count(value, 'illegal u_threshold specified')
      return
    case 'l-threshold':
      draft.lower = count(value, 'illegal l_threshold specified')
      return
    case 'ops':
      draft.onePacket = true
      return
    case 'sched-flags':
      draft.flags = value
      return
    case 'ipv6':
      throw notModelled('IPv6')
    case 'pe':
      throw notModelled('a persistence engine')
  }
}

function serviceOf(typed: string, value: string): Given['service'] {
  if (typed === 'f' || typed === 'fwmark-service') {
    const mark = /^[0-9]+$/.test(value) ? Number(value) : 0
    if (mark < 1 || mark > 0xffff_ffff) throw fail(`invalid fwmark value \`${value}' specified`)
    return { mark: mark | 0 }
  }
  if (typed === 'sctp-service') throw notModelled('SCTP')
  const endpoint = endpointOf(value, 'illegal virtual server address[:port] specified')
  return { protocol: typed === 't' || typed === 'tcp-service' ? IPPROTO_TCP : IPPROTO_UDP, endpoint }
}

function endpointOf(text: string, complaint: string): Endpoint {
  if (text.startsWith('[')) throw notModelled('IPv6')
  const colon = text.indexOf(':')
  const host = colon < 0 ? text : text.slice(0, colon)
  const port = colon < 0 ? null : text.slice(colon + 1)
  if (host === '' || port === '') throw fail(complaint)
  return { host, port }
}

function seconds(text: string, least: number): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : -1
  if (value < least || value > LONGEST_TIMEOUT) throw fail(`invalid timeout value \`${text}' specified`)
  return value
}

function count(text: string, complaint: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : -1
  if (value < 0 || value > 2_147_483_647) throw fail(complaint)
  return value
}

/** generic_opt_check, and what the options of `-L` exclude. */
function judge(command: CommandName, seen: ReadonlySet<string>): void {
  const { legal, needed } = rules[command]
  const may = new Set([...legal.split(' '), ...needed.split(' ')])
  const must = needed.split(' ')
  for (const name of order) {
    if (!seen.has(name) && must.includes(name)) {
      throw fail(`You need to supply the '${name}' option for the '${command}' command`)
    }
    if (seen.has(name) && !may.has(name)) throw fail(`Illegal '${name}' option with the '${command}' command`)
  }
  if (command !== 'list') return
  // What is listed: the first of these is the one that the others are said to be in conflict with.
  const subjects = ['connection', 'service-address', 'timeout', 'daemon'].filter((name) => seen.has(name))
  if (subjects.length > 1) {
    throw fail(`The option '${subjects[1]}' conflicts with the '${subjects[0]}' option in the 'list' command`)
  }
  const bare = ['connection', 'timeout', 'daemon'].some((name) => seen.has(name))
  const layouts = ['stats', 'rate', 'thresholds']
  if (bare && (layouts.some((name) => seen.has(name)) || (seen.has('persistent-conn') && !seen.has('connection')))) {
    throw fail('options conflicts in the list command')
  }
}
