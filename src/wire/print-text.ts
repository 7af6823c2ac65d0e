/** What tcpdump's printers share: the text so far, and bytes that may end before the headers say so. */
import { formatIpv4, formatMac, type Ipv4 } from './address.ts'
import { i32 } from './bytes.ts'
import { add, fold } from './checksum.ts'
import type { TcpConversations } from './print-conversations.ts'

/** The bytes end before what is to be read: the text ends with the protocol's name, ` [|udp]`. */
export class Cut extends Error {}

/** What the transport protocols are told about the IP header above them. */
export interface Around {
  readonly source: string
  readonly destination: string
  /** A first fragment: there is no checking its checksum. */
  readonly fragmented: boolean
  /** The addresses are shown already, in front of other headers: only ports are left to show. */
  readonly shown: boolean
  /** How many `-v` show UDP's checksum: over IPv6 tcpdump shows it earlier. */
  readonly udpSumFrom: number
  /** The sum of the pseudo-header for so many bytes. */
  pseudo(length: number): number
}

interface Style {
  readonly link: boolean
  readonly verbose: number
  readonly quick: boolean
  readonly unchecked: boolean
  readonly conversations: TcpConversations | null
  readonly names: ReadonlyMap<string, string> | null
  readonly interfaceName: (index: number) => string | null
  readonly dumped: boolean
  /** Prints a frame inside a packet. */
  readonly printFrame: (out: PacketText, at: number, length: number) => void
  /** Prints what an EtherType announces; false when nobody knows it. */
  readonly printPayload: (out: PacketText, type: number, at: number, length: number) => boolean
}

/** One frame being printed. Printers append to `text`; `protocol` is whose header is read at the moment. */
export class PacketText {
  text = ''
  protocol = 'ether'
  /** Whose header it was within which the bytes ended, if they did. */
  cut: string | null = null
  readonly bytes: Uint8Array
  /** Where the bytes end that a printer may read: the capture's end, or the end that IP's header claims. */
  end: number
  /** `-e`. */
  readonly link: boolean
  /** How many `-v`. */
  readonly verbose: number
  /** `-q`. */
  readonly quick: boolean
  /** `-K`: checksums are not looked at. */
  readonly unchecked: boolean
  /** Null with `-S`. */
  readonly conversations: TcpConversations | null
  readonly #names: ReadonlyMap<string, string> | null
  readonly #interfaceName: Style['interfaceName']
  /** The bytes are shown behind the text anyhow. */
  readonly #dumped: boolean
  readonly printFrame: Style['printFrame']
  readonly printPayload: Style['printPayload']

  constructor(bytes: Uint8Array, end: number, style: Style) {
    this.bytes = bytes
    this.end = end
    this.link = style.link
    this.verbose = style.verbose
    this.quick = style.quick
    this.unchecked = style.unchecked
    this.conversations = style.conversations
    this.#names = style.names
    this.#interfaceName = style.interfaceName
    this.#dumped = style.dumped
    this.printFrame = style.printFrame
    this.printPayload = style.printPayload
  }

  has(at: number, length: number): boolean {
    return at + length <= this.end
  }

  need(at: number, length: number): void {
    if (at + length > this.end) throw new Cut()
  }

  u8(at: number): number {
    this.need(at, 1)
    return this.bytes[at]
  }

  u16(at: number): number {
    this.need(at, 2)
    return (this.bytes[at] << 8) | this.bytes[at + 1]
  }

  u32(at: number): number {
    this.need(at, 4)
    return i32(this.bytes, at) >>> 0
  }

  /** IPv4, dotted, or its name. */
  address(at: number): string {
    this.need(at, 4)
    return this.#named(formatIpv4(i32(this.bytes, at) as Ipv4))
  }

  mac(at: number): string {
    this.need(at, 6)
    return formatMac(this.bytes, at)
  }

  ipv6(at: number): string {
    this.need(at, 16)
    return this.#named(formatIpv6(this.bytes, at))
  }

  #named(address: string): string {
    return this.#names?.get(address) ?? address
  }

  /** Of an interface's number: its name, or a question mark. */
  interfaceName(index: number): string {
    return this.#interfaceName(index) ?? '?'
  }

  /** The ones' complement sum of these bytes, on top of `sum`; 0xffff when a checksum among them is right. */
  sum(at: number, length: number, sum = 0): number {
    return fold(add(sum, this.bytes, at, length))
  }

  truncated(): void {
    this.cut ??= this.protocol
    this.text += ` [|${this.protocol}]`
  }

  /** Behind a header that announces what nobody understands; not with -q, nor where all bytes are shown anyhow. */
  dumpUnknown(at: number): void {
    if (!this.#dumped && !this.quick) this.dump(at)
  }

  /** The bytes themselves, of what nobody understands. */
  dump(at: number): void {
    for (let row = at; row < this.end; row += 16) {
      this.text += `\n\t0x${hex(row - at, 4)}:  ${hexRow(this.bytes, row, Math.min(row + 16, this.end))}`
    }
  }
}

/** Sixteen bytes in pairs, and as letters. */
export function hexRow(bytes: Uint8Array, at: number, end: number): string {
  let digits = ''
  let letters = ''
  for (let i = at; i < end; i++) {
    digits += `${(i - at) % 2 === 0 && i > at ? ' ' : ''}${hex(bytes[i], 2)}`
    letters += bytes[i] > 0x20 && bytes[i] < 0x7f ? String.fromCharCode(bytes[i]) : '.'
  }
  return `${digits.padEnd(39)}  ${letters}`
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** RFC 5952: the longest run of two or more zero groups is left out, the first of equals. */
export function formatIpv6(bytes: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[at + i * 2] << 8) | bytes[at + i * 2 + 1])
  let best = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > bestLength) {
      best = i
      bestLength = length
    }
  }
  const text = (some: number[]) => some.map((group) => group.toString(16)).join(':')
  if (best < 0) return text(groups)
  return `${text(groups.slice(0, best))}::${text(groups.slice(best + bestLength))}`
}

/** Control characters as ^X, the upper half with M- in front. */
export function visible(bytes: Uint8Array, at: number, end: number): string {
  let text = ''
  for (let i = at; i < end; i++) {
    const low = bytes[i] & 0x7f
    if (bytes[i] > 0x7f) text += 'M-'
    text += low < 32 || low === 127 ? `^${String.fromCharCode(low ^ 0x40)}` : String.fromCharCode(low)
  }
  return text
}
