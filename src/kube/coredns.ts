/**
 * The CoreDNS server of the cluster: UDP and TCP port 53 of its pod, with the replies' sizes, flags and order of
 * the real one (github.com/coredns/coredns 1.11, which packs messages with github.com/miekg/dns).
 *
 * Replies that fit are NOT compressed: CoreDNS compresses names only when the reply would else be larger than the
 * client takes (512 bytes without EDNS), and truncates when that is not enough.
 */
import { COOKIE, type DnsMessage, dnsMessage, type Edns, encodeMessage, Rcode } from '../host/dns-message.ts'
import { DNS_PORT, DnsStream, framed } from '../host/dns-socket.ts'
import type { Process, Program } from '../host/process.ts'
import { decodeMessage } from '../host/resolver.ts'
import type { TcpSocket } from '../socket/tcp/socket.ts'
import { ANY } from '../wire/address.ts'
import { CoreDnsZone, type DnsRecords } from './coredns-zone.ts'

const HEADER = 12
/** RFC 1035's limit for UDP. */
const SMALLEST_LIMIT = 512
const LARGEST = 65_535
/** Above this CoreDNS compresses UDP replies even if the client would take them: no fragments. */
const UNFRAGMENTED = 1480
/** NSID, EXPIRE, COOKIE, TCP-KEEPALIVE, PADDING: options that are sent back as they came. */
const ECHOED_OPTIONS: readonly number[] = [3, 9, COOKIE, 11, 12]
const BACKLOG = 128

/** The reply's bytes; null for what is not worth one: fragments of a header, and replies. */
export function coreDnsReply(zone: CoreDnsZone, bytes: Uint8Array, transport: 'udp' | 'tcp'): Uint8Array | null {
  if (bytes.length < HEADER || (bytes[2] & 0x80) !== 0) return null
  const opcode = (bytes[2] >>> 3) & 15
  if (opcode !== 0) return rejection(bytes, opcode, Rcode.NOTIMP)
  const query = decodeMessage(bytes)
  if (query === null || query.questions.length !== 1) return rejection(bytes, 0, Rcode.FORMERR)
  try {
    return fitted({ ...zone.answer(query), edns: ednsReply(query.edns) }, limitOf(query, transport), transport)
  } catch {
    // A label that cannot be written back, such as one that is not text.
    return rejection(bytes, 0, Rcode.FORMERR)
  }
}

function rejection(bytes: Uint8Array, opcode: number, rcode: number): Uint8Array {
  const id = (bytes[0] << 8) | bytes[1]
  return encodeMessage(dnsMessage({ id, response: true, opcode, rcode, recursionDesired: (bytes[2] & 1) !== 0 }))
}

/** The client's own OPT record, without what CoreDNS does not know. */
function ednsReply(edns: Edns | null): Edns | null {
  if (edns === null) return null
  const options = edns.options.filter((option) => ECHOED_OPTIONS.includes(option.code))
  return { size: edns.size, version: 0, dnssecOk: edns.dnssecOk, options }
}

function limitOf(query: DnsMessage, transport: 'udp' | 'tcp'): number {
  if (transport === 'tcp') return LARGEST
  return Math.max(SMALLEST_LIMIT, query.edns?.size ?? 0)
}

/** As large as it may be: plain, else compressed, else without the records that do not fit, and marked as cut. */
function fitted(message: DnsMessage, limit: number, transport: 'udp' | 'tcp'): Uint8Array {
  const plain = encodeMessage(message)
  if (plain.length <= limit && (transport === 'tcp' || plain.length <= UNFRAGMENTED)) return plain
  const compressed = encodeMessage(message, { compress: true })
  if (compressed.length <= limit) return compressed
  let cut: DnsMessage = { ...message, truncated: true }
  for (const section of ['additionals', 'authorities', 'answers'] as const) {
    while (cut[section].length > 0) {
      cut = { ...cut, [section]: cut[section].slice(0, -1) }
      const bytes = encodeMessage(cut, { compress: true })
      if (bytes.length <= limit) return bytes
    }
  }
  return encodeMessage(cut, { compress: true })
}

export interface CoreDnsOptions {
  readonly records: DnsRecords
  readonly clusterDomain?: string
}

/** The program in the coredns containers. */
export function coreDns(options: CoreDnsOptions): Program {
  return async (self) => {
    const zone = new CoreDnsZone(options.records, self.world.random, options.clusterDomain)
    const failed = serveUdp(self, zone) ?? serveTcp(self, zone)
    if (failed !== null) {
      self.out(`Listen: listen ${failed}\n`)
      return 1
    }
    self.out('.:53\nCoreDNS-1.11.1\nlinux/amd64, go1.20.7, ae2bbc2\n')
    return self.forever()
  }
}

/** What is in the way, or null. */
function serveUdp(self: Process, zone: CoreDnsZone): string | null {
  const socket = self.udp()
  if (socket.bind(ANY, DNS_PORT) !== null) return 'udp :53: bind: address already in use'
  socket.onDatagram = (payload, from, port) => {
    const reply = coreDnsReply(zone, payload, 'udp')
    if (reply !== null) socket.sendTo(reply, from, port)
  }
  return null
}

function serveTcp(self: Process, zone: CoreDnsZone): string | null {
  const socket = self.tcp()
  const listener = socket.bind(ANY, DNS_PORT) ?? socket.listen(BACKLOG)
  if (typeof listener === 'string') return 'tcp :53: bind: address already in use'
  self.own(listener)
  listener.onAccept = (connection) => serveConnection(self, zone, connection)
  return null
}

/** Questions one after the other until the client closes. */
function serveConnection(self: Process, zone: CoreDnsZone, connection: TcpSocket): void {
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
      const reply = coreDnsReply(zone, query, 'tcp')
      // Replies are far smaller than a send buffer; a client that does not read loses its connection.
      if (reply !== null && connection.write(framed(reply)) < reply.length + 2) return end()
    }
    if (connection.ended) end()
  }
}
