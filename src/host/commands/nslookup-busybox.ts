/**
 * busybox's nslookup: all its questions at once from one socket. A name with a dot in it is not searched for, and
 * without a dot the bare name is not tried: why `nslookup kubernetes.default` fails in an Alpine pod.
 */
import { strerror } from '../../net/errno.ts'
import { MICROSECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { serverAddress } from '../dns-bind.ts'
import { libcOf, resolverConfigOf } from '../dns-config.ts'
import { dnsMessage, Rcode, reverseName } from '../dns-message.ts'
import { DNS_PORT, DnsSocket } from '../dns-socket.ts'
import { encodeMessage } from '../dns-writer.ts'
import type { Process, Program } from '../process.ts'
import { decodeMessage, rcodeName } from '../resolver.ts'
import { answerText } from './nslookup.ts'

const TYPES = ['SOA', 'NS', 'A', 'AAAA', 'CNAME', 'MX', 'TXT', 'SRV', 'PTR', 'ANY']
const OPTIONS = ['type', 'querytype', 'port', 'retry', 'debug', 't', 'timeout']
const USAGE =
  'Usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]\n\nQuery DNS about HOST\n\nQUERY_TYPE: soa,ns,a,aaaa,cname,mx,txt,ptr,srv,any\n'

/** What a write takes: long enough for the own node's refusal to be back. */
const SYSTEM_CALL: Nanos = 200 * MICROSECOND

interface Question {
  readonly name: string
  readonly id: number
  readonly bytes: Uint8Array
  answered: boolean
}

interface Pace {
  readonly timeout: Nanos
  readonly tries: number
  readonly port: number
}

export const busyboxNslookup: Program = async (self) => {
  const types = new Set<string>()
  let pace: Pace = { timeout: 5 * SECOND, tries: 2, port: DNS_PORT }
  const args = [...self.args.slice(1)]
  while (args[0]?.startsWith('-')) {
    const [given, value = ''] = (args.shift() ?? '').slice(1).split('=')
    const option = OPTIONS.find((known) => known === given) ?? OPTIONS.find((known) => known.startsWith(given))
    if (option === 'type' || option === 'querytype') {
      if (!TYPES.includes(value.toUpperCase())) {
        self.err(`nslookup: invalid query type "${value}"\n`)
        return 1
      }
      types.add(value.toUpperCase())
    } else if (option === 'port') pace = { ...pace, port: Number(value) }
    else if (option === 'retry') pace = { ...pace, tries: Number(value) }
    else if (option === 't' || option === 'timeout') pace = { ...pace, timeout: Number(value) * SECOND }
    else if (option === 'debug') self.err('podwire: nslookup -debug is not modelled\n')
    else return usage(self)
  }
  const [name, server] = args
  if (name === undefined || args.length > 2) return usage(self)
  const config = resolverConfigOf(self)
  let servers = config.nameservers
  if (server !== undefined) {
    const address = await serverAddress(self, server)
    if (address === null) {
      self.err(`nslookup: bad address '${server}'\n`)
      return 1
    }
    servers = [address]
  }
  const literal = types.size === 0 ? tryParseIpv4(name) : null
  const wanted = types.size === 0 ? ['A', 'AAAA'] : TYPES.filter((type) => types.has(type))
  const names =
    name.includes('.') || config.search.length === 0 ? [name] : config.search.map((domain) => `${name}.${domain}`)
  const questions =
    literal !== null
      ? [question(self, reverseName(literal), 'PTR')]
      : wanted.flatMap((type) => (type === 'PTR' ? [name] : names).map((full) => question(self, full, type)))
  for (const address of servers) {
    const code = await ask(self, questions, address, server, pace)
    if (code !== null) return code
  }
  self.out(';; connection timed out; no servers could be reached\n\n')
  return 1
}

function usage(self: Process): number {
  self.err(USAGE)
  return 1
}

function question(self: Process, name: string, type: string): Question {
  const id = self.world.random.below(65536)
  // musl's queries carry AD, glibc's do not.
  const authenticData = libcOf(self) === 'musl'
  const questions = [{ name: name.replace(/\.$/, ''), type, class: 'IN' }]
  try {
    const bytes = encodeMessage(dnsMessage({ id, recursionDesired: true, authenticData, questions }))
    return { name, id, bytes, answered: false }
  } catch {
    // res_mkquery refuses it: nothing is sent, and nothing is said.
    return { name, id, bytes: new Uint8Array(0), answered: true }
  }
}

/** The exit code; null when this server says nothing at all. */
async function ask(
  self: Process,
  questions: readonly Question[],
  server: Ipv4,
  named: string | undefined,
  { timeout, tries, port }: Pace,
): Promise<number | null> {
  const socket = new DnsSocket(self, { server, port, dontFragment: true })
  const began = self.now()
  let replies = 0
  let code = 0
  try {
    for (let sent = began; sent < began + timeout; sent += timeout / tries) {
      for (const question of questions) {
        if (question.answered) continue
        if (question !== questions[0]) await self.wait(() => {}, SYSTEM_CALL)
        const failed = socket.send(question.bytes)
        if (failed !== null) {
          self.err(`nslookup: write to '${named ?? formatIpv4(server)}': ${strerror(failed)}\n`)
          return null
        }
      }
      const until = Math.min(sent + timeout / tries, began + timeout)
      while (questions.some((question) => !question.answered)) {
        const got = await socket.receive(until)
        if (got === null) break
        if (typeof got === 'string') {
          self.err(`nslookup: read: ${strerror(got)}\n`)
          continue
        }
        if (replies++ === 0)
          self.out(`Server:\t\t${named ?? formatIpv4(server)}\nAddress:\t${formatIpv4(server)}:${port}\n\n`)
        if (print(self, questions, got) !== 0) code = 1
      }
    }
  } finally {
    socket.close()
  }
  if (replies === 0) return null
  const open = questions.filter((question) => !question.answered)
  for (const question of open) self.out(`*** Can't find ${question.name}: No answer\n`)
  if (open.length > 0) self.out('\n')
  return code
}

function print(self: Process, questions: readonly Question[], bytes: Uint8Array): number {
  const id = bytes.length < 4 ? -1 : (bytes[0] << 8) | bytes[1]
  const question = questions.find((open) => open.id === id && !open.answered)
  if (question === undefined) return 0
  question.answered = true
  const rcode = bytes[3] & 15
  if (rcode !== Rcode.NOERROR) {
    self.out(`** server can't find ${question.name}: ${rcodeName(rcode)}\n\n`)
    return 1
  }
  if ((bytes[2] & 0x04) === 0) self.out('Non-authoritative answer:\n')
  const message = decodeMessage(bytes)
  if (message === null) self.out(`*** Can't find ${question.name}: Parse error\n`)
  for (const record of message?.answers ?? []) self.out(answerText(record, false))
  self.out('\n')
  return message === null ? 1 : 0
}
