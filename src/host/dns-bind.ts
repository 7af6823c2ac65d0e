/**
 * How BIND's dig, nslookup and host ask (bin/dig/dighost.c): each query from a socket of its own with DF off,
 * three tries, their own search list that only NXDOMAIN moves along.
 */
import type { Errno } from '../net/errno.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { formatIpv4, type Ipv4, tryParseIpv4 } from '../wire/address.ts'
import { type DnsMessage, dnsMessage, type Edns, Rcode } from './dns-message.ts'
import { askByTcp, DNS_PORT, DnsSocket } from './dns-socket.ts'
import { encodeMessage } from './dns-writer.ts'
import type { Process } from './process.ts'
import { decodeMessage, resolve } from './resolver.ts'

export interface BindQuery {
  readonly type: string
  /** IN when absent. */
  readonly class?: string
  readonly servers: readonly Ipv4[]
  readonly port: number
  readonly recurse: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  readonly edns: Edns | null
  readonly tcp: boolean
  /** Take a truncated answer as it is (+ignore). */
  readonly keepTruncated: boolean
  /** Of one try. */
  readonly timeout: Nanos
  readonly tries: number
  /** nslookup wants servers that recurse, and says so when one does not. */
  readonly wantsRecursion: boolean
}

/** What the three tools have in common. */
export const bindDefaults: Omit<BindQuery, 'type' | 'servers'> = {
  port: DNS_PORT,
  recurse: true,
  authenticData: false,
  checkingDisabled: false,
  edns: null,
  tcp: false,
  keepTruncated: false,
  timeout: 5 * SECOND,
  tries: 3,
  wantsRecursion: false,
}

export interface BindReply {
  readonly message: DnsMessage
  readonly server: Ipv4
  /** Length of the message in bytes. */
  readonly size: number
  readonly tcp: boolean
  /** When the query was sent, and how long it took. */
  readonly sentAt: Nanos
  readonly took: Nanos
}

const reasons: Partial<Record<Errno, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENETUNREACH: 'network unreachable',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'timed out',
  EACCES: 'permission denied',
}

function reasonOf(failure: Errno | null): string {
  return failure === null ? 'timed out' : (reasons[failure] ?? 'unexpected error')
}

const NO_SERVERS = ';; no servers could be reached\n'

function complaintOf(name: string, query: BindQuery, server: Ipv4, failure: Errno | null): string {
  const where = `${formatIpv4(server)}#${query.port}`
  if (!query.tcp || failure === null) return `;; communications error to ${where}: ${reasonOf(failure)}\n`
  return `;; Connection to ${where}(${formatIpv4(server)}) for ${name} failed: ${reasonOf(failure)}.\n`
}

/** Asks all servers for this very name. Null when none answered; complaints are printed as they come. */
export async function askBind(self: Process, name: string, query: BindQuery): Promise<BindReply | null> {
  for (let index = 0; index < query.servers.length; index++) {
    const server = query.servers[index]
    const last = index === query.servers.length - 1
    for (let attempt = 0; attempt < query.tries; attempt++) {
      const got = await askOnce(self, name, query, server)
      if (got === null || typeof got === 'string') {
        self.out(complaintOf(name, query, server, got))
        // Each refused connection is a lookup that failed by itself; of the last one the caller says so.
        const more = attempt + 1 < query.tries || !last
        if (query.tcp && got !== null && got !== 'ETIMEDOUT' && more) self.out(NO_SERVERS)
        continue
      }
      const servfail = got.message.rcode === Rcode.SERVFAIL
      const deaf = query.wantsRecursion && query.recurse && !got.message.recursionAvailable
      if (servfail || deaf) {
        const what = servfail ? 'SERVFAIL reply' : 'recursion not available'
        if (!last) {
          self.out(`;; Got ${what} from ${formatIpv4(server)}, trying next server\n`)
          break
        }
        if (query.wantsRecursion) self.out(`;; Got ${what} from ${formatIpv4(server)}\n`)
      }
      return got
    }
  }
  return null
}

async function askOnce(self: Process, name: string, query: BindQuery, server: Ipv4): Promise<BindReply | Errno | null> {
  const id = self.world.random.below(65536)
  const bytes = encodeMessage(
    dnsMessage({
      id,
      recursionDesired: query.recurse,
      authenticData: query.authenticData,
      checkingDisabled: query.checkingDisabled,
      questions: [{ name, type: query.type, class: query.class ?? 'IN' }],
      edns: query.edns,
    }),
  )
  const sentAt = self.now()
  let tcp = query.tcp
  let got = tcp
    ? await askByTcp(self, bytes, server, query.port, query.timeout)
    : await askByUdp(self, bytes, id, query, server)
  let message = got instanceof Uint8Array ? decodeMessage(got) : null
  if (message?.truncated && !tcp && !query.keepTruncated) {
    self.out(';; Truncated, retrying in TCP mode.\n')
    tcp = true
    got = await askByTcp(self, bytes, server, query.port, query.timeout)
    message = got instanceof Uint8Array ? decodeMessage(got) : null
  }
  if (!(got instanceof Uint8Array)) return got
  if (message === null) return null
  return { message, server, size: got.length, tcp, sentAt, took: self.now() - sentAt }
}

async function askByUdp(
  self: Process,
  bytes: Uint8Array,
  id: number,
  query: BindQuery,
  server: Ipv4,
): Promise<Uint8Array | Errno | null> {
  const socket = new DnsSocket(self, { server, port: query.port, dontFragment: false })
  try {
    const failed = socket.error ?? socket.send(bytes)
    if (failed !== null) return failed
    const deadline = self.now() + query.timeout
    for (;;) {
      const got = await socket.receive(deadline)
      if (!(got instanceof Uint8Array)) return got
      const message = decodeMessage(got)
      if (message?.response && message.id === id) return got
    }
  } finally {
    socket.close()
  }
}

export interface BindSearch {
  readonly search: readonly string[]
  readonly ndots: number
}

/**
 * The names to try, in order: the search list and then the bare name when it has too few dots, otherwise itself alone
 * (next_origin: unlike the C library, BIND's tools do not search for a name that was asked as it is).
 */
export function candidates(name: string, { search, ndots }: BindSearch): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const searched = search.map((domain) => (domain === '' ? name : `${name}.${domain}`))
  const dots = name.split('.').length - 1
  return dots >= ndots ? [name] : [...searched, name]
}

/** Tries the names until one exists; the last reply counts when none does. */
export async function searchBind(
  self: Process,
  names: readonly string[],
  query: BindQuery,
): Promise<{ readonly name: string; readonly reply: BindReply } | null> {
  let last: { name: string; reply: BindReply } | null = null
  for (const name of names) {
    const reply = await askBind(self, name, query)
    if (reply === null) return null
    last = { name, reply }
    if (reply.message.rcode !== Rcode.NXDOMAIN) return last
  }
  return last
}

/** Whether a name can be asked for at all. */
export function isLegalName(name: string): boolean {
  try {
    encodeMessage(dnsMessage({ questions: [{ name: name.replace(/\.$/, ''), type: 'A', class: 'IN' }] }))
    return true
  } catch {
    return false
  }
}

/** The address of a server given on the command line, by name or number; null when it has none. */
export async function serverAddress(self: Process, text: string): Promise<Ipv4 | null> {
  const literal = tryParseIpv4(text)
  if (literal !== null) return literal
  const found = await resolve(self, text, { family: 4 })
  return 'error' in found ? null : (found.addresses[0] ?? null)
}
