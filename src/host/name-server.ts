/**
 * A name server of the world outside: what a topology says of names, answered as a provider's resolver does: RA and no
 * AA, names compressed, aliases followed, denials with the SOA of a zone, and the root's where there is none.
 */

import { MICROSECOND } from '../sim/scheduler.ts'
import { ANY, tryParseIpv4 } from '../wire/address.ts'
import {
  type DnsData,
  type DnsMessage,
  type DnsRecord,
  dnsMessage,
  ipv6Bytes,
  Rcode,
  reverseName,
} from './dns-message.ts'
import { type DnsQuery, readQuery } from './dns-question.ts'
import { DNS_PORT, DnsStream, framed } from './dns-socket.ts'
import { encodeMessage, fitMessage } from './dns-writer.ts'
import type { Process, Program } from './process.ts'

/** Seconds, of records without a TTL of their own and of denials. */
const TTL = 300
const EDNS_SIZE = 1232
const LONGEST_CHAIN = 8
const BACKLOG = 128
const WAKE_UP = 50 * MICROSECOND

/** By lower-case name, without the final dot. */
export type NameTable = ReadonlyMap<string, readonly DnsRecord[]>

/** `203.0.113.5`, `60 203.0.113.5`, `CNAME www.example.org`, `MX 10 mail.example.org`, `TXT some words`; else null. */
export function parseRecord(name: string, text: string): DnsRecord | null {
  const words = text.trim().split(/\s+/)
  const ttl = /^[0-9]+$/.test(words[0]) ? Number(words.shift()) : TTL
  const data = dataOf(words)
  return data === null ? null : { name: name.toLowerCase().replace(/\.$/, ''), ttl, data }
}

function dataOf(words: readonly string[]): DnsData | null {
  const [first, ...rest] = words
  const bare = (word: string | undefined) => (word === undefined || word === '' ? null : word.replace(/\.$/, ''))
  const address = tryParseIpv4(first ?? '')
  if (address !== null && rest.length === 0) return { type: 'A', address }
  if (ipv6Bytes(first ?? '') !== null && rest.length === 0) return { type: 'AAAA', address: first }
  const target = bare(rest.at(-1))
  switch (first?.toUpperCase()) {
    case 'A':
    case 'AAAA':
      return rest.length === 1 ? dataOf(rest) : null
    case 'CNAME':
    case 'PTR':
    case 'NS':
      if (target === null || rest.length !== 1) return null
      return { type: first.toUpperCase() as 'CNAME' | 'PTR' | 'NS', target }
    case 'MX':
      if (target === null || rest.length !== 2 || !/^[0-9]+$/.test(rest[0])) return null
      return { type: 'MX', preference: Number(rest[0]), target }
    case 'SRV': {
      if (target === null || rest.length !== 4 || !rest.slice(0, 3).every((word) => /^[0-9]+$/.test(word))) return null
      const [priority, weight, port] = rest.map(Number)
      return { type: 'SRV', priority, weight, port, target }
    }
    case 'TXT':
      return rest.length === 0 ? null : { type: 'TXT', texts: [rest.join(' ').replace(/^"(.*)"$/, '$1')] }
    default:
      return null
  }
}

/** Names with their records' texts; addresses point back to the first name that has them. */
export function nameTable(names: Readonly<Record<string, string | readonly string[]>>): NameTable {
  const table = new Map<string, DnsRecord[]>()
  const add = (record: DnsRecord) => table.set(record.name, [...(table.get(record.name) ?? []), record])
  for (const [name, texts] of Object.entries(names)) {
    for (const text of [texts].flat()) {
      const record = parseRecord(name, text)
      if (record !== null) add(record)
    }
  }
  for (const record of [...table.values()].flat()) {
    if (record.data.type !== 'A') continue
    const back = reverseName(record.data.address)
    if (!table.has(back)) add({ name: back, ttl: record.ttl, data: { type: 'PTR', target: record.name } })
  }
  return table
}

/** The records of a name, behind its aliases. */
function lookUp(table: NameTable, name: string, type: string): { records: DnsRecord[]; exists: boolean; last: string } {
  const records: DnsRecord[] = []
  let last = name
  for (let link = 0; link < LONGEST_CHAIN; link++) {
    const known = table.get(last.toLowerCase())
    if (known === undefined) return { records, exists: hasBelow(table, last), last }
    const fitting = known.filter((record) => record.data.type === type || type === 'ANY')
    const spelled = (record: DnsRecord) => ({ ...record, name: last })
    if (fitting.length > 0) return { records: [...records, ...fitting.map(spelled)], exists: true, last }
    const alias = known.find((record) => record.data.type === 'CNAME')
    if (alias?.data.type !== 'CNAME') return { records, exists: true, last }
    records.push(spelled(alias))
    last = alias.data.target
  }
  return { records, exists: true, last }
}

/** A name exists when one below it does (RFC 8020). */
function hasBelow(table: NameTable, name: string): boolean {
  const end = `.${name.toLowerCase()}`
  for (const known of table.keys()) if (known.endsWith(end)) return true
  return false
}

/** Of the last two labels, when a name of theirs is known; else of the root. */
function soaFor(table: NameTable, name: string): DnsRecord {
  const zone = name.toLowerCase().split('.').slice(-2).join('.')
  const held = table.has(zone) || hasBelow(table, zone)
  const origin = held ? zone : ''
  const [primary, mailbox] = held
    ? [`ns.${zone}`, `hostmaster.${zone}`]
    : ['a.root-servers.net', 'nstld.verisign-grs.com']
  const times = { serial: 2_026_010_100, refresh: 1800, retry: 900, expire: 604_800, minimum: TTL }
  return { name: origin, ttl: TTL, data: { type: 'SOA', primary, mailbox, ...times } }
}

/** The reply's bytes; null for what is not worth one. */
export function nameServerReply(table: NameTable, bytes: Uint8Array, transport: 'udp' | 'tcp'): Uint8Array | null {
  if (bytes.length < 12 || (bytes[2] & 0x80) !== 0) return null
  const query = readQuery(bytes)
  const limit = transport === 'tcp' ? 65_535 : Math.min(EDNS_SIZE, Math.max(512, query.edns?.size ?? 0))
  const { message } = fitMessage(replyTo(table, query), limit)
  return encodeMessage(message, { compress: true })
}

function replyTo(table: NameTable, query: DnsQuery): DnsMessage {
  const { id, opcode, question, recursionDesired, checkingDisabled } = query
  const edns = query.edns === null ? null : { size: EDNS_SIZE, version: 0, dnssecOk: query.edns.dnssecOk, options: [] }
  const head = { id, response: true, opcode, recursionDesired, checkingDisabled, recursionAvailable: true, edns }
  if (opcode !== 0) return dnsMessage({ ...head, rcode: Rcode.NOTIMP })
  if (question === null || query.broken) return dnsMessage({ ...head, rcode: Rcode.FORMERR })
  const found = lookUp(table, question.name, question.type)
  const empty = found.records.length === 0 || found.records.at(-1)?.data.type === 'CNAME'
  const rcode = found.exists ? Rcode.NOERROR : Rcode.NXDOMAIN
  const denies = empty && question.type !== 'CNAME'
  const authorities = denies ? [soaFor(table, found.last)] : []
  return dnsMessage({ ...head, rcode, questions: [question], answers: found.records, authorities })
}

/** Serves by UDP and TCP until it is killed. */
export function nameServer(table: NameTable): Program {
  return async (self) => {
    const socket = self.udp()
    const listening = self.tcp()
    const listener = listening.bind(ANY, DNS_PORT) ?? listening.listen(BACKLOG)
    if (socket.bind(ANY, DNS_PORT) !== null || typeof listener === 'string') {
      self.err('bind: address already in use\n')
      return 1
    }
    socket.onDatagram = (payload, from, port) => {
      self.world.scheduler.call(WAKE_UP, () => {
        const reply = nameServerReply(table, payload, 'udp')
        if (reply !== null && !self.killed) socket.sendTo(reply, from, port)
      })
    }
    self.own(listener)
    listener.onAccept = (connection) => answer(self, connection, table)
    return self.forever()
  }
}

function answer(self: Process, connection: ReturnType<Process['tcp']>, table: NameTable): void {
  const stream = new DnsStream()
  const chunk = new Uint8Array(4096)
  self.own(connection)
  const end = () => {
    self.disclaim(connection)
    connection.close()
  }
  connection.onClose = () => self.disclaim(connection)
  connection.onReadable = () => {
    while (connection.readable > 0) stream.push(chunk.slice(0, connection.read(chunk)))
    for (let query = stream.shift(); query !== null; query = stream.shift()) {
      const reply = nameServerReply(table, query, 'tcp')
      if (reply !== null && connection.write(framed(reply)) < reply.length + 2) return end()
    }
    if (connection.ended) end()
  }
}
