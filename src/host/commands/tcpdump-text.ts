/** tcpdump's lines: the number, the time, the packet, and its bytes when wanted. */
import * as ethernet from '../../wire/ethernet.ts'
import { type PrintOptions, printCaptured, printUnsupported } from '../../wire/print.ts'
import { TcpConversations } from '../../wire/print-conversations.ts'
import { LINUX_SLL_P_802_2, type LinkType } from '../../wire/print-link.ts'
import { hexRow } from '../../wire/print-text.ts'

export interface DumpStyle {
  /** `-#`. */
  readonly numbered: boolean
  /** How many -t were given. */
  readonly time: number
  /** `--nano`: nine digits behind the point. */
  readonly nanos: boolean
  readonly link: boolean
  /** How many -v were given. */
  readonly verbose: number
  readonly quick: boolean
  readonly unchecked: boolean
  /** -S: sequence numbers as they are. */
  readonly absolute: boolean
  /** `-x`, `-xx`, `-X`, `-XX`, `-A`, `-AA`, or nothing. */
  readonly bytes: string
}

/** A moment: seconds since 1970, and nanoseconds. */
export interface Moment {
  readonly seconds: number
  readonly nanos: number
}

/** What was captured. */
export interface Captured extends Moment {
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
  /** Bytes on the wire. */
  readonly length: number
  /** Null for one that podwire does not know. */
  readonly link: LinkType | null
}

/** What the lines' texts need to know of the place where they are printed. */
export interface DumpNames {
  /** Of an interface's number in a cooked header; null when nobody knows. */
  interfaceName(index: number): string | null
  /** Of addresses' texts; null shows them as they are. */
  readonly addresses: ReadonlyMap<string, string> | null
}

/** The bytes of LLC in front of unnumbered information, of which spanning tree's frames are. */
const LLC = 3

/** Whose printers give up in a way that makes tcpdump forget how long the link layer's header was. */
const forgetful = new Set(['arp', 'icmp'])

export class DumpPrinter {
  readonly #style: DumpStyle
  readonly #options: PrintOptions
  /** The last packet's bytes ended within a header of such a protocol. */
  #cut = false
  #count = 0
  #first: Moment | null = null
  #previous: Moment | null = null

  constructor(style: DumpStyle, names: DumpNames) {
    this.#style = style
    const { link, verbose, quick, unchecked, absolute } = style
    this.#options = {
      link,
      verbose,
      quick,
      unchecked,
      dumped: style.bytes !== '',
      onCut: (protocol) => {
        this.#cut = forgetful.has(protocol)
      },
      names: names.addresses,
      interfaceName: (index) => names.interfaceName(index),
      ...(absolute ? {} : { conversations: new TcpConversations() }),
    }
  }

  line(captured: Captured): string {
    const { bytes, at, end, link } = captured
    const number = this.#style.numbered ? `${String(++this.#count).padStart(5)}  ` : ''
    const said = strangeLength(captured)
    if (said !== null) return `${number}${said}\n`
    const time = this.#time(captured)
    this.#cut = false
    const shown = `${number}${time}${this.packet(captured)}\n`
    const header = this.#cut ? 0 : headerOf(link, bytes, at, end)
    return shown + dump(this.#style.bytes, bytes, at, end, header)
  }

  /** The text of the packet alone. */
  packet({ bytes, at, end, length, link }: Captured): string {
    const options = { ...this.#options, length }
    return link === null ? printUnsupported(bytes, at, end, options) : printCaptured(link, bytes, at, end, options)
  }

  #time(stamp: Moment): string {
    // libpcap hands out microseconds, unless it is asked for more.
    const moment = this.#style.nanos ? stamp : { seconds: stamp.seconds, nanos: stamp.nanos - (stamp.nanos % 1000) }
    const first = this.#first ?? moment
    const previous = this.#previous ?? moment
    this.#first = first
    this.#previous = moment
    const { nanos } = this.#style
    switch (this.#style.time) {
      case 0:
        return `${clock(moment, nanos)} `
      case 1:
        return ''
      case 2:
        return `${moment.seconds}.${fraction(moment, nanos)} `
      case 3:
        return `${between(previous, moment, nanos)} `
      case 4:
        return `${new Date(moment.seconds * 1000).toISOString().slice(0, 10)} ${clock(moment, nanos)} `
      default:
        return `${between(first, moment, nanos)} `
    }
  }
}

/** What tcpdump says of a packet whose lengths cannot be. */
function strangeLength({ at, end, length }: Captured): string | null {
  const captured = end - at
  if (captured === 0) return '[Invalid header: caplen==0]'
  return length < captured ? `[Invalid header: len(${length}) < caplen(${captured})]` : null
}

/** What `-x` leaves out: the link layer's header, with tags, and with LLC's where that is how the frame goes on. */
function headerOf(link: LinkType | null, bytes: Uint8Array, at: number, end: number): number {
  let header = link?.header ?? 0
  const type = link === null ? 0 : link.type(bytes, at, end)
  const llc = header === ethernet.HEADER ? type < ethernet.ETH_P_802_3_MIN : type === LINUX_SLL_P_802_2
  if (llc && link !== null && header > 4) return Math.min(header + LLC, end - at)
  if (header !== ethernet.HEADER) return header
  while (at + header + 4 <= end && ethernet.isTag((bytes[at + header - 2] << 8) | bytes[at + header - 1])) header += 4
  return header
}

function fraction(moment: Moment, nanos: boolean): string {
  if (nanos) return String(moment.nanos).padStart(9, '0')
  return String(Math.floor(moment.nanos / 1000)).padStart(6, '0')
}

function clock(moment: Moment, nanos: boolean): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const day = moment.seconds % 86_400
  return `${two(day / 3600)}:${two((day / 60) % 60)}:${two(day % 60)}.${fraction(moment, nanos)}`
}

/** With a minus where the later line has the earlier time. */
function between(from: Moment, to: Moment, nanos: boolean): string {
  const negative = to.seconds < from.seconds || (to.seconds === from.seconds && to.nanos < from.nanos)
  return negative ? `-${clock(since(to, from), nanos)}` : ` ${clock(since(from, to), nanos)}`
}

function since(from: Moment, to: Moment): Moment {
  const nanos = to.nanos - from.nanos
  return nanos < 0
    ? { seconds: to.seconds - from.seconds - 1, nanos: nanos + 1e9 }
    : { seconds: to.seconds - from.seconds, nanos }
}

function dump(how: string, bytes: Uint8Array, at: number, end: number, header: number): string {
  if (how === '') return ''
  const start = how.length > 1 ? at : Math.min(at + header, end)
  if (how[0] === 'A') {
    let text = ''
    for (let i = start; i < end; i++) {
      const byte = bytes[i]
      if (byte === 13 && (i + 1 >= end || bytes[i + 1] === 10)) continue
      const blank = byte === 9 || byte === 10 || byte === 32
      text += blank || (byte > 0x20 && byte < 0x7f) ? String.fromCharCode(byte) : '.'
    }
    return `${text}\n`
  }
  let text = ''
  for (let row = start; row < end; row += 16) {
    const line = hexRow(bytes, row, Math.min(row + 16, end))
    const offset = (row - start).toString(16).padStart(4, '0')
    text += `\t0x${offset}:  ${how[0] === 'X' ? line : line.slice(0, 39).trimEnd()}\n`
  }
  return text
}
