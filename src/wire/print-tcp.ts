/** TCP as tcpdump prints it. */
import { finish } from './checksum.ts'
import type { Offsets } from './print-conversations.ts'
import { printDns } from './print-dns.ts'
import { printTextProtocol, textProtocolOf } from './print-lines.ts'
import { type Around, hex, type PacketText } from './print-text.ts'
import * as tcp from './tcp.ts'

const absolute: Offsets = { sequence: 0, acknowledgment: 0, sack: 0 }
const flagLetters = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W']
const DNS = 53
/** Of the text that a reset may carry (RFC 1122 section 4.2.2.12). */
const LONGEST_REASON = 30

/** `size` is what the IP header claims. */
export function printTcp(out: PacketText, at: number, size: number, around: Around): void {
  out.protocol = 'tcp'
  const { source, destination } = around
  if (!out.has(at, 4)) {
    // Without the blank in front that other protocols have here.
    out.text += `${around.shown ? '' : `${source} > ${destination}: `}[|tcp]`
    return
  }
  const from = out.u16(at + tcp.SOURCE_PORT)
  const to = out.u16(at + tcp.DESTINATION_PORT)
  out.text += around.shown ? `${from} > ${to}: ` : `${source}.${from} > ${destination}.${to}: `
  out.need(at, tcp.HEADER)
  const header = (out.u8(at + 12) >> 4) * 4
  if (header < tcp.HEADER) {
    out.text += ` tcp ${(size - header) >>> 0} [bad hdr length ${header} - too short, < ${tcp.HEADER}]`
    return
  }
  const tooLong = header > size ? ` [bad hdr length ${header} - too long, > ${size}]` : ''
  if (out.quick) {
    out.text += `tcp ${(size - header) >>> 0}${tooLong}`
    return
  }
  const flags = out.u8(at + 13)
  const sequence = out.u32(at + 4)
  const acknowledgment = out.u32(at + 8)
  const offsets = out.conversations?.of(source, from, destination, to, flags, sequence, acknowledgment) ?? absolute
  out.text += `Flags [${flagsText(flags)}]${tooLong}`
  if (tooLong !== '') return
  if (out.verbose > 0 && !out.unchecked && !around.fragmented && out.has(at, size)) printSum(out, at, size, around)
  const length = size - header
  if (out.verbose > 1 || length > 0 || flags & (tcp.SYN | tcp.FIN | tcp.RST)) {
    const first = sequence - offsets.sequence
    out.text += `, seq ${first >>> 0}${length > 0 ? `:${(first + length) >>> 0}` : ''}`
  }
  if (flags & tcp.ACK) out.text += `, ack ${(acknowledgment - offsets.acknowledgment) >>> 0}`
  out.text += `, win ${out.u16(at + 14)}`
  if (flags & tcp.URG) out.text += `, urg ${out.u16(at + 18)}`
  if (header > tcp.HEADER && !printOptions(out, at + tcp.HEADER, at + header, offsets.sack)) return
  out.text += `, length ${length}`
  if (length === 0) return
  const data = at + header
  if (flags & tcp.RST) {
    if (out.verbose > 0) printReason(out, data, length)
  } else printPayload(out, data, length, from, to)
}

function flagsText(flags: number): string {
  let text = ''
  for (let bit = 0; bit < 8; bit++) if (flags & (1 << bit)) text += flagLetters[bit]
  return text === '' ? 'none' : text
}

function printSum(out: PacketText, at: number, size: number, around: Around): void {
  const written = out.u16(at + tcp.CHECKSUM)
  const sum = out.sum(at, size, around.pseudo(size))
  const right = finish(sum + (~written & 0xffff))
  out.text += `, cksum 0x${hex(written, 4)} ${sum === 0xffff ? '(correct)' : `(incorrect -> 0x${hex(right, 4)})`}`
}

/** False when one of them is broken: then nothing more is said about the segment. */
function printOptions(out: PacketText, at: number, end: number, sackOffset: number): boolean {
  out.text += ', options ['
  for (let option = at; option < end; ) {
    if (option > at) out.text += ','
    const kind = out.u8(option)
    let length = 1
    if (kind !== tcp.OPTION_END && kind !== tcp.OPTION_NOP) {
      length = out.u8(option + 1)
      if (length < 2 || option + length > end) {
        out.text += `[bad opt]${option > at ? ']' : ''}`
        return false
      }
    }
    const size = printOption(out, option + 2, length - 2, end, kind, sackOffset)
    if (size < 0) {
      out.text += `[bad opt]${option > at ? ']' : ''}`
      return false
    }
    if (kind === tcp.OPTION_END) break
    if (length > 1 && size !== length - 2) out.text += `[len ${length}]`
    // As tcpdump goes on: by what this kind should have, not by the length that is written there.
    option += length > 1 ? size + 2 : 1
  }
  out.text += ']'
  return true
}

const words = new Map([
  [6, 'echo'],
  [7, 'echoreply'],
  [11, 'cc'],
  [12, 'ccnew'],
  [13, 'ccecho'],
])

/** How long its kind's data should be; -1 when there is no room for that. */
function printOption(
  out: PacketText,
  at: number,
  length: number,
  end: number,
  kind: number,
  sackOffset: number,
): number {
  const lacks = (size: number) => {
    if (at + size > end) return true
    out.need(at, size)
    return false
  }
  switch (kind) {
    case tcp.OPTION_END:
      out.text += 'eol'
      return 0
    case tcp.OPTION_NOP:
      out.text += 'nop'
      return 0
    case tcp.OPTION_MSS:
      out.text += 'mss'
      if (lacks(2)) return -1
      out.text += ` ${out.u16(at)}`
      return 2
    case tcp.OPTION_WINDOW_SCALE:
      out.text += 'wscale'
      if (lacks(1)) return -1
      out.text += ` ${out.u8(at)}`
      return 1
    case tcp.OPTION_SACK_PERMITTED:
      out.text += 'sackOK'
      return 0
    case tcp.OPTION_SACK:
      out.text += 'sack'
      if (length % 8 !== 0) {
        out.text += ' invalid sack'
        return length
      }
      out.text += ` ${length / 8} `
      for (let i = 0; i < length; i += 8) {
        if (lacks(i + 8)) return -1
        out.text += `{${(out.u32(at + i) - sackOffset) >>> 0}:${(out.u32(at + i + 4) - sackOffset) >>> 0}}`
      }
      return length
    case tcp.OPTION_TIMESTAMPS:
      out.text += 'TS'
      if (lacks(8)) return -1
      out.text += ` val ${out.u32(at)} ecr ${out.u32(at + 4)}`
      return 8
    case 19:
      out.text += 'md5'
      if (lacks(16)) return -1
      out.text += ` shared secret not supplied with -M, can't check - ${bytesText(out, at, 16)}`
      return 16
    case 28: {
      out.text += 'uto'
      if (lacks(2)) return -1
      const value = out.u16(at)
      out.text += ` 0x${value.toString(16)} ${value & 1 ? (value >> 1) * 60 : value >> 1}`
      return 2
    }
    case 34:
      out.text += 'tfo '
      if (length === 0) out.text += ' cookiereq'
      else if (length % 2 !== 0 || length < 4 || length > 16) out.text += 'invalid'
      else out.text += ` cookie ${bytesText(out, at, length)}`
      return length
    case 254:
      out.text += 'exp'
      if (length < 2) return -1
      out.text += `-${hex(out.u16(at), 4)}`
      return length
    default: {
      const word = words.get(kind)
      if (word !== undefined) {
        out.text += word
        if (lacks(4)) return -1
        out.text += ` ${out.u32(at)}`
        return 4
      }
      out.text += `unknown-${kind}${length > 0 ? ` 0x${bytesText(out, at, length)}` : ''}`
      return length
    }
  }
}

function bytesText(out: PacketText, at: number, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += hex(out.u8(at + i), 2)
  return text
}

function printReason(out: PacketText, at: number, length: number): void {
  out.text += ` [RST${length > LONGEST_REASON ? '+' : ''} `
  for (let i = 0; i < length && i < LONGEST_REASON; i++) {
    const byte = out.u8(at + i)
    out.text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'
  }
  out.text += ']'
}

function printPayload(out: PacketText, at: number, length: number, from: number, to: number): void {
  const protocol = textProtocolOf(from) ?? textProtocolOf(to)
  if (protocol !== undefined) {
    out.text += ': '
    printTextProtocol(out, at, length, protocol)
  } else if (from === DNS || to === DNS) printTcpDns(out, at, length)
}

/** DNS over TCP: two bytes of length in front. */
function printTcpDns(out: PacketText, at: number, length: number): void {
  out.protocol = 'domain'
  out.text += ' '
  if (length < 2) {
    out.text += `[DNS over TCP: length ${length} < 2] (invalid)`
    return
  }
  const prefix = out.u16(at)
  if (prefix !== length - 2) out.text += `[prefix length(${prefix}) != length(${length - 2})] (invalid)`
  else printDns(out, at + 2, length - 2, false)
}
