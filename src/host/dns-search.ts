/**
 * The DNS half of getaddrinfo: which names are tried in which order (search list and ndots), through which
 * sockets, and when the library gives up. glibc: resolv/res_query.c and res_send.c; musl: src/network/.
 */
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { muslUsesTcp, type ResolverConfig, type ResolverFlag } from './dns-config.ts'
import { type DnsMessage, dnsMessage, Rcode, sameName } from './dns-message.ts'
import { askAllByTcp, askByTcp, DNS_PORT, DnsSocket } from './dns-socket.ts'
import { encodeMessage } from './dns-writer.ts'
import type { Process } from './process.ts'

/** What became of a name: `none` is NXDOMAIN, `again` that nobody answered. */
export type Lookup =
  | { readonly status: 'found'; readonly name: string; readonly messages: readonly (DnsMessage | null)[] }
  | { readonly status: 'none' | 'nodata' | 'again' | 'failed' }

export type Decode = (bytes: Uint8Array) => DnsMessage | null

interface Query {
  readonly type: string
  readonly id: number
  readonly bytes: Uint8Array
  reply: DnsMessage | null
  /** Answered, though perhaps with a refusal. */
  done: boolean
}

/** What one name and all servers gave. */
type Sent =
  | { readonly status: 'answered'; readonly queries: readonly Query[] }
  | { readonly status: 'timeout' | 'unreachable' | 'servfail' }

const TIMEOUT = 5
const ATTEMPTS = 2

/** What glibc offers with `options edns0` (RESOLV_EDNS_BUFFER_SIZE). */
const EDNS_SIZE = 1200

function queriesFor(
  self: Process,
  name: string,
  types: readonly string[],
  authenticData: boolean,
  extended = false,
): Query[] | null {
  const edns = extended ? { size: EDNS_SIZE, version: 0, dnssecOk: false, options: [] } : null
  try {
    return types.map((type) => {
      const id = self.world.random.below(65536)
      const questions = [{ name, type, class: 'IN' }]
      const bytes = encodeMessage(dnsMessage({ id, recursionDesired: true, authenticData, questions, edns }))
      return { type, id, bytes, reply: null, done: false }
    })
  } catch {
    // Too long a label or name: the libraries answer that it does not exist, and send nothing.
    return null
  }
}

/** The open query that this message answers. */
function match(queries: readonly Query[], message: DnsMessage | null, name: string): Query | null {
  if (message === null || !message.response) return null
  const [question] = message.questions
  for (const query of queries) {
    const same = question === undefined || (question.type === query.type && sameName(question.name, name))
    if (!query.done && query.id === message.id && same) return query
  }
  return null
}

function isRefusal(rcode: number): boolean {
  return rcode === Rcode.SERVFAIL || rcode === Rcode.NOTIMP || rcode === Rcode.REFUSED
}

function dotsIn(name: string): number {
  return name.split('.').length - 1
}

/** glibc: with fewer dots than ndots the search list comes first and the bare name last; else the other way round. */
export async function searchGlibc(
  self: Process,
  name: string,
  types: readonly string[],
  config: ResolverConfig,
  decode: Decode,
): Promise<Lookup> {
  const absolute = name.endsWith('.')
  const bare = absolute ? name.slice(0, -1) : name
  const wanted = config.flags.includes('no-aaaa') ? types.filter((type) => type !== 'AAAA') : types
  if (wanted.length === 0) return { status: 'nodata' }
  const ask = (candidate: string) => askGlibc(self, candidate, wanted, config, decode)
  const asIs = absolute || dotsIn(name) >= config.ndots
  let first: Lookup | null = null
  if (asIs) {
    first = (await ask(bare)).lookup
    if (absolute || first.status === 'found') return first
  }
  let nodata = false
  let servfail = false
  for (const domain of config.search) {
    const { lookup, sent } = await ask(domain === '' ? bare : `${bare}.${domain}`)
    if (lookup.status === 'found' || sent === 'unreachable') return lookup
    if (lookup.status === 'nodata') nodata = true
    else if (sent === 'servfail') servfail = true
    else if (lookup.status !== 'none') break // nobody answers: the rest of the list is not tried
  }
  const last = first ?? (await ask(bare)).lookup
  if (last.status === 'found' || first !== null) return last
  if (nodata) return { status: 'nodata' }
  return servfail ? { status: 'again' } : last
}

async function askGlibc(
  self: Process,
  name: string,
  types: readonly string[],
  config: ResolverConfig,
  decode: Decode,
): Promise<{ lookup: Lookup; sent: Sent['status'] }> {
  const sent = await sendGlibc(self, name, types, config, decode)
  if (sent === null) return { lookup: { status: 'none' }, sent: 'answered' }
  if (sent.status !== 'answered') return { lookup: { status: 'again' }, sent: sent.status }
  return { lookup: verdict(name, sent.queries), sent: 'answered' }
}

/** What the replies say of the name: an answer to either question makes it exist. */
function verdict(name: string, queries: readonly Query[]): Lookup {
  const replies = queries.map((query) => query.reply)
  const has = (test: (reply: DnsMessage) => boolean) => replies.some((reply) => reply !== null && test(reply))
  if (has((reply) => reply.rcode === Rcode.NOERROR && reply.answers.length > 0))
    return { status: 'found', name, messages: replies }
  if (has((reply) => reply.rcode === Rcode.NOERROR)) return { status: 'nodata' }
  if (has((reply) => reply.rcode === Rcode.NXDOMAIN)) return { status: 'none' }
  return { status: has((reply) => isRefusal(reply.rcode)) ? 'again' : 'failed' }
}

/** Every server in turn, twice over; a socket that only waited in vain is used again (res_nsend keeps one per server). */
async function sendGlibc(
  self: Process,
  name: string,
  types: readonly string[],
  config: ResolverConfig,
  decode: Decode,
): Promise<Sent | null> {
  const { flags } = config
  const queries = queriesFor(self, name, types, flags.includes('trust-ad'), flags.includes('edns0'))
  if (queries === null) return null
  const attempts = config.attempts ?? ATTEMPTS
  const sockets: (DnsSocket | undefined)[] = []
  try {
    return await askInTurn(self, name, queries, config, decode, attempts, sockets)
  } finally {
    for (const socket of sockets) socket?.close()
  }
}

async function askInTurn(
  self: Process,
  name: string,
  queries: readonly Query[],
  config: ResolverConfig,
  decode: Decode,
  attempts: number,
  sockets: (DnsSocket | undefined)[],
): Promise<Sent> {
  let outcome: Sent['status'] = 'unreachable'
  const { nameservers, flags } = config
  // With `rotate`, any of them may be the first.
  const first = flags.includes('rotate') ? self.world.random.below(nameservers.length) : 0
  for (let attempt = 0; attempt < attempts; attempt++) {
    for (let index = 0; index < config.nameservers.length; index++) {
      const seconds = (config.timeout ?? TIMEOUT) << index
      const timeout = (index === 0 ? seconds : Math.max(1, Math.floor(seconds / config.nameservers.length))) * SECOND
      for (const query of queries) {
        query.done = false
        query.reply = null
      }
      const server = nameservers[(first + index) % nameservers.length]
      const options = { server, port: DNS_PORT, dontFragment: true, receiveErrors: true }
      const socket = sockets[index] ?? new DnsSocket(self, options)
      sockets[index] = socket
      const result = flags.includes('use-vc')
        ? await streamGlibc(self, name, queries, server, timeout, decode)
        : await pairGlibc(self, socket, name, queries, server, timeout, decode, flags)
      if (result !== 'timeout') {
        socket.close()
        sockets[index] = undefined
      }
      if (result === 'answered') return { status: 'answered', queries }
      if (result !== 'unreachable') outcome = result
    }
  }
  return { status: outcome as 'timeout' | 'unreachable' | 'servfail' }
}

/**
 * Both questions from one connected socket, sent back to back. When only one of the two is answered in time,
 * glibc takes the server for one that cannot do that, and asks again one after the other: the five-second pause
 * that a lost AAAA query shows.
 */
async function pairGlibc(
  self: Process,
  socket: DnsSocket,
  name: string,
  queries: readonly Query[],
  server: Ipv4,
  timeout: Nanos,
  decode: Decode,
  flags: readonly ResolverFlag[],
): Promise<Sent['status']> {
  if (socket.error !== null) return 'unreachable'
  const reopen = flags.includes('single-request-reopen')
  const single = reopen || flags.includes('single-request')
  const together = single
    ? await oneByOne(self, socket, name, queries, server, timeout, decode, reopen)
    : await exchange(self, socket, name, queries, timeout, decode)
  if (!single && together === 'timeout' && queries.some((query) => query.done)) {
    for (const query of queries) {
      query.done = false
      query.reply = null
      const alone = await exchange(self, socket, name, [query], timeout, decode)
      if (alone !== 'answered') return queries.some((other) => other.reply !== null) ? 'answered' : alone
    }
  } else if (together !== 'answered') return together
  if (queries.every((query) => query.reply !== null && isRefusal(query.reply.rcode))) return 'servfail'
  for (const query of queries) {
    if (query.reply === null || !query.reply.truncated) continue
    const whole = await askByTcp(self, query.bytes, server, DNS_PORT, timeout)
    if (whole instanceof Uint8Array) query.reply = decode(whole) ?? query.reply
  }
  return 'answered'
}

/** The second question when the first is answered, from the same socket or from another (`reopen`). */
async function oneByOne(
  self: Process,
  socket: DnsSocket,
  name: string,
  queries: readonly Query[],
  server: Ipv4,
  timeout: Nanos,
  decode: Decode,
  reopen: boolean,
): Promise<'answered' | 'timeout' | 'unreachable'> {
  for (const query of queries) {
    const other = reopen && query !== queries[0]
    const own = other
      ? new DnsSocket(self, { server, port: DNS_PORT, dontFragment: true, receiveErrors: true })
      : socket
    const result = await exchange(self, own, name, [query], timeout, decode)
    if (other) own.close()
    if (result !== 'answered') return result
  }
  return 'answered'
}

/** `use-vc`: both questions in one write of one connection. */
async function streamGlibc(
  self: Process,
  name: string,
  queries: readonly Query[],
  server: Ipv4,
  timeout: Nanos,
  decode: Decode,
): Promise<Sent['status']> {
  const got = await askAllByTcp(
    self,
    queries.map((query) => query.bytes),
    server,
    DNS_PORT,
    timeout,
  )
  if (got === null) return 'timeout'
  if (typeof got === 'string') return 'unreachable'
  for (const bytes of got) {
    const message = decode(bytes)
    const query = match(queries, message, name)
    if (query === null) continue
    query.reply = message
    query.done = true
  }
  return queries.every((query) => query.done) ? 'answered' : 'timeout'
}

async function exchange(
  self: Process,
  socket: DnsSocket,
  name: string,
  queries: readonly Query[],
  timeout: Nanos,
  decode: Decode,
): Promise<'answered' | 'timeout' | 'unreachable'> {
  for (const query of queries) if (socket.send(query.bytes) !== null) return 'unreachable'
  const deadline = self.now() + timeout
  while (queries.some((query) => !query.done)) {
    const got = await socket.receive(deadline)
    if (got === null) return 'timeout'
    if (typeof got === 'string') return 'unreachable'
    const message = decode(got)
    const query = match(queries, message, name)
    if (query === null) continue
    query.reply = message
    query.done = true
  }
  return 'answered'
}

/** Of resolv.conf, as musl reads it (resolvconf.c). */
const MUSL_LINE = 256

/** musl: a name with ndots dots is never searched; any answer but NXDOMAIN ends the search. */
export async function searchMusl(
  self: Process,
  name: string,
  types: readonly string[],
  config: ResolverConfig,
  decode: Decode,
): Promise<Lookup> {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  // musl passes over lines that do not fit its buffer.
  const fits = `search ${config.search.join(' ')}\n`.length < MUSL_LINE
  const searched = fits && !name.endsWith('.') && dotsIn(name) < config.ndots ? config.search : []
  for (const domain of searched) {
    const lookup = await askMusl(self, `${bare}.${domain}`, types, config, decode)
    if (lookup.status !== 'none') return lookup
  }
  return askMusl(self, bare, types, config, decode)
}

/** All questions to all servers at once, from one socket that is not connected; what is open is sent again halfway. */
async function askMusl(
  self: Process,
  name: string,
  types: readonly string[],
  config: ResolverConfig,
  decode: Decode,
): Promise<Lookup> {
  // musl sets AD in its queries.
  const queries = queriesFor(self, name, types, true)
  if (queries === null) return { status: 'none' }
  const timeout = (config.timeout ?? TIMEOUT) * SECOND
  const interval = timeout / (config.attempts ?? ATTEMPTS)
  const began = self.now()
  const socket = new DnsSocket(self, { server: null, port: DNS_PORT, dontFragment: true })
  let retries = 2 * queries.length
  try {
    for (let sent = began; sent < began + timeout; sent += interval) {
      for (const query of queries) {
        if (!query.done) for (const server of config.nameservers) socket.sendTo(query.bytes, server)
      }
      while (queries.some((query) => !query.done)) {
        const got = await socket.receive(Math.min(sent + interval, began + timeout))
        if (got === null) break
        if (typeof got === 'string') continue
        const message = decode(got)
        const query = match(queries, message, name)
        if (query === null || message === null) continue
        if (message.rcode === Rcode.NOERROR || message.rcode === Rcode.NXDOMAIN) {
          query.reply = message
          query.done = true
        } else if (message.rcode === Rcode.SERVFAIL && retries > 0) {
          retries--
          for (const server of config.nameservers) socket.sendTo(query.bytes, server)
        }
      }
      if (queries.every((query) => query.done)) break
    }
  } finally {
    socket.close()
  }
  if (queries.some((query) => query.reply === null)) return { status: 'again' }
  for (const query of muslUsesTcp(self) ? queries : []) {
    if (!query.reply?.truncated) continue
    const whole = await askByTcp(self, query.bytes, config.nameservers[0], DNS_PORT, timeout)
    if (whole instanceof Uint8Array) query.reply = decode(whole) ?? query.reply
  }
  return verdict(name, queries)
}
