/** TCP as tcpdump prints it, and the beginning of HTTP inside. */
import { u16 } from './bytes.ts'
import { add, finish, fold } from './checksum.ts'
import { printDns } from './print-dns.ts'
import * as tcp from './tcp.ts'

/** The first sequence numbers of a connection, of the side that sorts first and of the other. */
interface FirstNumbers {
  forward: number
  backward: number
}

/** What tcpdump remembers between packets, so that sequence numbers begin at zero. */
export class TcpConversations {
  #known = new Map<string, FirstNumbers>()

  /** The numbers to subtract in this segment; the first segment of a conversation is shown as it is. */
  of(source: string, from: number, destination: string, to: number, flags: number, seq: number, ack: number): Offsets {
    if ((flags & tcp.ACK) === 0) return { sequence: 0, acknowledgment: 0, sack: 0 }
    const reverse = from === to ? source > destination : from > to
    const key = reverse ? `${destination} ${to} ${source} ${from}` : `${source} ${from} ${destination} ${to}`
    const numbers = this.#known.get(key)
    if (numbers === undefined || flags & tcp.SYN) {
      const fresh = reverse ? { forward: ack - 1, backward: seq } : { forward: seq, backward: ack - 1 }
      this.#known.set(key, fresh)
      return { sequence: 0, acknowledgment: 0, sack: reverse ? fresh.forward : fresh.backward }
    }
    const sequence = reverse ? numbers.backward : numbers.forward
    const acknowledgment = reverse ? numbers.forward : numbers.backward
    return { sequence, acknowledgment, sack: acknowledgment }
  }
}

interface Offsets {
  readonly sequence: number
  readonly acknowledgment: number
  readonly sack: number
}

const absolute: Offsets = { sequence: 0, acknowledgment: 0, sack: 0 }
const flagLetters = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W']
const DNS = 53
const httpPorts = new Set([80, 8080])

/** `claimed` is where IP's length field says that the segment ends; `pseudo` the pseudo-header's sum, -1 not to check. */
export function printTcp(
  printer: { readonly verbose: boolean; readonly conversations: TcpConversations | null },
  bytes: Uint8Array,
  at: number,
  end: number,
  claimed: number,
  source: string,
  destination: string,
  pseudo: number,
): string {
  if (end - at < 4) return `${source} > ${destination}: [|tcp]`
  const from = tcp.sourcePort(bytes, at)
  const to = tcp.destinationPort(bytes, at)
  let text = `${source}.${from} > ${destination}.${to}: `
  if (end - at < 13) return `${text}[|tcp]`
  const header = tcp.headerLength(bytes, at)
  const size = claimed - at
  if (header < tcp.HEADER) {
    return `${text} tcp ${size - header} [bad hdr length ${header} - too short, < ${tcp.HEADER}]`
  }
  if (end - at < tcp.HEADER) return `${text}[|tcp]`
  const flags = tcp.flags(bytes, at)
  const sequence = tcp.sequence(bytes, at)
  const acknowledgment = tcp.acknowledgment(bytes, at)
  const offsets = printer.conversations?.of(source, from, destination, to, flags, sequence, acknowledgment) ?? absolute
  text += `Flags [${flagsText(flags)}]`
  if (header > size) return `${text} [bad hdr length ${header} - too long, > ${size}]`
  if (pseudo >= 0) text += checksumText(bytes, at, end, pseudo)
  const length = size - header
  if (length > 0 || flags & (tcp.SYN | tcp.FIN | tcp.RST)) {
    const first = sequence - offsets.sequence
    text += `, seq ${first >>> 0}${length > 0 ? `:${(first + length) >>> 0}` : ''}`
  }
  if (flags & tcp.ACK) text += `, ack ${(acknowledgment - offsets.acknowledgment) >>> 0}`
  text += `, win ${tcp.window(bytes, at)}`
  if (flags & tcp.URG) text += `, urg ${tcp.urgent(bytes, at)}`
  if (header > tcp.HEADER) {
    const stop = at + header
    if (stop > end) return `${text}, options [|tcp]`
    text += `, options [${optionsText(bytes, at + tcp.HEADER, stop, flags, offsets.sack)}]`
  }
  text += `, length ${length}`
  if (length === 0 || at + header >= end || flags & tcp.RST) return text
  return text + payloadText(bytes, at + header, end, length, from, to, printer.verbose)
}

function flagsText(flags: number): string {
  let text = ''
  for (let bit = 0; bit < 8; bit++) if (flags & (1 << bit)) text += flagLetters[bit]
  return text === '' ? 'none' : text
}

function checksumText(bytes: Uint8Array, at: number, end: number, pseudo: number): string {
  const written = u16(bytes, at + tcp.CHECKSUM)
  const sum = fold(add(pseudo, bytes, at, end - at))
  const right = finish(sum + (~written & 0xffff))
  return `, cksum 0x${hex(written)} ${sum === 0xffff ? '(correct)' : `(incorrect -> 0x${hex(right)})`}`
}

function optionsText(bytes: Uint8Array, at: number, end: number, flags: number, sackOffset: number): string {
  let text = ''
  for (let option = at; option < end; ) {
    if (option > at) text += ','
    const kind = bytes[option]
    if (kind === tcp.OPTION_END) return `${text}eol`
    if (kind === tcp.OPTION_NOP) {
      text += 'nop'
      option++
      continue
    }
    const length = option + 1 < end ? bytes[option + 1] : 0
    if (length < 2 || option + length > end) return `${text}[bad opt]`
    const { name, size } = optionText(bytes, option + 2, length - 2, kind, flags, sackOffset)
    text += name
    if (size !== length - 2) text += `[len ${length}]`
    option += length
  }
  return text
}

/** The option's text, and how long its kind of data should be. */
function optionText(
  bytes: Uint8Array,
  at: number,
  length: number,
  kind: number,
  flags: number,
  sackOffset: number,
): { name: string; size: number } {
  switch (kind) {
    case tcp.OPTION_MSS:
      return { name: length < 2 ? 'mss' : `mss ${u16(bytes, at)}`, size: 2 }
    case tcp.OPTION_WINDOW_SCALE:
      return { name: length < 1 ? 'wscale' : `wscale ${bytes[at]}`, size: 1 }
    case tcp.OPTION_SACK_PERMITTED:
      return { name: 'sackOK', size: 0 }
    case tcp.OPTION_SACK: {
      if (length % 8 !== 0 || (flags & tcp.ACK) === 0) return { name: 'sack malformed sack ', size: length }
      let name = `sack ${length / 8} `
      for (let i = 0; i < length; i += 8) {
        name += `{${u32(bytes, at + i, sackOffset)}:${u32(bytes, at + i + 4, sackOffset)}}`
      }
      return { name, size: length }
    }
    case tcp.OPTION_TIMESTAMPS:
      return { name: length < 8 ? 'TS' : `TS val ${u32(bytes, at, 0)} ecr ${u32(bytes, at + 4, 0)}`, size: 8 }
    default: {
      let name = `unknown-${kind}${length > 0 ? ' 0x' : ''}`
      for (let i = 0; i < length; i++) name += bytes[at + i].toString(16).padStart(2, '0')
      return { name, size: length }
    }
  }
}

function u32(bytes: Uint8Array, at: number, offset: number): number {
  return (((u16(bytes, at) << 16) | u16(bytes, at + 2)) - offset) >>> 0
}

function payloadText(
  bytes: Uint8Array,
  at: number,
  end: number,
  length: number,
  from: number,
  to: number,
  verbose: boolean,
): string {
  if (httpPorts.has(from) || httpPorts.has(to)) return `: ${httpText(bytes, at, end, length, verbose)}`
  if (from === DNS || to === DNS) return dnsText(bytes, at, end, length, verbose)
  return ''
}

/** DNS over TCP: two bytes of length in front. */
function dnsText(bytes: Uint8Array, at: number, end: number, length: number, verbose: boolean): string {
  if (length < 2 || end - at < 2) return ` [DNS over TCP: length ${length} < 2] (invalid)`
  const prefix = u16(bytes, at)
  if (prefix !== length - 2) return ` [prefix length(${prefix}) != length(${length - 2})] (invalid)`
  return ` ${printDns(bytes, at + 2, end, length - 2, verbose)}`
}

const httpMethods = new Set(
  'GET PUT COPY HEAD LOCK MOVE POLL POST BCOPY BMOVE MKCOL TRACE LABEL MERGE DELETE SEARCH UNLOCK REPORT UPDATE NOTIFY BDELETE CONNECT OPTIONS CHECKIN PROPFIND CHECKOUT CCM_POST SUBSCRIBE PROPPATCH BPROPFIND BPROPPATCH UNCHECKOUT MKACTIVITY MKWORKSPACE UNSUBSCRIBE RPC_CONNECT VERSION-CONTROL BASELINE-CONTROL'.split(
    ' ',
  ),
)

/** The first line of a request or of an answer; all lines of text with -v; just the name when it is neither. */
function httpText(bytes: Uint8Array, at: number, end: number, length: number, verbose: boolean): string {
  const words = asciiLine(bytes, at, end).text.split(/[ \t]+/)
  if (!httpMethods.has(words[0].toUpperCase()) && !/^[0-9]{3}$/.test(words[1] ?? '')) return 'HTTP'
  if (!verbose) {
    const line = asciiLine(bytes, at, end)
    return line.printable ? `HTTP: ${line.text}` : 'HTTP'
  }
  let text = `HTTP, length: ${length}`
  for (let next = at; next < end; ) {
    const line = asciiLine(bytes, next, end)
    if (!line.printable) break
    text += `\n\t${line.text}`
    next = line.next
  }
  return text
}

/** The text up to the line's end; not printable when a control character or the packet's end comes first. */
function asciiLine(bytes: Uint8Array, at: number, end: number): { text: string; printable: boolean; next: number } {
  let text = ''
  for (let i = at; i < end; i++) {
    const character = bytes[i]
    if (character === 10) return { text, printable: true, next: i + 1 }
    if (character === 13) return { text, printable: i + 1 < end && bytes[i + 1] === 10, next: i + 2 }
    if (character !== 9 && (character < 32 || character > 126)) return { text, printable: false, next: i }
    text += String.fromCharCode(character)
  }
  return { text: `${text} [|http]`, printable: true, next: end }
}

function hex(value: number): string {
  return value.toString(16).padStart(4, '0')
}
