/**
 * `python3 apps.py dns PORT ZONE.json`: the small DNS server of the Linux laboratory, byte for byte. It writes
 * names out in full, is authoritative for cluster.local, and claims recursion for the rest.
 */
import { type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import { type DnsMessage, type DnsRecord, dnsMessage, ipv6Bytes, Rcode } from '../dns-message.ts'
import { encodeMessage } from '../dns-writer.ts'
import type { Process, Program } from '../process.ts'
import { decodeMessage } from '../resolver.ts'

const ZONE = 'cluster.local'
const TTL = 30
const EDNS_SIZE = 1232
const SOA: DnsRecord = {
  name: ZONE,
  ttl: TTL,
  data: {
    type: 'SOA',
    primary: `ns.dns.${ZONE}`,
    mailbox: `hostmaster.${ZONE}`,
    serial: 1_700_000_000,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: TTL,
  },
}

/** Lower-case names and their addresses, IPv4 and IPv6. */
export type LabZone = ReadonlyMap<string, readonly string[]>

/** The zone of every laboratory scenario, for places without the file. */
export const defaultLabZone: LabZone = new Map([
  ['web.default.svc.cluster.local', ['10.96.0.80']],
  ['kube-dns.kube-system.svc.cluster.local', ['10.96.0.10']],
  ['kubernetes.default.svc.cluster.local', ['10.96.0.1']],
  ['example.com', ['203.0.113.10']],
])

/** `{"name": "address,address" | ["address"]}`; null when the text is something else. */
export function parseLabZone(text: string): LabZone | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const zone = new Map<string, readonly string[]>()
  for (const [name, value] of Object.entries(json)) {
    const addresses: unknown = typeof value === 'string' ? value.split(',') : value
    if (!Array.isArray(addresses) || !addresses.every(isAddress)) return null
    zone.set(name.toLowerCase(), addresses)
  }
  return zone
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && (tryParseIpv4(value) !== null || ipv6Bytes(value) !== null)
}

/** The reply's bytes; null for what the original could not parse either. */
export function labReply(zone: LabZone, bytes: Uint8Array): Uint8Array | null {
  const query = decodeMessage(bytes)
  const [question] = query?.questions ?? []
  if (query === null || question === undefined) return null
  try {
    return encodeMessage(replyTo(zone, query))
  } catch {
    return null
  }
}

function replyTo(zone: LabZone, query: DnsMessage): DnsMessage {
  const [{ name, type }] = query.questions
  const known = zone.get(name.toLowerCase())
  const inZone = name.toLowerCase().endsWith(ZONE)
  const answers: DnsRecord[] = []
  for (const text of known ?? []) {
    const address = tryParseIpv4(text)
    if (type === 'A' && address !== null) answers.push({ name, ttl: TTL, data: { type, address } })
    if (type === 'AAAA' && address === null) answers.push({ name, ttl: TTL, data: { type, address: text } })
  }
  return dnsMessage({
    id: query.id,
    response: true,
    authoritative: inZone,
    recursionDesired: query.recursionDesired,
    recursionAvailable: !inZone,
    rcode: known === undefined ? Rcode.NXDOMAIN : Rcode.NOERROR,
    questions: query.questions,
    answers,
    authorities: inZone && answers.length === 0 ? [SOA] : [],
    edns: query.edns === null ? null : { size: EDNS_SIZE, version: 0, dnssecOk: false, options: [] },
  })
}

function zoneFile(self: Process, path: string): string | undefined {
  const { files } = self.place
  return files.get(path) ?? files.get(`${self.cwd.replace(/\/$/, '')}/${path}`)
}

/** Serves until it is killed. Where there is no zone.json, the laboratory's own zone is served. */
export const dnsServerApp: Program = async (self) => {
  const [port, path] = self.args.slice(self.args.indexOf('dns') + 1)
  const text = path === undefined ? undefined : zoneFile(self, path)
  if (text === undefined && path !== undefined && !/(^|\/)zone\.json$/.test(path)) {
    self.err(`FileNotFoundError: [Errno 2] No such file or directory: '${path}'\n`)
    return 1
  }
  const zone = text === undefined ? defaultLabZone : parseLabZone(text)
  if (zone === null) {
    self.err(`podwire: ${path} is not a zone file\n`)
    return 1
  }
  const socket = self.udp()
  const failed = socket.bind(0 as Ipv4, Number(port ?? 53))
  if (failed !== null) {
    self.err(`OSError: ${failed}\n`)
    return 1
  }
  socket.onDatagram = (payload, from, fromPort) => {
    const reply = labReply(zone, payload)
    if (reply !== null) socket.sendTo(reply, from, fromPort)
  }
  self.out('ready\n')
  return self.forever()
}
