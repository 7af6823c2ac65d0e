/**
 * DNS messages (RFC 1035, EDNS: RFC 6891) and the writer of their bytes. Reading bytes is dns-packet's work, in
 * resolver.ts. The writer is ours because it must compress names or leave them as real servers do: a one-answer
 * reply for hello.default.svc.cluster.local is 65 bytes compressed and 96 without.
 *
 * Names are text without the final dot; the root is the empty text.
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

const LONGEST_LABEL = 63
const LONGEST_NAME = 255
const REACH_OF_POINTERS = 0x4000

/** Grows as it is written to. */
class Writer {
  readonly bytes: number[] = []
  readonly #known: Map<string, number> | null

  constructor(compress: boolean) {
    this.#known = compress ? new Map() : null
  }

  u8(value: number): void {
    this.bytes.push(value & 255)
  }

  u16(value: number): void {
    this.bytes.push((value >>> 8) & 255, value & 255)
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value)
  }

  raw(bytes: Uint8Array): void {
    for (const byte of bytes) this.bytes.push(byte)
  }

  /** `pointers` false: written out even when compressing (SRV targets: RFC 2782). */
  name(name: string, pointers = true): void {
    const labels = name === '' ? [] : name.split('.')
    let length = 1
    for (let i = 0; i < labels.length; i++) {
      const rest = labels.slice(i).join('.')
      const known = this.#known?.get(rest)
      if (known !== undefined && pointers) {
        this.u16(0xc000 | known)
        return
      }
      if (known === undefined && this.bytes.length < REACH_OF_POINTERS) this.#known?.set(rest, this.bytes.length)
      const label = new TextEncoder().encode(labels[i])
      length += label.length + 1
      if (label.length === 0 || label.length > LONGEST_LABEL || length > LONGEST_NAME)
        throw new RangeError(`${JSON.stringify(name)} is not a legal domain name`)
      this.u8(label.length)
      this.raw(label)
    }
    this.u8(0)
  }

  record(record: DnsRecord): void {
    const { data } = record
    this.name(record.name)
    this.u16(data.type === 'OTHER' ? data.code : TYPES[data.type])
    this.u16(CLASSES.IN)
    this.u32(record.ttl)
    const at = this.bytes.length
    this.u16(0)
    this.#data(data)
    const length = this.bytes.length - at - 2
    this.bytes[at] = length >>> 8
    this.bytes[at + 1] = length & 255
  }

  #data(data: DnsData): void {
    switch (data.type) {
      case 'A':
        return this.u32(data.address)
      case 'AAAA': {
        const bytes = ipv6Bytes(data.address)
        if (bytes === null) throw new RangeError(`${JSON.stringify(data.address)} is not an IPv6 address`)
        return this.raw(bytes)
      }
      case 'CNAME':
      case 'NS':
      case 'PTR':
        return this.name(data.target)
      case 'MX':
        this.u16(data.preference)
        return this.name(data.target)
      case 'SRV':
        this.u16(data.priority)
        this.u16(data.weight)
        this.u16(data.port)
        return this.name(data.target, false)
      case 'SOA':
        this.name(data.primary)
        this.name(data.mailbox)
        for (const value of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) this.u32(value)
        return
      case 'TXT':
        for (const text of data.texts) {
          const bytes = new TextEncoder().encode(text).subarray(0, 255)
          this.u8(bytes.length)
          this.raw(bytes)
        }
        return
      case 'OTHER':
        return this.raw(data.bytes)
    }
  }

  edns(edns: Edns): void {
    this.u8(0)
    this.u16(TYPES.OPT)
    this.u16(edns.size)
    this.u8(0)
    this.u8(edns.version)
    this.u16(edns.dnssecOk ? 0x8000 : 0)
    this.u16(edns.options.reduce((sum, option) => sum + 4 + option.bytes.length, 0))
    for (const option of edns.options) {
      this.u16(option.code)
      this.u16(option.bytes.length)
      this.raw(option.bytes)
    }
  }
}

function flagsOf(message: DnsMessage): number {
  return (
    (message.response ? 0x8000 : 0) |
    ((message.opcode & 15) << 11) |
    (message.authoritative ? 0x0400 : 0) |
    (message.truncated ? 0x0200 : 0) |
    (message.recursionDesired ? 0x0100 : 0) |
    (message.recursionAvailable ? 0x0080 : 0) |
    (message.authenticData ? 0x0020 : 0) |
    (message.checkingDisabled ? 0x0010 : 0) |
    (message.rcode & 15)
  )
}

/**
 * The bytes of a message.
 * @throws RangeError when a name or an address in it is not legal.
 */
export function encodeMessage(message: DnsMessage, options: { readonly compress?: boolean } = {}): Uint8Array {
  const writer = new Writer(options.compress ?? false)
  writer.u16(message.id)
  writer.u16(flagsOf(message))
  writer.u16(message.questions.length)
  writer.u16(message.answers.length)
  writer.u16(message.authorities.length)
  writer.u16(message.additionals.length + (message.edns === null ? 0 : 1))
  for (const question of message.questions) {
    writer.name(question.name)
    writer.u16(typeCode(question.type) ?? 0)
    writer.u16(CLASSES[question.class] ?? Number(question.class))
  }
  for (const record of message.answers) writer.record(record)
  for (const record of message.authorities) writer.record(record)
  for (const record of message.additionals) writer.record(record)
  if (message.edns !== null) writer.edns(message.edns)
  return Uint8Array.from(writer.bytes)
}
