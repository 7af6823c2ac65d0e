/** tcpdump's lines: the number, the time, where on `any` the frame was seen, the frame, and its bytes when wanted. */
import type { NetDevice } from '../../link/device.ts'
import { formatMac } from '../../wire/address.ts'
import { i32 } from '../../wire/bytes.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { type PrintOptions, printFrame, printPacket, typeText } from '../../wire/print.ts'
import { TcpConversations } from '../../wire/print-conversations.ts'
import { hexRow } from '../../wire/print-text.ts'
import { COOKED_HEADER, cookedType, placeText } from './tcpdump-cooked.ts'

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

/** What was captured: an Ethernet frame, or a packet behind a cooked header. */
export interface Captured extends Moment {
  readonly bytes: Uint8Array
  readonly at: number
  readonly end: number
  /** Bytes on the wire. */
  readonly length: number
  readonly cooked: boolean
}

export class DumpPrinter {
  readonly #style: DumpStyle
  readonly #devices: Iterable<NetDevice>
  readonly #conversations = new TcpConversations()
  #count = 0
  #first: Moment | null = null
  #previous: Moment | null = null

  /** `devices` have the names for the numbers in cooked headers. */
  constructor(style: DumpStyle, devices: Iterable<NetDevice>) {
    this.#style = style
    this.#devices = devices
  }

  line(captured: Captured): string {
    const { bytes, at, end, cooked } = captured
    const number = this.#style.numbered ? `${String(++this.#count).padStart(5)}  ` : ''
    const frame = cooked ? this.#cooked(captured) : printFrame(bytes, at, end, this.#options(captured.length))
    const header = cooked ? COOKED_HEADER : ethernet.HEADER
    return `${number}${this.#time(captured)}${frame}\n${dump(this.#style.bytes, bytes, at, end, header)}`
  }

  #options(length: number): PrintOptions {
    const { link, verbose, quick, unchecked, absolute } = this.#style
    const options = { link, verbose, quick, unchecked, length }
    return absolute ? options : { ...options, conversations: this.#conversations }
  }

  #cooked({ bytes, at, end, length }: Captured): string {
    const header = bytes.subarray(at)
    const type = cookedType(header)
    let where = placeText(header, this.#devices)
    if (this.#style.link) {
      where += `ifindex ${i32(header, 4)} ${formatMac(header, 12)} `
      if (!this.#style.quick) where += `ethertype ${typeText(type)}, length ${length}: `
    }
    return where + printPacket(bytes, at + COOKED_HEADER, end, type, this.#options(length - COOKED_HEADER))
  }

  #time(moment: Moment): string {
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
        return ` ${clock(since(previous, moment), nanos)} `
      case 4:
        return `${new Date(moment.seconds * 1000).toISOString().slice(0, 10)} ${clock(moment, nanos)} `
      default:
        return ` ${clock(since(first, moment), nanos)} `
    }
  }
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

/** In whole microseconds on both sides, as libpcap hands them out. */
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
      if (byte === 13 && bytes[i + 1] === 10) continue
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
