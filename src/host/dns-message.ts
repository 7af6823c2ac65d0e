/**
 * DNS messages (RFC 1035, EDNS: RFC 6891). Their bytes are written in dns-writer.ts; reading them is dns-packet's
 * work, in resolver.ts, and a server's in dns-question.ts.
 *
 * Names are text without the final dot, in RFC 1035's presentation format: a dot within a label is `\\.`, a byte that
 * is no printable ASCII `\\DDD`. The root is the empty text.
 */
import type { Ipv4 } from '../wire/address.ts'

export interface DnsQuestion {
  readonly name: string
  readonly type: string
  readonly class: string
}

export interface SoaData {
  readonly type: 'SOA'
  readonly primary: string
  readonly mailbox: string
  readonly serial: number
  /** Seconds, as the three that follow. */
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

export interface SrvData {
  readonly type: 'SRV'
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export type DnsData =
  | { readonly type: 'A'; readonly address: Ipv4 }
  | { readonly type: 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME' | 'NS' | 'PTR'; readonly target: string }
  | { readonly type: 'MX'; readonly preference: number; readonly target: string }
  | { readonly type: 'TXT'; readonly texts: readonly string[] }
  | SoaData
  | SrvData
  | { readonly type: 'OTHER'; readonly code: number; readonly bytes: Uint8Array }

export interface DnsRecord {
  readonly name: string
  /** IN when absent. */
  readonly class?: string
  /** Seconds. */
  readonly ttl: number
  readonly data: DnsData
}

export interface EdnsOption {
  readonly code: number
  readonly bytes: Uint8Array
}

/** The OPT record. */
export interface Edns {
  /** The largest UDP payload that the sender takes. */
  readonly size: number
  readonly version: number
  readonly dnssecOk: boolean
  /** The upper eight bits of a longer rcode: 1 for BADVERS. */
  readonly extendedRcode?: number
  readonly options: readonly EdnsOption[]
}

/** EDNS option COOKIE, RFC 7873. */
export const COOKIE = 10

export interface DnsMessage {
  readonly id: number
  readonly response: boolean
  readonly opcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  readonly rcode: number
  readonly questions: readonly DnsQuestion[]
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  /** Without the OPT record. */
  readonly additionals: readonly DnsRecord[]
  readonly edns: Edns | null
}

export const Rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET']
const LATE_RCODES = ['NOTAUTH', 'NOTZONE', 'RESERVED11', 'RESERVED12', 'RESERVED13', 'RESERVED14', 'RESERVED15']
export const rcodeNames: readonly string[] = [...RCODES, ...LATE_RCODES]

const TYPES: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
}
const TYPE_NAMES = new Map(Object.entries(TYPES).map(([name, code]) => [code, name]))
const CLASSES: Readonly<Record<string, number>> = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 }
const CLASS_NAMES = new Map(Object.entries(CLASSES).map(([name, code]) => [code, name]))

/** `IN`, or the number of a class without a name. */
export function className(code: number): string {
  return CLASS_NAMES.get(code) ?? `${code}`
}

export function classCode(name: string): number {
  return CLASSES[name] ?? Number(name)
}

/** Null when no such type is known. RFC 3597's TYPE65 is one. */
export function typeCode(name: string): number | null {
  const upper = name.toUpperCase()
  const numbered = /^TYPE([0-9]{1,5})$/.exec(upper)
  return TYPES[upper] ?? (numbered !== null && Number(numbered[1]) < 65536 ? Number(numbered[1]) : null)
}

export function typeName(code: number): string {
  return TYPE_NAMES.get(code) ?? `TYPE${code}`
}

/** The type's name, also for records that podwire only passes on. */
export function typeOf(data: DnsData): string {
  return data.type === 'OTHER' ? typeName(data.code) : data.type
}

/** A message with these fields; everything else is off or empty. */
export function dnsMessage(fields: Partial<DnsMessage>): DnsMessage {
  return {
    id: 0,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: Rcode.NOERROR,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
    edns: null,
    ...fields,
  }
}

/** The reversed name under in-addr.arpa. */
export function reverseName(address: Ipv4): string {
  const octets = [address & 255, (address >>> 8) & 255, (address >>> 16) & 255, address >>> 24]
  return `${octets.join('.')}.in-addr.arpa`
}

/** Names are equal whatever their case. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** The sixteen bytes of an IPv6 address; null when the text is none. */
export function ipv6Bytes(text: string): Uint8Array | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - groups.reduce((sum, half) => sum + half.length, 0)
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const all = halves.length === 2 ? [...groups[0], ...new Array<string>(missing).fill('0'), ...groups[1]] : groups[0]
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  const bytes = new Uint8Array(16)
  all.forEach((group, i) => {
    const value = Number.parseInt(group, 16)
    bytes[i * 2] = value >>> 8
    bytes[i * 2 + 1] = value
  })
  return bytes
}

/** The labels of a name, still in presentation format. */
export function labelsOf(name: string): string[] {
  if (name === '') return []
  if (!name.includes('\\')) return name.split('.')
  return name.match(/(?:\\.|[^.\\])+/gs) ?? []
}

/** The bytes of one label; null when it is no legal one (RFC 1035: 1 to 63). */
export function labelBytes(label: string): Uint8Array | null {
  let bytes: Uint8Array
  if (label.includes('\\')) {
    const parts = label.match(/\\[0-9]{3}|\\.|[^\\]/gs) ?? []
    bytes = Uint8Array.from(parts.flatMap((part) => escapedBytes(part)))
  } else bytes = new TextEncoder().encode(label)
  return bytes.length === 0 || bytes.length > 63 ? null : bytes
}

function escapedBytes(part: string): number[] {
  if (!part.startsWith('\\')) return Array.from(new TextEncoder().encode(part))
  return part.length === 4 ? [Number(part.slice(1)) & 255] : Array.from(new TextEncoder().encode(part.slice(1)))
}

/** One label as text: what is no printable ASCII, and what means something in names, is escaped (RFC 4343, 2.1). */
export function labelText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    if ('.\\ \'@;()"'.includes(char)) text += `\\${char}`
    else text += byte < 0x20 || byte > 0x7e ? `\\${byte.toString().padStart(3, '0')}` : char
  }
  return text
}
