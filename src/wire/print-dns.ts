/** DNS (RFC 1035) as tcpdump prints it: the question of a query, the counts and answers of a response. */
import { i32, u16 } from './bytes.ts'

const HEADER = 12
const IQUERY = 1

const operations = ['', ' inv_q', ' stat', ' op3', ' notify', ' update', ' op6', ' op7']
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
const TYPE_OPT = 41

const types = new Map<number, string>([
  [TYPE_A, 'A'],
  [TYPE_NS, 'NS'],
  [TYPE_CNAME, 'CNAME'],
  [TYPE_SOA, 'SOA'],
  [11, 'WKS'],
  [TYPE_PTR, 'PTR'],
  [13, 'HINFO'],
  [TYPE_MX, 'MX'],
  [TYPE_TXT, 'TXT'],
  [TYPE_AAAA, 'AAAA'],
  [TYPE_SRV, 'SRV'],
  [35, 'NAPTR'],
  [39, 'DNAME'],
  [TYPE_OPT, 'OPT'],
  [43, 'DS'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [52, 'TLSA'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [257, 'CAA'],
])

const classes = new Map<number, string>([
  [3, 'CHAOS'],
  [4, 'HS'],
  [254, 'NONE'],
  [255, 'ANY'],
])

/** A piece of text, and where the next one begins: -1 when the message ended too early. */
interface Piece {
  readonly text: string
  readonly next: number
}

const cut: Piece = { text: '', next: -1 }

/** The message that begins at `at`; `length` is the datagram's, which may be longer than what is there. */
export function printDns(bytes: Uint8Array, at: number, end: number, length: number, verbose: boolean): string {
  if (length < HEADER) return `domain [length ${length} < ${HEADER}] (invalid)`
  if (end - at < HEADER) return ' [|domain]'
  const flags = u16(bytes, at + 2)
  const body = flags & 0x8000 ? response(bytes, at, end, flags, verbose) : query(bytes, at, end, flags)
  return body.next < 0 ? `${body.text} [|domain]` : `${body.text} (${length})`
}

function query(bytes: Uint8Array, at: number, end: number, flags: number): Piece {
  const questions = u16(bytes, at + 4)
  const answers = u16(bytes, at + 6)
  const operation = (flags >> 11) & 15
  let text = `${u16(bytes, at)}${operations[operation] ?? ` op${operation}`}`
  if (flags & 0x0100) text += '+'
  if (flags & 0x0010) text += '%'
  if (flags & 0x06cf) text += ` [b2&3=0x${flags.toString(16)}]`
  if (operation === IQUERY) {
    if (questions !== 0) text += ` [${questions}q]`
    if (answers !== 1) text += ` [${answers}a]`
  } else {
    if (answers !== 0) text += ` [${answers}a]`
    if (questions !== 1) text += ` [${questions}q]`
  }
  if (u16(bytes, at + 8) !== 0) text += ` [${u16(bytes, at + 8)}n]`
  if (u16(bytes, at + 10) !== 0) text += ` [${u16(bytes, at + 10)}au]`
  let next = at + HEADER
  for (let i = 0; i < questions; i++) {
    const piece = question(bytes, at, next, end)
    if (piece.next < 0) return { text, next: -1 }
    text += piece.text
    next = piece.next
  }
  return { text, next }
}

function question(bytes: Uint8Array, message: number, at: number, end: number): Piece {
  const name = nameAt(bytes, message, at, end)
  if (name.next < 0 || name.next + 4 > end) return cut
  const type = u16(bytes, name.next)
  return { text: ` ${typeText(type)}${classText(u16(bytes, name.next + 2))}? ${name.text}`, next: name.next + 4 }
}

function response(bytes: Uint8Array, at: number, end: number, flags: number, verbose: boolean): Piece {
  const questions = u16(bytes, at + 4)
  const answers = u16(bytes, at + 6)
  const operation = (flags >> 11) & 15
  const code = flags & 15
  let text = `${u16(bytes, at)}${operations[operation] ?? ` op${operation}`}${responses[code] ?? ` Resp${code}`}`
  if (flags & 0x0400) text += '*'
  if ((flags & 0x0080) === 0) text += '-'
  if (flags & 0x0200) text += '|'
  if (flags & 0x0020) text += '$'
  if (questions !== 1) text += ` [${questions}q]`
  let next = at + HEADER
  for (let i = 0; i < questions; i++) {
    const name = nameAt(bytes, at, next, end)
    if (name.next < 0 || name.next + 4 > end) return { text, next: -1 }
    next = name.next + 4
  }
  text += ` ${answers}/${u16(bytes, at + 8)}/${u16(bytes, at + 10)}`
  for (let i = 0; i < answers; i++) {
    const piece = record(bytes, at, next, end, verbose)
    if (piece.next < 0) return { text, next: -1 }
    text += `${i > 0 ? ',' : ''}${piece.text}`
    next = piece.next
  }
  return { text, next }
}

function record(bytes: Uint8Array, message: number, at: number, end: number, verbose: boolean): Piece {
  const name = nameAt(bytes, message, at, end)
  if (name.next < 0 || name.next + 10 > end) return cut
  const type = u16(bytes, name.next)
  const data = name.next + 10
  const next = data + u16(bytes, name.next + 8)
  if (next > end) return cut
  const kind = type === TYPE_OPT ? '' : classText(u16(bytes, name.next + 2))
  const text = `${verbose ? ` ${name.text}` : ''}${kind} ${typeText(type)}`
  return { text: text + dataText(bytes, message, name.next, data, next, type, verbose), next }
}

/** `fields` is where type, class and time to live stand; the data lies at `at`..`end`. */
function dataText(
  bytes: Uint8Array,
  message: number,
  fields: number,
  at: number,
  end: number,
  type: number,
  verbose: boolean,
): string {
  const length = end - at
  switch (type) {
    case TYPE_A:
      return length < 4 ? '' : ` ${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
    case TYPE_AAAA:
      return length < 16 ? '' : ` ${formatIpv6(bytes, at)}`
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
      return ` ${nameAt(bytes, message, at, end).text}`
    case TYPE_MX:
      return length < 2 ? '' : ` ${nameAt(bytes, message, at + 2, end).text} ${u16(bytes, at)}`
    case TYPE_SRV: {
      if (length < 6) return ''
      const target = nameAt(bytes, message, at + 6, end).text
      return ` ${target}:${u16(bytes, at + 4)} ${u16(bytes, at)} ${u16(bytes, at + 2)}`
    }
    case TYPE_TXT: {
      let text = ''
      for (let i = at; i < end; i += 1 + bytes[i])
        text += ` "${visible(bytes, i + 1, Math.min(end, i + 1 + bytes[i]))}"`
      return text
    }
    case TYPE_SOA: {
      if (!verbose) return ''
      const primary = nameAt(bytes, message, at, end)
      const mailbox = primary.next < 0 ? cut : nameAt(bytes, message, primary.next, end)
      if (mailbox.next < 0 || mailbox.next + 20 > end) return ''
      let text = ` ${primary.text} ${mailbox.text}`
      for (let i = 0; i < 20; i += 4) text += ` ${i32(bytes, mailbox.next + i) >>> 0}`
      return text
    }
    case TYPE_OPT:
      return ` UDPsize=${u16(bytes, fields + 2)}${bytes[fields + 6] & 0x80 ? ' DO' : ''}`
    default:
      return ''
  }
}

function typeText(type: number): string {
  return types.get(type) ?? `Type${type}`
}

/** Nothing for the Internet's class; the cache-flush bit of multicast DNS has no name. */
function classText(value: number): string {
  return value === 1 ? '' : ` ${classes.get(value) ?? `(Class ${value})`}`
}

/** A name with its dots, and where it ends; a compression pointer may only lead backwards. */
function nameAt(bytes: Uint8Array, message: number, at: number, end: number): Piece {
  let text = ''
  let next = -1
  let limit = at
  for (let label = at; label < end; ) {
    const length = bytes[label]
    if (length === 0) return { text: text === '' ? '.' : text, next: next < 0 ? label + 1 : next }
    if (length >= 0xc0) {
      if (label + 1 >= end) return cut
      if (next < 0) next = label + 2
      const target = message + (u16(bytes, label) & 0x3fff)
      if (target >= limit) return { text: `${text}<BAD PTR>`, next }
      limit = target
      label = target
    } else {
      if (length > 63 || label + 1 + length > end) return cut
      text += `${visible(bytes, label + 1, label + 1 + length)}.`
      label += 1 + length
    }
  }
  return cut
}

/** Control characters as ^X, the upper half with M- in front. */
function visible(bytes: Uint8Array, at: number, end: number): string {
  let text = ''
  for (let i = at; i < end; i++) {
    const low = bytes[i] & 0x7f
    if (bytes[i] > 0x7f) text += 'M-'
    text += low < 32 || low === 127 ? `^${String.fromCharCode(low ^ 0x40)}` : String.fromCharCode(low)
  }
  return text
}

/** RFC 5952: the longest run of two or more zero groups is left out, the first of equals. */
function formatIpv6(bytes: Uint8Array, at: number): string {
  let best = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && u16(bytes, at + (i + length) * 2) === 0) length++
    if (length > bestLength) {
      best = i
      bestLength = length
    }
  }
  let text = ''
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += '::'
      i += bestLength - 1
    } else {
      text += `${text === '' || text.endsWith(':') ? '' : ':'}${u16(bytes, at + i * 2).toString(16)}`
    }
  }
  return text
}
