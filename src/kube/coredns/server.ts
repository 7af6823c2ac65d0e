/**
 * The CoreDNS server: datagrams and streams in, the chain of plugins, replies out (core/dnsserver of CoreDNS 1.11, and
 * github.com/miekg/dns' server beneath it).
 *
 * Replies that fit are NOT compressed: CoreDNS compresses names only when the reply would else be larger than the
 * client takes (512 bytes without EDNS), and truncates when that is not enough.
 */
import { COOKIE, type DnsMessage, dnsMessage, type Edns, Rcode } from '../../host/dns-message.ts'
import { type DnsQuery, readQuery } from '../../host/dns-question.ts'
import { encodeMessage, fitMessage } from '../../host/dns-writer.ts'
import type { Ipv4 } from '../../wire/address.ts'
import { type DnsRequest, isWithin, isWritten, replyTo } from './request.ts'
import type { Site } from './setup.ts'

const HEADER = 12
const QUERY = 0
const NOTIFY = 4
const SMALLEST_LIMIT = 512
const LARGEST = 65_535
/** Above this CoreDNS compresses UDP replies even if the client would take them: no fragments. */
const UNFRAGMENTED = 1480
/** NSID, EXPIRE, COOKIE, TCP-KEEPALIVE, PADDING: options that are sent back as they came. */
const ECHOED_OPTIONS: readonly number[] = [3, 9, COOKIE, 11, 12]

export type Send = (bytes: Uint8Array) => void

export interface Client {
  readonly address: Ipv4
  readonly port: number
  readonly transport: 'udp' | 'tcp'
}

/** One port. */
export class DnsServer {
  readonly #sites: readonly Site[]

  constructor(sites: readonly Site[]) {
    this.#sites = sites
  }

  /** Fragments of a header and replies are not worth an answer. */
  receive(bytes: Uint8Array, client: Client, send: Send): void {
    if (bytes.length < HEADER || (bytes[2] & 0x80) !== 0) return
    const opcode = (bytes[2] >>> 3) & 15
    if (opcode !== QUERY && opcode !== NOTIFY) return send(rejection(bytes, opcode, Rcode.NOTIMP, null))
    const counts = [4, 6, 8, 10].map((at) => (bytes[at] << 8) | bytes[at + 1])
    // One question, at most one record in an answer (NOTIFY) and an authority (IXFR), two behind them.
    if (counts[0] !== 1 || counts[1] > 1 || counts[2] > 1 || counts[3] > 2)
      return send(rejection(bytes, QUERY, Rcode.FORMERR, null))
    const query = readQuery(bytes)
    if (query.broken) return send(rejection(bytes, QUERY, Rcode.FORMERR, query))
    const { question, edns, id } = query
    if (question === null) {
      const { recursionDesired, checkingDisabled } = query
      const bits = { recursionDesired, checkingDisabled }
      return send(encodeMessage(dnsMessage({ id, response: true, opcode, ...bits, rcode: Rcode.SERVFAIL })))
    }
    const limit = client.transport === 'tcp' ? LARGEST : Math.max(SMALLEST_LIMIT, edns?.size ?? 0)
    const write = (reply: DnsMessage) => send(fitted({ ...reply, edns: ednsOf(edns, reply.edns) }, limit, client))
    const request: DnsRequest = {
      query,
      question,
      client: client.address,
      port: client.port,
      transport: client.transport,
      write,
    }
    if (question.class !== 'IN' && !this.#sites.some((site) => site.chaos))
      return write(replyTo(request, { rcode: Rcode.REFUSED }))
    if (edns !== null && edns.version !== 0) return send(badVersion(query))
    this.serve(request)
  }

  /** The site with the longest fitting zone; whatever it does not write is written here. */
  serve(request: DnsRequest): void {
    const { name, type } = request.question
    const fitting = this.#sites.filter(({ zone }) => isWithin(name, zone)).sort((a, b) => b.zone.length - a.zone.length)
    // A DS record is the parent's, if we have that too.
    const site = type === 'DS' ? (fitting.findLast(({ zone }) => zone !== '') ?? fitting[0]) : fitting[0]
    if (site === undefined) return request.write(replyTo(request, { rcode: Rcode.REFUSED }))
    site.handler.serve(request, (rcode) => {
      if (!isWritten(rcode)) request.write(replyTo(request, { rcode }))
    })
  }

  /** Another question in a client's place, whose answer goes to `answer`. */
  lookUp(request: DnsRequest, name: string, type: string, answer: (reply: DnsMessage) => void): void {
    const question = { name, type, class: 'IN' }
    this.serve({ ...request, question, write: answer })
  }
}

/** What miekg/dns answers before anybody else sees the message: header bits as they came, and no records. */
function rejection(bytes: Uint8Array, opcode: number, rcode: number, query: DnsQuery | null): Uint8Array {
  const flags = (bytes[2] << 8) | bytes[3]
  return encodeMessage(
    dnsMessage({
      id: (bytes[0] << 8) | bytes[1],
      response: true,
      opcode,
      rcode,
      truncated: (flags & 0x0200) !== 0,
      recursionDesired: (flags & 0x0100) !== 0,
      recursionAvailable: (flags & 0x0080) !== 0,
      authenticData: (flags & 0x0020) !== 0,
      checkingDisabled: (flags & 0x0010) !== 0,
      questions: query === null || query.question === null ? [] : [query.question],
    }),
  )
}

/** BADVERS is 16: its lower four bits are in the header, the upper eight in the OPT record. */
function badVersion({ id, opcode, recursionDesired, checkingDisabled }: DnsQuery): Uint8Array {
  const edns = { size: 0, version: 0, dnssecOk: false, extendedRcode: 1, options: [] }
  return encodeMessage(dnsMessage({ id, response: true, opcode, recursionDesired, checkingDisabled, edns }))
}

/** The client's own OPT record without what CoreDNS does not know, or that of an upstream in the client's size. */
function ednsOf(asked: Edns | null, answered: Edns | null): Edns | null {
  if (asked === null) return answered
  const own = asked.options.filter((option) => ECHOED_OPTIONS.includes(option.code))
  const dnssecOk = asked.dnssecOk || answered?.dnssecOk === true
  return { size: asked.size, version: 0, dnssecOk, options: answered?.options ?? own }
}

/** As large as it may be: plain, else compressed, else without the records that do not fit, and marked as cut. */
function fitted(reply: DnsMessage, limit: number, client: Client): Uint8Array {
  const { message, compress } = fitMessage(reply, limit)
  const bytes = encodeMessage(message, { compress })
  if (compress || client.transport === 'tcp' || bytes.length <= UNFRAGMENTED) return bytes
  return encodeMessage(message, { compress: true })
}
