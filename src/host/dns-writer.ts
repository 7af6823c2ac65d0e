/**
 * The writer of DNS messages. It is ours because names must be compressed or left as real servers do it, which
 * dns-packet cannot: a one-answer reply for hello.default.svc.cluster.local is 65 bytes compressed and 96 without.
 * Which names may be pointed at and where, and how a message is cut, is github.com/miekg/dns's way, which CoreDNS
 * writes with: pointers in owner names and in the names of NS, CNAME, PTR, SOA and MX, compared case by case; none in
 * SRV's target, which can be pointed at all the same.
 */
import {
  classCode,
  type DnsData,
  type DnsMessage,
  type DnsRecord,
  type Edns,
  ipv6Bytes,
  labelBytes,
  labelsOf,
  typeCode,
  typeOf,
} from './dns-message.ts'

const LONGEST_NAME = 255
const REACH_OF_POINTERS = 0x4000
const OPT = 41
/** RFC 1035's limit for UDP, and the least that EDNS means (RFC 6891, 6.2.3). */
export const SMALLEST_LIMIT = 512

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
    const labels = labelsOf(name)
    let length = 1
    for (let i = 0; i < labels.length; i++) {
      const rest = labels.slice(i).join('.')
      const known = this.#known?.get(rest)
      if (known !== undefined && pointers) {
        this.u16(0xc000 | known)
        return
      }
      if (known === undefined && this.bytes.length < REACH_OF_POINTERS) this.#known?.set(rest, this.bytes.length)
      const label = labelBytes(labels[i])
      length += (label?.length ?? 0) + 1
      if (label === null || length > LONGEST_NAME)
        throw new RangeError(`${JSON.stringify(name)} is not a legal domain name`)
      this.u8(label.length)
      this.raw(label)
    }
    this.u8(0)
  }

  record(record: DnsRecord): void {
    const { data } = record
    this.name(record.name)
    this.u16(data.type === 'OTHER' ? data.code : (typeCode(typeOf(data)) as number))
    this.u16(classCode(record.class ?? 'IN'))
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
    this.u16(OPT)
    this.u16(edns.size)
    this.u8(edns.extendedRcode ?? 0)
    this.u8(edns.version)
    this.u16(edns.dnssecOk ? 0x8000 : 0)
    this.u16(ednsLength(edns) - 11)
    for (const option of edns.options) {
      this.u16(option.code)
      this.u16(option.bytes.length)
      this.raw(option.bytes)
    }
  }

  head(message: DnsMessage): void {
    this.u16(message.id)
    this.u16(flagsOf(message))
    this.u16(message.questions.length)
    this.u16(message.answers.length)
    this.u16(message.authorities.length)
    this.u16(message.additionals.length + (message.edns === null ? 0 : 1))
    for (const question of message.questions) {
      this.name(question.name)
      this.u16(typeCode(question.type) ?? 0)
      this.u16(classCode(question.class))
    }
  }
}

function ednsLength(edns: Edns): number {
  return edns.options.reduce((sum, option) => sum + 4 + option.bytes.length, 11)
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
  writer.head(message)
  for (const record of message.answers) writer.record(record)
  for (const record of message.authorities) writer.record(record)
  for (const record of message.additionals) writer.record(record)
  if (message.edns !== null) writer.edns(message.edns)
  return Uint8Array.from(writer.bytes)
}

/** The same message as far as it may be `limit` bytes long, and whether its names must be compressed for that. */
export interface Fitted {
  readonly message: DnsMessage
  readonly compress: boolean
}

/**
 * Cuts a reply to the size that its reader takes, as miekg/dns' Truncate does: plain when that fits; else compressed,
 * with as many records, in order, as there is room for beside the OPT record, and marked when any was left out.
 * @throws RangeError when a name or an address in it is not legal.
 */
export function fitMessage(message: DnsMessage, limit: number): Fitted {
  const most = Math.max(limit, SMALLEST_LIMIT)
  if (encodeMessage(message).length <= most) return { message, compress: false }
  const room = message.edns === null ? most : most - ednsLength(message.edns)
  const writer = new Writer(true)
  writer.head(message)
  // A section that just fills the room, or that is cut, leaves none for the next.
  let full = writer.bytes.length >= room
  const take = (records: readonly DnsRecord[]): readonly DnsRecord[] => {
    let taken = 0
    while (!full && taken < records.length) {
      writer.record(records[taken])
      if (writer.bytes.length <= room) taken++
      full = writer.bytes.length >= room
    }
    return records.slice(0, taken)
  }
  const answers = take(message.answers)
  const authorities = take(message.authorities)
  const additionals = take(message.additionals)
  const left = answers.length + authorities.length + additionals.length
  const all = message.answers.length + message.authorities.length + message.additionals.length
  const truncated = message.truncated || left < all
  return { message: { ...message, truncated, answers, authorities, additionals }, compress: true }
}
