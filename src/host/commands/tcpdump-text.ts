/** tcpdump's lines: the time, where on `any` the frame was seen, the frame, and its bytes when they are wanted. */
import type { Direction, NetDevice } from '../../link/device.ts'
import { sameMac } from '../../wire/address.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { printFrame } from '../../wire/print.ts'
import { TcpConversations } from '../../wire/print-tcp.ts'

export interface DumpStyle {
  /** How many -t were given. */
  readonly time: number
  readonly link: boolean
  readonly verbose: boolean
  /** -S: sequence numbers as they are. */
  readonly absolute: boolean
  /** `-x`, `-xx`, `-X`, `-XX`, `-A`, or nothing. */
  readonly bytes: string
}

/** A moment: seconds since 1970, and nanoseconds. */
export interface Moment {
  readonly seconds: number
  readonly nanos: number
}

export class DumpPrinter {
  readonly #style: DumpStyle
  readonly #conversations = new TcpConversations()
  #first: Moment | null = null
  #previous: Moment | null = null

  constructor(style: DumpStyle) {
    this.#style = style
  }

  /** `where` stands before the frame when several devices are watched. */
  line(moment: Moment, where: string, bytes: Uint8Array, at: number, end: number): string {
    const { link, verbose, absolute } = this.#style
    const frame = printFrame(
      bytes,
      at,
      end,
      absolute ? { link, verbose } : { link, verbose, conversations: this.#conversations },
    )
    return `${this.#time(moment)}${where}${frame}\n${dump(this.#style.bytes, bytes, at, end)}`
  }

  #time(moment: Moment): string {
    const first = this.#first ?? moment
    const previous = this.#previous ?? moment
    this.#first = first
    this.#previous = moment
    switch (this.#style.time) {
      case 0:
        return `${clock(moment)} `
      case 1:
        return ''
      case 2:
        return `${moment.seconds}.${micros(moment)} `
      case 3:
        return ` ${clock(since(previous, moment))} `
      case 4:
        return `${new Date(moment.seconds * 1000).toISOString().slice(0, 10)} ${clock(moment)} `
      default:
        return ` ${clock(since(first, moment))} `
    }
  }
}

function micros(moment: Moment): string {
  return String(Math.floor(moment.nanos / 1000)).padStart(6, '0')
}

function clock(moment: Moment): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const day = moment.seconds % 86_400
  return `${two(day / 3600)}:${two((day / 60) % 60)}:${two(day % 60)}.${micros(moment)}`
}

function since(from: Moment, to: Moment): Moment {
  const nanos = to.nanos - from.nanos
  return nanos < 0
    ? { seconds: to.seconds - from.seconds - 1, nanos: nanos + 1e9 }
    : { seconds: to.seconds - from.seconds, nanos }
}

/** `eth0  In  `, as the cooked capture on `any` shows it: P for what was meant for others. */
export function placeText(device: NetDevice, direction: Direction, bytes: Uint8Array, at: number): string {
  let kind = 'Out'
  if (direction === 'in') {
    if (ethernet.isBroadcast(bytes, at)) kind = 'B'
    else if (ethernet.isGroup(bytes, at)) kind = 'M'
    else kind = sameMac(bytes, at, device.mac, 0) ? 'In' : 'P'
  }
  return `${device.name.padEnd(5)} ${kind.padEnd(3)} `
}

function dump(how: string, bytes: Uint8Array, at: number, end: number): string {
  if (how === '') return ''
  const start = how.length > 1 ? at : Math.min(at + ethernet.HEADER, end)
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')
  if (how[0] === 'A') {
    let text = ''
    for (let i = start; i < end; i++) {
      const byte = bytes[i]
      if (byte === 13 && bytes[i + 1] === 10) continue
      text += byte === 9 || byte === 10 || byte === 32 ? String.fromCharCode(byte) : printable(byte)
    }
    return `${text}\n`
  }
  let text = ''
  for (let row = start; row < end; row += 16) {
    let hex = ''
    let letters = ''
    for (let i = row; i < row + 16 && i < end; i++) {
      hex += `${(i - row) % 2 === 0 && i > row ? ' ' : ''}${bytes[i].toString(16).padStart(2, '0')}`
      letters += printable(bytes[i])
    }
    const offset = (row - start).toString(16).padStart(4, '0')
    text += how[0] === 'X' ? `\t0x${offset}:  ${hex.padEnd(39)}  ${letters}\n` : `\t0x${offset}:  ${hex}\n`
  }
  return text
}
