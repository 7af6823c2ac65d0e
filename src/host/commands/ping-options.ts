/** ping's command line (iputils 20221126): what it means, and what is wrong with it. */
import { strerror } from '../../net/errno.ts'
import { sourceTo } from '../../socket/route.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { put32 } from '../../wire/bytes.ts'
import { ECHO_REQUEST } from '../../wire/icmp.ts'
import { IPPROTO_ICMP } from '../../wire/ipv4.ts'
import { getopt, has, type Options, valueOf } from '../getopt.ts'
import type { Process } from '../process.ts'
import { resolve } from '../resolver.ts'
import { ToolError } from './ip-words.ts'
import { PING_USAGE, PING_VERSION } from './ping-usage.ts'

/** MAXWAIT: how long to wait for a first answer, in milliseconds. */
const LINGER = 10_000
const INT_MAX = 2_147_483_647
const MAX_PRELOAD = 65_536
const MAX_PATTERN = 16

const NOOP = 1
const RECORD_ROUTE = 7
const TIMESTAMP = 0x44
/** The most that options may take, and so what the first line counts. */
const OPTIONS_LENGTH = 40
/** By the names of -T. */
const stampTypes: Readonly<Record<string, number>> = { tsonly: 0, tsandaddr: 1, tsprespec: 3 }

export interface Settings {
  readonly target: Ipv4
  /** As in the first line and the statistics. */
  readonly hostname: string
  readonly numeric: boolean
  readonly count: number
  /** Milliseconds; 0: as fast as answers come, or 100 a second. */
  readonly interval: number
  readonly linger: number
  readonly deadline: number
  readonly size: number
  /** Null: the system's. */
  readonly ttl: number | null
  readonly tos: number
  readonly mark: number | null
  /** Null: as the host's sockets do. */
  readonly discover: 'do' | 'want' | 'dont' | null
  readonly quiet: boolean
  readonly stamps: boolean
  readonly flood: boolean
  readonly adaptive: boolean
  readonly audible: boolean
  readonly verbose: boolean
  /** Tell of what was not answered in time. */
  readonly outstanding: boolean
  readonly preload: number
  readonly pattern: Uint8Array | null
  readonly identifier: number | null
  readonly ipOptions: Uint8Array | null
  readonly source: Ipv4 | null
  /** ` from 10.244.1.2 eth0:`; empty without -I. */
  readonly from: string
}

/** An exit code when there is nothing to ping. @throws ToolError with ping's own sentence. */
export async function pingSettings(self: Process): Promise<Settings | number> {
  const found = getopt(self.args.slice(1), '4b6aABc:CdDe:fF:hi:I:l:Lm:M:nN:Op:Q:qrRs:S:t:T:UvVw:W:')
  if (found.problem !== null) {
    const { kind, option } = found.problem
    const letter = option.replace(/^-+/, '').slice(0, 1)
    const what = option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${letter}'`
    throw usage(kind === 'missing' ? `ping: option requires an argument -- '${letter}'` : `ping: ${what}`)
  }
  if (has(found, 'h')) throw usage(null)
  if (has(found, 'V')) {
    self.out(PING_VERSION)
    return 0
  }
  if (has(found, 'N')) throw new ToolError('podwire: ping -N is not modelled', 2)
  const numbers = takeNumbers(self, found)
  const { rest } = found
  if (rest.length === 0) throw new ToolError('ping: usage error: Destination address required', 1)
  const prespecified = valueOf(found, 'T') === 'tsprespec'
  if (rest.length > 1 && !prespecified) {
    // A way through other hosts is a source route, which ping lost the right to ask for when it dropped its privileges.
    throw new ToolError('ping: record route: Operation not permitted', 2)
  }
  const name = rest[rest.length - 1]
  const literal = parseAton(name)
  if (name.includes(':')) throw notThisFamily(name, has(found, '4'))
  if (has(found, '6')) {
    if (literal !== null) throw notThisFamily(name, true)
    throw new ToolError('podwire: ping -6 is not modelled', 2)
  }
  if (has(found, 'v')) tellSockets(self, has(found, '4'))
  const answer = literal === null ? await resolve(self, name) : { addresses: [literal], canonical: name }
  if ('error' in answer) throw new ToolError(`ping: ${name}: ${answer.message}`, 2)
  const target = answer.addresses[0]
  if (has(found, 'v')) self.out(`ai->ai_family: AF_INET, ai->ai_canonname: '${answer.canonical}'\n`)
  const quiet = has(found, 'q')
  const via = route(self, found, target)
  if (numbers.pattern !== null && !quiet) self.out(`PATTERN: 0x${hexText(numbers.pattern)}\n`)
  return {
    ...numbers,
    target,
    hostname: answer.canonical,
    numeric: literal !== null || has(found, 'n'),
    quiet,
    stamps: has(found, 'D'),
    flood: has(found, 'f'),
    adaptive: has(found, 'A'),
    audible: has(found, 'a'),
    verbose: has(found, 'v'),
    outstanding: has(found, 'O'),
    ipOptions: takeIpOptions(found, rest.slice(0, -1).length === 0 ? rest : rest.slice(0, -1)),
    ...via,
  }
}

function usage(sentence: string | null): ToolError {
  return new ToolError(`${sentence === null ? '' : `${sentence}\n`}${PING_USAGE.trimEnd()}`, 2)
}

function notThisFamily(name: string, asked: boolean): ToolError {
  return asked
    ? new ToolError(`ping: ${name}: Address family for hostname not supported`, 2)
    : new ToolError('podwire: ping of IPv6 addresses is not modelled', 2)
}

/** What -v tells of the sockets that ping has opened. */
function tellSockets(self: Process, version4: boolean): void {
  const second = version4
    ? 'sock6.fd: -1 (socktype: 0), hints.ai_family: AF_INET'
    : 'sock6.fd: 4 (socktype: SOCK_RAW), hints.ai_family: AF_UNSPEC'
  self.err(`ping: sock4.fd: 3 (socktype: SOCK_RAW), ${second}\n\n`)
}

/** inet_aton(3): one to four numbers, the last of which fills what is left. */
export function parseAton(text: string): Ipv4 | null {
  const parts = text.split('.')
  if (parts.length > 4 || !parts.every((part) => /^(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.test(part))) return null
  const numbers = parts.map((part) => (/^0[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number(part)))
  const last = numbers[numbers.length - 1]
  const head = numbers.slice(0, -1)
  if (last >= 2 ** (8 * (4 - head.length)) || head.some((number) => number > 255)) return null
  const value = head.reduce((sum, number, i) => sum + number * 2 ** (24 - 8 * i), last)
  // The address of nobody is this host.
  return (value === 0 ? 0x7f000001 : value | 0) as Ipv4
}

type Numbers = Pick<
  Settings,
  | 'count'
  | 'interval'
  | 'linger'
  | 'deadline'
  | 'size'
  | 'ttl'
  | 'tos'
  | 'mark'
  | 'preload'
  | 'identifier'
  | 'pattern'
  | 'discover'
>

/** In the order in which they stand: the first mistake ends it. */
function takeNumbers(self: Process, found: Options): Numbers {
  const numbers = {
    count: 0,
    interval: has(found, 'f') ? 0 : 1000,
    linger: LINGER,
    deadline: 0,
    size: 56,
    ttl: null as number | null,
    tos: 0,
    mark: null as number | null,
    preload: 1,
    identifier: null as number | null,
    pattern: null as Uint8Array | null,
    discover: null as Settings['discover'],
  }
  let recording = ''
  for (const [option, text] of found.options) {
    if (option === 'c') numbers.count = whole(text, 1, Number.MAX_SAFE_INTEGER, '9223372036854775807')
    else if (option === 'i') numbers.interval = Math.round(seconds(self, text, 'bad timing interval') * 1000)
    else if (option === 'W') numbers.linger = seconds(self, text, 'bad linger time') * 1000
    else if (option === 'w') numbers.deadline = whole(text, 0, INT_MAX) * 1000
    else if (option === 's') numbers.size = whole(text, 0, INT_MAX)
    else if (option === 't') numbers.ttl = whole(text, 0, 255)
    else if (option === 'Q') numbers.tos = typeOfService(text)
    else if (option === 'm') numbers.mark = whole(text, 0, 4_294_967_295)
    else if (option === 'l') numbers.preload = whole(text, 1, MAX_PRELOAD)
    else if (option === 'e') numbers.identifier = whole(text, 0, 65_535)
    else if (option === 'S') whole(text, 1, INT_MAX)
    else if (option === 'F') whole(text, 0, 0xfffff)
    else if (option === 'p') numbers.pattern = takePattern(text)
    else if (option === 'M') numbers.discover = takeDiscovery(text)
    else if (option === 'T' && !Object.hasOwn(stampTypes, text))
      throw new ToolError(`ping: invalid timestamp type: ${text}`, 2)
    if (option !== 'R' && option !== 'T') continue
    if (recording !== '' && recording !== option) throw new ToolError('ping: only one of -T or -R may be used', 2)
    recording = option
  }
  if (numbers.ttl === 0) throw new ToolError('ping: cannot set unicast time-to-live: Invalid argument', 2)
  return numbers
}

function whole(text: string, least: number, most: number, shown = String(most)): number {
  const value = Number(text)
  if (!/^[ \t]*[-+]?[0-9]+$/.test(text)) throw new ToolError(`ping: invalid argument: '${text}'`, 1)
  if (value >= least && value <= most) return value
  throw new ToolError(`ping: invalid argument: '${text}': out of range: ${least} <= value <= ${shown}`, 1)
}

/** ping_strtod: what is behind the number is complained of, and left. */
function seconds(self: Process, text: string, complaint: string): number {
  if (text === '') throw new ToolError(`ping: ${complaint}: : No such file or directory`, 2)
  const [number] = /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?/i.exec(text) ?? ['']
  if (number.length < text.length) {
    self.err(`ping: option argument contains garbage: ${text.slice(number.length)}\n`)
    self.err('ping: this will become fatal error in the future\n')
  }
  const value = Number(number)
  if (value >= INT_MAX / 1000 || (complaint === 'bad linger time' && value < 0))
    throw new ToolError(`ping: ${complaint}: ${text}`, 2)
  return Math.max(value, 0)
}

/** Decimal, or hexadecimal behind 0x. */
function typeOfService(text: string): number {
  const hexadecimal = /^0x/i.test(text)
  if (!/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) throw new ToolError(`ping: bad TOS value: ${text}`, 2)
  const value = Number(text)
  const kind = hexadecimal ? 'hexadecimal' : 'decimal'
  if (value > 255) throw new ToolError(`ping: the ${kind} value of TOS bits must be in range 0-255: ${value}`, 2)
  return value
}

function takePattern(text: string): Uint8Array {
  const wrong = text.search(/[^0-9a-f]/i)
  if (wrong >= 0) throw new ToolError(`ping: patterns must be specified as hex digits: ${text.slice(wrong)}`, 2)
  const octets = (text.match(/../g) ?? [text]).slice(0, MAX_PATTERN)
  const odd = text.length % 2 === 1 && text.length > 1 && octets.length < MAX_PATTERN
  return Uint8Array.from(odd ? [...octets, text.slice(-1)] : octets, (octet) => Number.parseInt(octet, 16))
}

function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function takeDiscovery(text: string): Settings['discover'] {
  if (text === 'do' || text === 'want' || text === 'dont') return text
  throw new ToolError(`ping: invalid -M argument: ${text}`, 2)
}

/** -R: room for nine addresses. -T: for nine times, or four with their addresses, or those that are named. */
function takeIpOptions(found: Options, hosts: readonly string[]): Uint8Array | null {
  if (has(found, 'R')) {
    const bytes = new Uint8Array(OPTIONS_LENGTH)
    bytes.set([NOOP, RECORD_ROUTE, OPTIONS_LENGTH - 1, 4])
    return bytes
  }
  const kind = valueOf(found, 'T')
  if (kind === null) return null
  const named = kind === 'tsprespec' ? hosts.map((host) => parseAton(host)) : []
  const length = kind === 'tsonly' ? OPTIONS_LENGTH : kind === 'tsandaddr' ? OPTIONS_LENGTH - 4 : 4 + 8 * named.length
  const bytes = new Uint8Array(length)
  bytes.set([TIMESTAMP, length, 5, stampTypes[kind]])
  for (const [i, address] of named.entries()) {
    if (address === null) throw new ToolError(`podwire: ping -T tsprespec ${hosts[i]} is not modelled`, 2)
    put32(bytes, 4 + 8 * i, address)
  }
  return bytes
}

/** What the connected probe socket learns: whether there is a way, and from which address. */
function route(self: Process, found: Options, target: Ipv4): Pick<Settings, 'source' | 'from'> {
  const { netns } = self
  const name = valueOf(found, 'I')
  const address = name === null ? null : tryParseIpv4(name)
  const device = name === null || address !== null ? null : netns.devices.get(name)
  if (device === undefined) throw new ToolError(`ping: SO_BINDTODEVICE ${name}: No such device`, 2)
  if (address !== null && !netns.isLocal(address)) throw new ToolError(`ping: bind: ${strerror('EADDRNOTAVAIL')}`, 2)
  const way = netns.lookup(target)
  const outside = way === null || (has(found, 'r') && way.gateway !== null)
  if (outside) throw new ToolError(`ping: connect: ${strerror('ENETUNREACH')}`, 2)
  if (way.type === 'unreachable') throw new ToolError(`ping: connect: ${strerror('EHOSTUNREACH')}`, 2)
  if (way.type === 'blackhole') throw new ToolError(`ping: connect: ${strerror('EINVAL')}`, 2)
  const broadcast = way.type === 'broadcast' || target === -1
  if (way.type === 'prohibit' || (broadcast && !has(found, 'b'))) {
    throw new ToolError('ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules', 2)
  }
  if (broadcast) self.err('WARNING: pinging broadcast address\n')
  if (device === null) {
    if (address !== null) return { source: address, from: ` from ${name} :` }
    if (!has(found, 'B')) return { source: null, from: '' }
    const own = sourceTo(netns, target, IPPROTO_ICMP, 0, ECHO_REQUEST << 8)
    return { source: own, from: ` from ${formatIpv4(own)} :` }
  }
  if (way.type === 'unicast' && way.device !== device)
    throw new ToolError(`podwire: ping -I ${name}, where no route to the destination leads, is not modelled`, 2)
  const addresses = netns.addressesOf(device)
  const source =
    way.type === 'unicast' ? sourceTo(netns, target, IPPROTO_ICMP, 0, ECHO_REQUEST << 8) : addresses[0]?.address
  if (source === undefined) return { source: null, from: '' }
  if (!addresses.some((each) => each.address === source))
    self.err(`ping: Warning: source address might be selected on device other than: ${name}\n`)
  return { source, from: ` from ${formatIpv4(source)} ${name}:` }
}
