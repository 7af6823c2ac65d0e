/** What passes along CoreDNS's chain of plugins: a request, replies, and who handles them. */
import { type DnsMessage, type DnsQuestion, dnsMessage, Rcode } from '../../host/dns-message.ts'
import type { DnsQuery } from '../../host/dns-question.ts'
import type { Ipv4 } from '../../wire/address.ts'

export interface DnsRequest {
  readonly query: DnsQuery
  /** The query's, or what a plugin made of it. */
  readonly question: DnsQuestion
  readonly client: Ipv4
  readonly port: number
  readonly transport: 'udp' | 'tcp'
  readonly write: (reply: DnsMessage) => void
}

/**
 * ServeDNS's two results, once it has finished. SERVFAIL, REFUSED, FORMERR and NOTIMP say that nobody has written a
 * reply yet, and that the server must.
 */
export type Done = (rcode: number, error: string | null) => void

export interface Handler {
  serve(request: DnsRequest, done: Done): void
}

/** A chain's end: "no next plugin found". */
export const nobody: Handler = { serve: (_request, done) => done(Rcode.SERVFAIL, 'plugin/: no next plugin found') }

export function isWritten(rcode: number): boolean {
  return rcode !== Rcode.SERVFAIL && rcode !== Rcode.REFUSED && rcode !== Rcode.FORMERR && rcode !== Rcode.NOTIMP
}

/** A reply with the query's identity, as miekg/dns' SetReply makes it. */
export function replyTo(request: DnsRequest, fields: Partial<DnsMessage>): DnsMessage {
  const { id, opcode, recursionDesired, checkingDisabled } = request.query
  const bits = opcode === 0 ? { recursionDesired, checkingDisabled } : {}
  return dnsMessage({ id, response: true, opcode, ...bits, questions: [request.question], ...fields })
}

/** Whether the name is the zone's or one below it. The root is the empty text. */
export function isWithin(name: string, zone: string): boolean {
  const lower = name.toLowerCase()
  if (zone === '' || lower === zone) return true
  // A dot behind a backslash is part of a label.
  return lower.endsWith(`.${zone}`) && !/(^|[^\\])(\\\\)*\\$/.test(lower.slice(0, -zone.length - 1))
}

/** The most specific of these zones, which are lower case, that the name is in; null when it is in none. */
export function zoneOf(zones: readonly string[], name: string): string | null {
  let best: string | null = null
  for (const zone of zones) {
    if (isWithin(name, zone) && (best === null || zone.length > best.length)) best = zone
  }
  return best
}

/** fallthrough, with or without zones; null: an answer is always given here. */
export type Fallthrough = readonly string[] | null

export function fallsThrough(zones: Fallthrough, name: string): boolean {
  return zones !== null && (zones.length === 0 || zoneOf(zones, name) !== null)
}

/** What a reply says, for caches and logs (plugin/pkg/response). */
export type ReplyKind = 'success' | 'delegation' | 'nodata' | 'nxdomain' | 'servfail' | 'other'

export function kindOf(reply: DnsMessage): ReplyKind {
  const ok = reply.rcode === Rcode.NOERROR
  if (reply.opcode !== 0) return 'other'
  if (reply.answers.length > 0 && ok) return 'success'
  const soa = reply.authorities.some((record) => record.data.type === 'SOA')
  if (soa && ok) return 'nodata'
  if (soa && reply.rcode === Rcode.NXDOMAIN) return 'nxdomain'
  if (reply.rcode === Rcode.SERVFAIL || reply.rcode === Rcode.NOTIMP) return 'servfail'
  if (ok && reply.authorities.some((record) => record.data.type === 'NS')) return 'delegation'
  return ok ? 'success' : 'other'
}
