/**
 * A query as a server reads it: header, question and OPT record, byte for byte. dns-packet makes text of labels and
 * joins them with dots, so that a label with a dot or a byte that is no text in it could not be sent back.
 */
import { className, type DnsQuestion, type Edns, type EdnsOption, labelText, typeName } from './dns-message.ts'

const HEADER = 12
const OPT = 41
const MOST_POINTERS = 126
const LONGEST_NAME = 255

export interface DnsQuery {
  readonly id: number
  readonly opcode: number
  readonly recursionDesired: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  /** It cannot be read to its end: FORMERR. */
  readonly broken: boolean
  /** Null when the message ends behind its header, or has none that can be read. */
  readonly question: DnsQuestion | null
  readonly edns: Edns | null
  /** Length of the message in bytes. */
  readonly size: number
}

interface Named {
  readonly name: string
  /** Behind the name. */
  readonly end: number
}

/** Null when no name stands there. */
function readName(bytes: Uint8Array, at: number): Named | null {
  const labels: string[] = []
  let end = -1
  let length = 0
  for (let pointers = 0, from = at; ; ) {
    const first = bytes[from]
    if (first === undefined) return null
    if (first === 0) return { name: labels.join('.'), end: end < 0 ? from + 1 : end }
    if (first >= 0xc0) {
      if (from + 1 >= bytes.length || ++pointers > MOST_POINTERS) return null
      if (end < 0) end = from + 2
      from = ((first & 0x3f) << 8) | bytes[from + 1]
      continue
    }
    length += first + 1
    if (first > 63 || from + 1 + first > bytes.length || length >= LONGEST_NAME) return null
    labels.push(labelText(bytes.subarray(from + 1, from + 1 + first)))
    from += 1 + first
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

/** A message of at least a header's twelve bytes, with one question. */
export function readQuery(bytes: Uint8Array): DnsQuery {
  const flags = u16(bytes, 2)
  const head = {
    id: u16(bytes, 0),
    opcode: (flags >>> 11) & 15,
    recursionDesired: (flags & 0x0100) !== 0,
    authenticData: (flags & 0x0020) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    size: bytes.length,
  }
  if (bytes.length === HEADER) return { ...head, broken: false, question: null, edns: null }
  const asked = readName(bytes, HEADER)
  if (asked === null || asked.end + 4 > bytes.length) return { ...head, broken: true, question: null, edns: null }
  const type = typeName(u16(bytes, asked.end))
  const question = { name: asked.name, type, class: className(u16(bytes, asked.end + 2)) }
  let at = asked.end + 4
  let edns: Edns | null = null
  const records = u16(bytes, 6) + u16(bytes, 8) + u16(bytes, 10)
  for (let i = 0; i < records; i++) {
    // A message may end before all that its header counts.
    if (at === bytes.length) break
    const owner = readName(bytes, at)
    if (owner === null || owner.end + 10 > bytes.length) return { ...head, broken: true, question, edns: null }
    const start = owner.end + 10
    const length = u16(bytes, owner.end + 8)
    if (start + length > bytes.length) return { ...head, broken: true, question, edns: null }
    if (u16(bytes, owner.end) === OPT && edns === null) {
      edns = readEdns(bytes, owner.end, start, start + length)
      if (edns === null) return { ...head, broken: true, question, edns: null }
    }
    at = start + length
  }
  return { ...head, broken: false, question, edns }
}

function readEdns(bytes: Uint8Array, at: number, start: number, end: number): Edns | null {
  const options: EdnsOption[] = []
  for (let from = start; from < end; ) {
    if (from + 4 > end) return null
    const length = u16(bytes, from + 2)
    if (from + 4 + length > end) return null
    options.push({ code: u16(bytes, from), bytes: bytes.slice(from + 4, from + 4 + length) })
    from += 4 + length
  }
  return { size: u16(bytes, at + 2), version: bytes[at + 5], dnssecOk: (bytes[at + 6] & 0x80) !== 0, options }
}
