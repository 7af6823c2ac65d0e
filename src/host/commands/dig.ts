/** dig of BIND 9.18 (Debian 12): EDNS with a cookie by default, and the exact layout of its answers. */
import { SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'
import {
  type BindQuery,
  type BindReply,
  bindDefaults,
  candidates,
  isLegalName,
  searchBind,
  serverAddress,
} from '../dns-bind.ts'
import { resolverConfigOf } from '../dns-config.ts'
import { COOKIE, type DnsMessage, type Edns } from '../dns-message.ts'
import { dataText, questionLine, recordLine } from '../dns-text.ts'
import type { Process, Program } from '../process.ts'
import { rcodeName } from '../resolver.ts'
import { type DigOptions, parseDig } from './dig-options.ts'

const VERSION = '9.18.49-1~deb12u3-Debian'
const USAGE =
  'Usage:  dig [@global-server] [domain] [q-type] [q-class] {q-opt}\n' +
  '            {global-d-opt} host [@local-server] {local-d-opt}\n' +
  '            [ host [@local-server] {local-d-opt} [...]]\n\n' +
  'Use "dig -h" (or "dig -h | more") for complete list of options\n'
/** dig's exit code when no server answered. */
const NO_REPLY = 9
const OPCODES = ['QUERY', 'IQUERY', 'STATUS', 'RESERVED3', 'NOTIFY', 'UPDATE']

/** Eight random bytes: the client cookie of RFC 7873. */
function clientCookie(self: Process): Uint8Array {
  return Uint8Array.from({ length: 8 }, () => self.world.random.below(256))
}

export const dig: Program = async (self) => {
  const { lookups, complaints, fatal } = parseDig(self.args.slice(1))
  if (self.args[1] === '-v') {
    self.err(`DiG ${VERSION}\n`)
    return 0
  }
  for (const complaint of complaints) self.err(complaint)
  if (fatal?.startsWith('podwire:') === true) {
    self.err(fatal)
    return 2
  }
  if (fatal !== null) {
    self.err(fatal + USAGE)
    return 1
  }
  const cookie = clientCookie(self)
  let code = 0
  let banner = true
  for (const options of lookups) {
    if (!isLegalName(options.name)) {
      self.err(`dig: '${options.name}' is not a legal name (label too long)\n`)
      return 10
    }
    const result = await lookUp(self, options, cookie, banner)
    if (result !== 0) code = result
    banner = false
  }
  return code
}

function ednsOf(options: DigOptions, cookie: Uint8Array): Edns | null {
  if (!options.edns && !options.dnssec) return null
  const cookies = options.cookie ? [{ code: COOKIE, bytes: cookie }] : []
  return { size: options.bufferSize, version: 0, dnssecOk: options.dnssec, options: cookies }
}

async function lookUp(self: Process, options: DigOptions, cookie: Uint8Array, first: boolean): Promise<number> {
  const config = resolverConfigOf(self)
  let servers: readonly Ipv4[] = config.nameservers
  if (options.server !== null) {
    const address = await serverAddress(self, options.server)
    if (address === null) {
      self.err(`dig: couldn't get address for '${options.server}': not found\n`)
      return 1
    }
    servers = [address]
  }
  const query: BindQuery = {
    ...bindDefaults,
    type: options.type,
    class: options.class,
    servers,
    port: options.port,
    recurse: options.recurse,
    authenticData: options.adFlag,
    checkingDisabled: options.cdFlag,
    edns: ednsOf(options, cookie),
    tcp: options.tcp,
    keepTruncated: options.ignore,
    timeout: options.timeout * SECOND,
    tries: options.tries,
  }
  const search = options.domain === null ? config.search : [options.domain]
  const ndots = options.ndots ?? config.ndots
  const names = candidates(options.name, { search: options.search ? search : [], ndots })
  const found = await searchBind(self, names, query)
  if (options.cmd && first && (found !== null || !options.tcp)) {
    self.out(`\n; <<>> DiG ${VERSION} <<>> ${self.args.slice(1).join(' ')}\n`)
    if (options.server !== null) self.out('; (1 server found)\n')
    self.out(';; global options: +cmd\n')
  }
  if (found === null) {
    self.out(';; no servers could be reached\n')
    return NO_REPLY
  }
  const { reply } = found
  if (options.short) {
    const who = `from server ${formatIpv4(reply.server)} in ${Math.floor(reply.took / 1e6)} ms.`
    const tail = options.identify ? ` ${who}` : ''
    for (const record of reply.message.answers) self.out(`${dataText(record.data)}${tail}\n`)
    return 0
  }
  if (options.comments) self.out(headerText(reply.message, options.recurse))
  self.out(sectionsText(reply.message, options, cookie))
  if (options.stats) self.out(statsText(self, reply, options))
  return 0
}

function flagsText(message: DnsMessage): string {
  const flags: readonly [boolean, string][] = [
    [message.response, 'qr'],
    [message.authoritative, 'aa'],
    [message.truncated, 'tc'],
    [message.recursionDesired, 'rd'],
    [message.recursionAvailable, 'ra'],
    [message.authenticData, 'ad'],
    [message.checkingDisabled, 'cd'],
  ]
  return flags.map(([set, name]) => (set ? ` ${name}` : '')).join('')
}

function isMulticastDns(message: DnsMessage): boolean {
  return message.questions.some((question) => /(^|\.)local$/i.test(question.name))
}

function headerText(message: DnsMessage, recursion: boolean): string {
  let text = ';; Got answer:\n'
  if (isMulticastDns(message)) {
    text += ';; WARNING: .local is reserved for Multicast DNS\n'
    text += ';; You are currently testing what happens when an mDNS query is leaked to DNS\n'
  }
  const { questions, answers, authorities, additionals, edns } = message
  const opcode = OPCODES[message.opcode] ?? `RESERVED${message.opcode}`
  text += `;; ->>HEADER<<- opcode: ${opcode}, status: ${rcodeName(message.rcode)}, id: ${message.id}\n`
  text += `;; flags:${flagsText(message)}; QUERY: ${questions.length}, ANSWER: ${answers.length}`
  text += `, AUTHORITY: ${authorities.length}, ADDITIONAL: ${additionals.length + (edns === null ? 0 : 1)}\n`
  if (recursion && message.recursionDesired && !message.recursionAvailable)
    text += ';; WARNING: recursion requested but not available\n'
  return `${text}\n`
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function ednsText(edns: Edns, cookie: Uint8Array): string {
  let text = `;; OPT PSEUDOSECTION:\n; EDNS: version: ${edns.version}, flags:${edns.dnssecOk ? ' do' : ''}; udp: ${edns.size}\n`
  for (const { code, bytes } of edns.options) {
    if (code !== COOKIE) text += `; OPT=${code}: ${hex(bytes)}\n`
    else {
      const ours = hex(bytes).startsWith(hex(cookie))
      // A server that knows cookies adds its own half; one that does not may send ours back.
      const verdict = !ours ? 'bad' : bytes.length === cookie.length ? 'echoed' : 'good'
      text += `; COOKIE: ${hex(bytes)} (${verdict})\n`
    }
  }
  return text
}

function sectionsText(message: DnsMessage, options: DigOptions, cookie: Uint8Array): string {
  let text = options.comments && message.edns !== null ? ednsText(message.edns, cookie) : ''
  const section = (title: string, lines: readonly string[], wanted: boolean) => {
    if (!wanted || lines.length === 0) return
    text += options.comments ? `;; ${title} SECTION:\n${lines.join('')}\n` : lines.join('')
  }
  section('QUESTION', message.questions.map(questionLine), options.question)
  section('ANSWER', message.answers.map(recordLine), options.answer)
  section('AUTHORITY', message.authorities.map(recordLine), options.authority)
  section('ADDITIONAL', message.additionals.map(recordLine), options.additional)
  return text
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Sat Nov 21 08:20:07 UTC 2026`. */
function dateText(milliseconds: number): string {
  const date = new Date(milliseconds)
  const two = (value: number) => `${value}`.padStart(2, '0')
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':')
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCDate())} ${time} UTC ${date.getUTCFullYear()}`
}

function statsText(self: Process, reply: BindReply, options: DigOptions): string {
  const address = formatIpv4(reply.server)
  const server = `${address}#${options.port}(${options.server ?? address}) (${reply.tcp ? 'TCP' : 'UDP'})`
  const lines = [
    `;; Query time: ${Math.floor(reply.took / 1e6)} msec`,
    `;; SERVER: ${server}`,
    `;; WHEN: ${dateText(self.runner.wallClock)}`,
    `;; MSG SIZE  rcvd: ${reply.size}`,
  ]
  return `${lines.join('\n')}\n\n`
}
