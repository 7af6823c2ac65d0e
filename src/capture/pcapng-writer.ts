/**
 * Writing pcapng (draft-ietf-opsawg-pcapng): a chain of blocks, each with its length at both ends.
 *
 *   SHB  who wrote this, of what   IDB  one per interface: `namespace/pod/eth0`; they may come late
 *   NRB  names of addresses        EPB  one per packet: time, direction, packet id, comments
 *   ISB  an interface's counters
 */
import { type Ipv4, type Mac, mask } from '../wire/address.ts'
import { encodeUtf8 } from '../wire/utf8.ts'
import { BATCH, BlockBuffer, type ByteSink } from './byte-sink.ts'
import { ETHERNET, SNAPLEN } from './capture-file.ts'
import { VERSION } from './version.ts'

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE = 1
const NAME_RESOLUTION = 4
const STATISTICS = 5
const ENHANCED_PACKET = 6

const COMMENT = 1
const SHB_HARDWARE = 2
const SHB_OS = 3
const SHB_USERAPPL = 4
const IF_NAME = 2
const IF_DESCRIPTION = 3
const IF_IPV4ADDR = 4
const IF_MACADDR = 6
const IF_SPEED = 8
const IF_TSRESOL = 9
const IF_FILTER = 11
const IF_OS = 12
const EPB_FLAGS = 2
const EPB_DROPCOUNT = 4
const EPB_PACKETID = 5
const NRB_IPV4 = 1
const ISB_STARTTIME = 2
const ISB_ENDTIME = 3
const ISB_IFRECV = 4
const ISB_IFDROP = 5
const ISB_FILTERACCEPT = 6
const ISB_OSDROP = 7
const ISB_USRDELIV = 8

const NANOSECONDS = Uint8Array.of(9)
/** if_filter's first byte: what follows is the filter's text, not a program. */
const FILTER_TEXT = 0

/** epb_flags: which way, and how it was addressed when it came in. */
export const INBOUND = 1
export const OUTBOUND = 2
export const UNICAST = 1 << 2
export const MULTICAST = 2 << 2
export const BROADCAST = 3 << 2
/** For another host, and seen all the same. */
export const PROMISCUOUS = 4 << 2

/** What is said about the whole file; empty texts are left out. */
export interface Section {
  readonly application?: string
  readonly hardware?: string
  readonly os?: string
  readonly comment?: string
}

/** What is said about an interface before its first packet. */
export interface InterfaceHeader {
  readonly name: string
  readonly description?: string
  readonly linkType?: number
  readonly snaplen?: number
  readonly mac?: Mac
  readonly addresses?: readonly { readonly address: Ipv4; readonly prefix: number }[]
  /** Bits per second; 0: not known. */
  readonly speed?: number
  readonly os?: string
  /** The capture filter, as it was typed. */
  readonly filter?: string
}

/** How an interface stands; times are nanoseconds since the epoch of `seconds`, counts that are left out are not known. */
export interface InterfaceCounters {
  readonly seconds: number
  readonly nanos: number
  readonly start?: Instant
  readonly end?: Instant
  /** What came by. */
  readonly received?: number
  /** What the interface itself dropped. */
  readonly dropped?: number
  /** What the filter let through. */
  readonly accepted?: number
  /** What got lost between the interface and the capture. */
  readonly lost?: number
  /** What the capture took. */
  readonly delivered?: number
}

export interface Instant {
  readonly seconds: number
  readonly nanos: number
}

export class PcapngWriter {
  readonly #out: BlockBuffer
  #interfaces = 0
  // The 64-bit time at hand, in its two halves.
  #timeHigh = 0
  #timeLow = 0

  /** The section header is the first block. `batch`: bytes collected before the sink is called; 0: each block by itself. */
  constructor(sink: ByteSink, section: Section = {}, batch = BATCH) {
    this.#out = new BlockBuffer(sink, batch)
    const begin = this.#begin(SECTION_HEADER)
    this.#out.put32(0x1a2b3c4d)
    this.#out.put16(1)
    this.#out.put16(0)
    // The section's length is not given: -1.
    this.#out.put32(-1)
    this.#out.put32(-1)
    this.#text(SHB_HARDWARE, section.hardware)
    this.#text(SHB_OS, section.os)
    this.#text(SHB_USERAPPL, section.application ?? `podwire ${VERSION}`)
    this.#text(COMMENT, section.comment)
    this.#endOptions()
    this.#end(begin)
  }

  /** Declares an interface; the answer is its number for `packet` and `statistics`. */
  interface(header: InterfaceHeader): number {
    const begin = this.#begin(INTERFACE)
    this.#out.put16(header.linkType ?? ETHERNET)
    this.#out.put16(0)
    this.#out.put32(header.snaplen ?? SNAPLEN)
    this.#text(IF_NAME, header.name)
    this.#text(IF_DESCRIPTION, header.description)
    for (const { address, prefix } of header.addresses ?? []) {
      const bytes = new Uint8Array(8)
      putIpv4(bytes, 0, address)
      putIpv4(bytes, 4, mask(prefix))
      this.#option(IF_IPV4ADDR, bytes)
    }
    if (header.mac !== undefined) this.#option(IF_MACADDR, header.mac)
    if (header.speed !== undefined && header.speed > 0) this.#number(IF_SPEED, header.speed)
    this.#option(IF_TSRESOL, NANOSECONDS)
    if (header.filter) this.#option(IF_FILTER, Uint8Array.of(FILTER_TEXT, ...encodeUtf8(header.filter)))
    this.#text(IF_OS, header.os)
    this.#endOptions()
    this.#end(begin)
    return this.#interfaces++
  }

  /** Names that a reader may show in place of addresses; nothing is written when there are none. */
  names(names: Iterable<readonly [Ipv4, string]>): void {
    let begin = -1
    for (const [address, name] of names) {
      if (begin < 0) begin = this.#begin(NAME_RESOLUTION)
      // An address, the name, and its final zero.
      const text = cut(encodeUtf8(name), 0xffff - 5)
      const record = new Uint8Array(4 + text.length + 1)
      putIpv4(record, 0, address)
      record.set(text, 4)
      this.#option(NRB_IPV4, record)
    }
    if (begin < 0) return
    this.#endOptions()
    this.#end(begin)
  }

  /**
   * The first `length` bytes from `at` of a packet of `original` bytes. `flags`: epb_flags. A `packetId` of 0, `lost` 0 (packets
   * of this interface that are missing before this one) and an empty comment are left out.
   */
  packet(
    onInterface: number,
    seconds: number,
    nanos: number,
    flags: number,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    original = length,
    comments: string | readonly string[] | null = null,
    lost = 0,
  ): void {
    const out = this.#out
    const padded = (length + 3) & ~3
    const begin = out.length
    // Type, length, interface, time, two lengths; the packet; flags.
    out.reserve(28 + padded + 8)
    this.#setTime(seconds, nanos)
    out.patch32(begin, ENHANCED_PACKET)
    out.patch32(begin + 8, onInterface)
    out.patch32(begin + 12, this.#timeHigh)
    out.patch32(begin + 16, this.#timeLow)
    out.patch32(begin + 20, length)
    out.patch32(begin + 24, original)
    // The padding, before the bytes are laid over it.
    if (padded !== length) out.patch32(begin + 24 + padded, 0)
    out.patch(begin + 28, bytes, at, length)
    const options = begin + 28 + padded
    out.patch32(options, EPB_FLAGS | (4 << 16))
    out.patch32(options + 4, flags)
    if (packetId !== 0) this.#number(EPB_PACKETID, packetId)
    if (lost !== 0) this.#number(EPB_DROPCOUNT, lost)
    if (comments !== null) this.#comments(comments)
    this.#endOptions()
    this.#end(begin)
  }

  /** What an interface received and dropped, as it stood at this moment. */
  statistics(onInterface: number, counters: InterfaceCounters): void {
    const begin = this.#begin(STATISTICS)
    this.#setTime(counters.seconds, counters.nanos)
    this.#out.put32(onInterface)
    this.#out.put32(this.#timeHigh)
    this.#out.put32(this.#timeLow)
    this.#instant(ISB_STARTTIME, counters.start)
    this.#instant(ISB_ENDTIME, counters.end)
    this.#count(ISB_IFRECV, counters.received)
    this.#count(ISB_IFDROP, counters.dropped)
    this.#count(ISB_FILTERACCEPT, counters.accepted)
    this.#count(ISB_OSDROP, counters.lost)
    this.#count(ISB_USRDELIV, counters.delivered)
    this.#endOptions()
    this.#end(begin)
  }

  /** Bytes written so far, those that the sink has not yet included. */
  get length(): number {
    return this.#out.total
  }

  /** Hands to the sink what is still collected. */
  flush(): void {
    this.#out.flush()
  }

  /** seconds × 10^9 + nanos in 64 bits; a double would lose the last digits. */
  #setTime(seconds: number, nanos: number): void {
    const low = (seconds & 0xffff) * 1e9 + nanos
    const high = Math.floor(seconds / 0x10000) * 1e9
    const lowest = (high % 0x10000) * 0x10000 + (low % 0x1_0000_0000)
    this.#timeHigh = Math.floor(high / 0x10000) + Math.floor(low / 0x1_0000_0000) + (lowest > 0xffff_ffff ? 1 : 0)
    this.#timeLow = lowest % 0x1_0000_0000
  }

  #begin(type: number): number {
    const begin = this.#out.length
    this.#out.put32(type)
    this.#out.put32(0)
    return begin
  }

  #end(begin: number): void {
    const length = this.#out.length - begin + 4
    this.#out.patch32(begin + 4, length)
    this.#out.put32(length)
    this.#out.blockEnds()
  }

  #option(code: number, bytes: Uint8Array): void {
    this.#out.put16(code)
    this.#out.put16(bytes.length)
    this.#out.put(bytes, 0, bytes.length)
    this.#out.pad()
  }

  #comments(comments: string | readonly string[]): void {
    if (typeof comments === 'string') this.#text(COMMENT, comments)
    else for (const comment of comments) this.#text(COMMENT, comment)
  }

  /** An option's length has 16 bits: a longer text is cut. */
  #text(code: number, text: string | undefined): void {
    if (text) this.#option(code, cut(encodeUtf8(text), 0xffff))
  }

  /** A 64-bit number, low word first. */
  #number(code: number, value: number): void {
    this.#out.put16(code)
    this.#out.put16(8)
    this.#out.put32(value % 0x1_0000_0000)
    this.#out.put32(Math.floor(value / 0x1_0000_0000))
  }

  #count(code: number, value: number | undefined): void {
    if (value !== undefined) this.#number(code, value)
  }

  /** Times are two words, the high one first. */
  #instant(code: number, instant: Instant | undefined): void {
    if (instant === undefined) return
    this.#setTime(instant.seconds, instant.nanos)
    this.#out.put16(code)
    this.#out.put16(8)
    this.#out.put32(this.#timeHigh)
    this.#out.put32(this.#timeLow)
  }

  #endOptions(): void {
    this.#out.put32(0)
  }
}

function putIpv4(bytes: Uint8Array, at: number, address: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = address >>> (24 - 8 * i)
}

function cut(bytes: Uint8Array, longest: number): Uint8Array {
  return bytes.length > longest ? bytes.subarray(0, longest) : bytes
}
