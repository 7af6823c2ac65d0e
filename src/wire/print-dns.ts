/** DNS (RFC 1035) as tcpdump prints it: the question of a query, the counts and answers of a response. */
import { printEdns } from './print-edns.ts'
import { type PacketText, visible } from './print-text.ts'

const HEADER = 12
const IQUERY = 1

const operations = ['', ' inv_q', ' stat', ' op3', ' notify', ' update', ' op6', ' op7']
/** What tcpdump calls the operations that nobody uses any more. */
const oldOperations = new Map([
  [9, ' updateA'],
  [10, ' updateD'],
  [11, ' updateDA'],
  [12, ' updateM'],
  [13, ' updateMA'],
  [14, ' zoneInit'],
  [15, ' zoneRef'],
])
const responses = [
  '',
  ' FormErr',
  ' ServFail',
  ' NXDomain',
  ' NotImp',
  ' Refused',
  ' YXDomain',
  ' YXRRSet',
  ' NXRRSet',
  ' NotAuth',
  ' NotZone',
  ' Resp11',
  ' Resp12',
  ' Resp13',
  ' Resp14',
  ' NoChange',
]

const TYPE_A = 1
const TYPE_NS = 2
const TYPE_CNAME = 5
const TYPE_SOA = 6
const TYPE_PTR = 12
const TYPE_MX = 15
const TYPE_TXT = 16
const TYPE_AAAA = 28
const TYPE_SRV = 33
const TYPE_DNAME = 39
const TYPE_OPT = 41
const TYPE_URI = 256

const CLASS_INTERNET = 1
/** Multicast DNS (RFC 6762) keeps two flags where the class's highest bit was. */
const TOP_BIT = 0x8000

/** From 1 on, as the registry of RFC 1035 and its successors has them; holes are empty. */
const firstTypes = (
  'A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP_PTR SIG KEY PX GPOS ' +
  'AAAA LOC NXT EID NIMLOC SRV ATMA NAPTR KX CERT A6 DNAME SINK OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY'
).split(' ')
const types = new Map<number, string>([
  ...firstTypes.map((name, i) => [i + 1, name] as const),
  [99, 'SPF'],
  [100, 'UINFO'],
  [101, 'UID'],
  [102, 'GID'],
  [103, 'UNSPEC'],
  [104, 'UNSPECA'],
  [249, 'TKEY'],
  [250, 'TSIG'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [253, 'MAILB'],
  [254, 'MAILA'],
  [255, 'ANY'],
  [TYPE_URI, 'URI'],
])

const classes = new Map<number, string>([
  [3, 'CHAOS'],
  [4, 'HS'],
  [254, 'NONE'],
  [255, 'ANY'],
])

/** The message that begins at `at` and should be this long. */
export function printDns(out: PacketText, at: number, length: number, multicast: boolean): void {
  out.protocol = 'domain'
  if (length < HEADER) {
    out.text += `domain [length ${length} < ${HEADER}] (invalid)`
    return
  }
  out.need(at, HEADER)
  const flags = out.u16(at + 2)
  const message = new Message(out, at, multicast)
  if (!(flags & 0x8000 ? message.response(flags) : message.query(flags))) out.truncated()
  else out.text += ` (${length})`
}

class Message {
  readonly #out: PacketText
  readonly #at: number
  readonly #multicast: boolean
  /** What comes next; -1 when that cannot be told. */
  #next: number

  constructor(out: PacketText, at: number, multicast: boolean) {
    this.#out = out
    this.#at = at
    this.#multicast = multicast
    this.#next = at + HEADER
  }

  query(flags: number): boolean {
    const out = this.#out
    const [questions, answers, authorities, additional] = this.#counts()
    const operation = (flags >> 11) & 15
    out.text += `${out.u16(this.#at)}${operationText(operation)}`
    if (flags & 0x0100) out.text += '+'
    if (flags & 0x0010) out.text += '%'
    if (flags & 0x06cf) out.text += ` [b2&3=0x${flags.toString(16)}]`
    if (operation === IQUERY) {
      if (questions !== 0) out.text += ` [${questions}q]`
      if (answers !== 1) out.text += ` [${answers}a]`
    } else {
      if (answers !== 0) out.text += ` [${answers}a]`
      if (questions !== 1) out.text += ` [${questions}q]`
    }
    if (authorities !== 0) out.text += ` [${authorities}n]`
    if (additional !== 0) out.text += ` [${additional}au]`
    for (let i = 0; i < questions; i++) if (!this.#question()) return false
    return out.verbose < 2 || (this.#records(answers, '') && this.#rest(authorities, additional))
  }

  response(flags: number): boolean {
    const out = this.#out
    const [questions, answers, authorities, additional] = this.#counts()
    out.text += `${out.u16(this.#at)}${operationText((flags >> 11) & 15)}${responses[flags & 15]}`
    if (flags & 0x0400) out.text += '*'
    if ((flags & 0x0080) === 0) out.text += '-'
    if (flags & 0x0200) out.text += '|'
    if (flags & 0x0020) out.text += '$'
    if (questions !== 1) out.text += ` [${questions}q]`
    for (let i = 0; i < questions; i++) {
      if (i > 0) out.text += ','
      if (out.verbose > 1) {
        out.text += ' q:'
        if (!this.#question()) return false
      } else {
        this.#next = skipName(out, this.#next)
        if (this.#next < 0) return false
        this.#next += 4
      }
    }
    out.text += ` ${answers}/${authorities}/${additional}`
    return this.#records(answers, '') && (out.verbose < 2 || this.#rest(authorities, additional))
  }

  #counts(): [number, number, number, number] {
    const count = (field: number) => this.#out.u16(this.#at + field)
    return [count(4), count(6), count(8), count(10)]
  }

  #rest(authorities: number, additional: number): boolean {
    return this.#records(authorities, ' ns:') && this.#records(additional, ' ar:')
  }

  #records(count: number, title: string): boolean {
    const out = this.#out
    if (count > 0 && this.#next < out.end) out.text += title
    for (let i = 0; i < count && this.#next < out.end; i++) {
      if (i > 0) out.text += ','
      if (!this.#record()) return false
    }
    return true
  }

  #question(): boolean {
    const out = this.#out
    const fields = skipName(out, this.#next)
    if (fields < 0) return false
    out.need(fields, 4)
    out.text += ` ${typeText(out.u16(fields))}`
    const kind = out.u16(fields + 2)
    const flagged = this.#multicast && (kind & TOP_BIT) !== 0
    if (flagged) out.text += ' (QU)'
    out.text += `${classText(flagged ? kind & ~TOP_BIT : kind)}? `
    const end = this.#name(this.#next)
    this.#next = fields + 4
    return end >= 0
  }

  #record(): boolean {
    const out = this.#out
    if (out.verbose > 0) {
      out.text += ' '
      this.#next = this.#name(this.#next)
      if (this.#next < 0) return false
    } else this.#next = skipName(out, this.#next)
    if (this.#next < 0 || !out.has(this.#next, 10)) {
      this.#next = out.end
      return true
    }
    const fields = this.#next
    const type = out.u16(fields)
    const kind = out.u16(fields + 2)
    const flagged = this.#multicast && (kind & TOP_BIT) !== 0
    if (type !== TYPE_OPT) {
      out.text += classText(flagged ? kind & ~TOP_BIT : kind)
      if (flagged) out.text += ' (Cache flush)'
      if (out.verbose > 2) out.text += ` [${durationText(out.u32(fields + 4))}]`
    }
    out.text += ` ${typeText(type)}`
    const data = fields + 10
    const end = data + out.u16(fields + 8)
    if (end > out.end || !this.#data(fields, data, end, type)) return false
    this.#next = end
    return true
  }

  #data(fields: number, at: number, end: number, type: number): boolean {
    const out = this.#out
    switch (type) {
      case TYPE_A:
        out.text += ` ${out.address(at)}`
        return true
      case TYPE_AAAA:
        out.text += ` ${out.ipv6(at)}`
        return true
      case TYPE_NS:
      case TYPE_CNAME:
      case TYPE_PTR:
      case TYPE_DNAME:
        out.text += ' '
        return this.#name(at) >= 0
      case TYPE_MX:
        out.text += ' '
        if (this.#name(at + 2) < 0) return false
        out.text += ` ${out.u16(at)}`
        return true
      case TYPE_SRV:
        out.text += ' '
        if (this.#name(at + 6) < 0) return false
        out.text += `:${out.u16(at + 4)} ${out.u16(at)} ${out.u16(at + 2)}`
        return true
      case TYPE_TXT:
        for (let i = at; i < end; i += 1 + out.u8(i)) {
          const length = out.u8(i)
          out.need(i + 1, length)
          out.text += ` "${visible(out.bytes, i + 1, i + 1 + length)}"`
        }
        return true
      case TYPE_SOA:
        return out.verbose === 0 || this.#authority(at)
      case TYPE_URI:
        out.text += ` ${out.u16(at)} ${out.u16(at + 2)} ${visible(out.bytes, at + 4, end)}`
        return true
      case TYPE_OPT:
        out.text += ` UDPsize=${out.u16(fields + 2)}${out.u16(fields + 6) & 0x8000 ? ' DO' : ''}`
        if (at < end) printEdns(out, at, end)
        return true
      default:
        return true
    }
  }

  #authority(at: number): boolean {
    const out = this.#out
    out.text += ' '
    const mailbox = this.#name(at)
    if (mailbox < 0) return false
    out.text += ' '
    const numbers = this.#name(mailbox)
    if (numbers < 0) return false
    for (let i = 0; i < 20; i += 4) out.text += ` ${out.u32(numbers + i)}`
    return true
  }

  /** Prints a name with its dots. Where it ends; -1 when it is broken. A compression pointer may only lead backwards. */
  #name(at: number): number {
    const out = this.#out
    let next = -1
    let limit = at
    let empty = true
    for (let label = at; ; ) {
      const length = out.u8(label)
      if (length === 0) {
        if (empty) out.text += '.'
        return next < 0 ? label + 1 : next
      }
      if (length >= 0xc0) {
        if (next < 0) next = label + 2
        const target = this.#at + (out.u16(label) & 0x3fff)
        if (target >= limit) {
          out.text += '<BAD PTR>'
          return -1
        }
        limit = target
        label = target
        continue
      }
      if (length > 63) {
        out.text += '<BAD LABEL TYPE>'
        return -1
      }
      const end = Math.min(label + 1 + length, out.end)
      out.text += visible(out.bytes, label + 1, end)
      out.need(label, 1 + length)
      out.text += '.'
      empty = false
      label += 1 + length
    }
  }
}

function skipName(out: PacketText, at: number): number {
  for (let label = at; ; ) {
    if (!out.has(label, 1)) return -1
    const length = out.u8(label)
    if (length === 0) return label + 1
    if (length >= 0xc0) return label + 2
    if (length > 63) return -1
    label += 1 + length
  }
}

function operationText(operation: number): string {
  return operations[operation] ?? oldOperations.get(operation) ?? ` op${operation}`
}

function typeText(type: number): string {
  return types.get(type) ?? `Type${type}`
}

/** Nothing for the Internet's class. */
function classText(value: number): string {
  return value === CLASS_INTERNET ? '' : ` ${classes.get(value) ?? `(Class ${value})`}`
}

/** Seconds as `1d1h1m1s`. */
function durationText(seconds: number): string {
  if (seconds === 0) return '0s'
  let text = ''
  let left = seconds
  for (const [letter, size] of [
    ['w', 604_800],
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    if (left >= size) text += `${Math.floor(left / size)}${letter}`
    left %= size
  }
  return text
}
