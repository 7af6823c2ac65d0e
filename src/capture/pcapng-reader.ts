/**
 * Reading pcapng (draft-ietf-opsawg-pcapng): either byte order, several sections, simple and obsolete packet blocks;
 * blocks and options of unknown kinds are skipped. Any bytes give packets or a PcapError.
 */
import type { Ipv4 } from '../wire/address.ts'
import { formatIpv6 } from '../wire/print-text.ts'
import { decodeUtf8 } from '../wire/utf8.ts'
import {
  type CaptureFile,
  type FileInterface,
  type FilePacket,
  type FileStatistics,
  type FormatReader,
  PcapError,
  readWhole,
} from './capture-file.ts'
import { Incoming } from './incoming.ts'
import { readPcap } from './pcap-reader.ts'
import { PcapngClock } from './pcapng-clock.ts'

const SECTION_HEADER = 0x0a0d0d0a
const BYTE_ORDER = 0x1a2b3c4d
const INTERFACE = 1
const OBSOLETE_PACKET = 2
const SIMPLE_PACKET = 3
const NAME_RESOLUTION = 4
const STATISTICS = 5
const ENHANCED_PACKET = 6
/** libpcap's limit for a believable block. */
const LONGEST_BLOCK = 16 * 1024 * 1024
/** Type, length, and the length again. */
const FRAME = 12
/** if_tsresol's default: microseconds. */
const MICROSECONDS = 6

/** The smallest body that each kind of block may have. */
const shortest = new Map<number, number>([
  [SECTION_HEADER, 16],
  [INTERFACE, 8],
  [OBSOLETE_PACKET, 20],
  [SIMPLE_PACKET, 4],
  [NAME_RESOLUTION, 0],
  [STATISTICS, 12],
  [ENHANCED_PACKET, 20],
])

const packetBlocks = new Set([OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET])

/** Reads a capture file of either format. @throws PcapError when it is neither. */
export function readCapture(file: Uint8Array): CaptureFile {
  return isPcapng(file) ? readPcapng(file) : readPcap(file)
}

export function isPcapng(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x0a && file[1] === 0x0d && file[2] === 0x0d && file[3] === 0x0a
}

/** @throws PcapError when the bytes are no whole pcapng file. */
export function readPcapng(file: Uint8Array): CaptureFile {
  if (!isPcapng(file)) throw new PcapError('unknown file format')
  const incoming = new Incoming()
  incoming.push(file)
  return readWhole(new PcapngReader(incoming))
}

export class PcapngReader implements FormatReader {
  readonly format = 'pcapng'
  readonly interfaces: FileInterface[] = []
  readonly names: { address: Ipv4; name: string }[] = []
  readonly names6: { address: string; name: string }[] = []
  readonly statistics: FileStatistics[] = []
  application: string | null = null
  readonly #incoming: Incoming
  #littleEndian = true
  /** Where the numbers of this section's interfaces begin. */
  #base = 0
  #clocks: PcapngClock[] = []

  constructor(incoming: Incoming) {
    this.#incoming = incoming
  }

  next(): FilePacket | null {
    const incoming = this.#incoming
    for (;;) {
      if (incoming.held < FRAME) return null
      const { at } = incoming
      // Its bytes read alike in both orders; the order is settled by the word behind the length.
      if (incoming.view.getUint32(at, true) === SECTION_HEADER) this.#order(at)
      const type = this.#u32(at)
      const length = this.#u32(at + 4)
      believe(length)
      if (length > incoming.held) return null
      if (this.#u32(at + length - 4) !== length) throw new PcapError('a block in pcapng dump file has two lengths')
      incoming.at = at + length
      const packet = this.#block(type, at + 8, at + length - 4)
      if (packet !== null) return packet
    }
  }

  finish(): void {
    const { held, at, view } = this.#incoming
    if (held === 0) return
    const cut = (wanted: number, got: number) =>
      new PcapError(`truncated pcapng dump file; tried to read ${wanted} bytes, only got ${got}`)
    if (held < 8) throw cut(8, held)
    // Of a section's header libpcap reads twelve bytes before it knows how long it is.
    const section = view.getUint32(at, true) === SECTION_HEADER
    const known = section ? 12 : 8
    if (held < known) throw this.interfaces.length === 0 ? new PcapError('unknown file format') : cut(4, held - 8)
    if (section) this.#order(at)
    const length = this.#u32(at + 4)
    believe(length)
    throw cut(length - known, held - known)
  }

  #order(at: number): void {
    const { view } = this.#incoming
    const little = view.getUint32(at + 8, true) === BYTE_ORDER
    if (!little && view.getUint32(at + 8, false) !== BYTE_ORDER) throw new PcapError('unknown file format')
    this.#littleEndian = little
  }

  /** The packet in it, if there is one. */
  #block(type: number, at: number, end: number): FilePacket | null {
    const least = shortest.get(type)
    if (least === undefined) return null
    if (end - at < least) throw tooShort(type)
    if (packetBlocks.has(type) && this.interfaces.length === this.#base) {
      throw new PcapError('the capture file has a packet block before any Interface Description Blocks')
    }
    switch (type) {
      case SECTION_HEADER:
        this.#section(at, end)
        return null
      case INTERFACE:
        this.#interface(at, end)
        return null
      case NAME_RESOLUTION:
        this.#resolution(at, end)
        return null
      case STATISTICS:
        this.#counters(at, end)
        return null
      case SIMPLE_PACKET:
        return this.#simplePacket(at, end)
      case OBSOLETE_PACKET:
        return this.#packet(at, end, this.#u16(at), type)
      default:
        return this.#packet(at, end, this.#u32(at), type)
    }
  }

  #section(at: number, end: number): void {
    const major = this.#u16(at + 4)
    const minor = this.#u16(at + 6)
    // Version 1.2 was written by some, and is no different.
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      throw new PcapError(`unsupported pcapng savefile version ${major}.${minor}`)
    }
    this.#base = this.interfaces.length
    this.#options(at + 16, end, SECTION_HEADER, (code, from, to) => {
      if (code === 4) this.application = this.#text(from, to)
    })
  }

  #interface(at: number, end: number): void {
    let name: string | null = null
    let description: string | null = null
    let resolution = MICROSECONDS
    let offset = 0n
    this.#options(at + 8, end, INTERFACE, (code, from, to) => {
      if (code === 2) name = this.#text(from, to)
      else if (code === 3) description = this.#text(from, to)
      else if (code === 9 && to > from) resolution = this.#incoming.bytes[from]
      else if (code === 14 && to - from === 8) offset = this.#incoming.view.getBigInt64(from, this.#littleEndian)
    })
    this.#clocks.push(new PcapngClock(resolution, offset))
    this.interfaces.push({ linkType: this.#u16(at), snaplen: this.#u32(at + 4), name, description })
  }

  /** An enhanced packet, or an obsolete one: they differ in the first word only. */
  #packet(at: number, end: number, local: number, type: number): FilePacket {
    const number = this.#interfaceAt(local)
    const captured = this.#u32(at + 12)
    const begin = at + 20
    const limit = this.interfaces[number].snaplen || Number.POSITIVE_INFINITY
    if (captured > limit) {
      throw new PcapError(`invalid packet capture length ${captured}, bigger than snaplen of ${limit}`)
    }
    if (captured > end - begin) throw tooShort(type)
    const clock = this.#clocks[number]
    clock.read(this.#u32(at + 4), this.#u32(at + 8))
    let direction: 'in' | 'out' | null = null
    let packetId: number | null = null
    const comments: string[] = []
    this.#options(begin + captured + (-captured & 3), end, type, (code, from, to) => {
      if (code === 1) comments.push(this.#text(from, to))
      else if (code === 2 && to - from === 4) direction = ([null, 'in', 'out', null] as const)[this.#u32(from) & 3]
      else if (code === 5 && to - from === 8 && type === ENHANCED_PACKET) packetId = Number(this.#u64(from))
    })
    return {
      interface: number,
      seconds: clock.seconds,
      nanos: clock.nanos,
      bytes: this.#incoming.bytes.subarray(begin, begin + captured),
      originalLength: this.#u32(at + 16),
      direction,
      packetId,
      comments,
    }
  }

  /** A packet without time or options, of the section's first interface. */
  #simplePacket(at: number, end: number): FilePacket {
    const number = this.#interfaceAt(0)
    const originalLength = this.#u32(at)
    const { snaplen } = this.interfaces[number]
    const captured = Math.min(originalLength, snaplen === 0 ? originalLength : snaplen)
    if (captured > end - at - 4) throw tooShort(SIMPLE_PACKET)
    const bytes = this.#incoming.bytes.subarray(at + 4, at + 4 + captured)
    const unknown = { direction: null, packetId: null, comments: [] }
    return { interface: number, seconds: 0, nanos: 0, bytes, originalLength, ...unknown }
  }

  #resolution(at: number, end: number): void {
    for (let record = at; record + 4 <= end; ) {
      const kind = this.#u16(record)
      const length = this.#u16(record + 2)
      const from = record + 4
      if (kind === 0) return
      if (length > end - from) throw tooShort(NAME_RESOLUTION)
      if (kind === 1 && length > 4) {
        const address = this.#incoming.view.getInt32(from, false) as Ipv4
        for (const name of this.#namesIn(from + 4, from + length)) this.names.push({ address, name })
      } else if (kind === 2 && length > 16) {
        const address = formatIpv6(this.#incoming.bytes, from)
        for (const name of this.#namesIn(from + 16, from + length)) this.names6.push({ address, name })
      }
      record = from + length + (-length & 3)
    }
  }

  #namesIn(from: number, to: number): string[] {
    return this.#text(from, to)
      .split('\0')
      .filter((name) => name !== '')
  }

  #counters(at: number, end: number): void {
    const number = this.#interfaceAt(this.#u32(at))
    let received: number | null = null
    let dropped: number | null = null
    this.#options(at + 12, end, STATISTICS, (code, from, to) => {
      if (code === 4 && to - from === 8) received = Number(this.#u64(from))
      else if (code === 5 && to - from === 8) dropped = Number(this.#u64(from))
    })
    this.statistics.push({ interface: number, received, dropped })
  }

  #options(at: number, end: number, type: number, take: (code: number, from: number, to: number) => void): void {
    for (let option = at; option + 4 <= end; ) {
      const code = this.#u16(option)
      const length = this.#u16(option + 2)
      const from = option + 4
      if (code === 0) return
      if (length > end - from) throw tooShort(type)
      take(code, from, from + length)
      option = from + length + (-length & 3)
    }
  }

  #interfaceAt(number: number): number {
    if (this.#base + number >= this.interfaces.length) {
      const lack = "but there's no Interface Description Block for that interface"
      throw new PcapError(`a packet arrived on interface ${number}, ${lack}`)
    }
    return this.#base + number
  }

  #u16(at: number): number {
    return this.#incoming.view.getUint16(at, this.#littleEndian)
  }

  #u32(at: number): number {
    return this.#incoming.view.getUint32(at, this.#littleEndian)
  }

  #u64(at: number): bigint {
    return this.#incoming.view.getBigUint64(at, this.#littleEndian)
  }

  #text(from: number, to: number): string {
    return decodeUtf8(this.#incoming.bytes, from, to)
  }
}

function tooShort(type: number): PcapError {
  return new PcapError(`block of type ${type} in pcapng dump file is too short`)
}

function believe(length: number): void {
  if (length < FRAME) throw new PcapError(`block in pcapng dump file has a length of ${length} < ${FRAME}`)
  if (length % 4 !== 0) {
    throw new PcapError(`block in pcapng dump file has a length of ${length} that is not a multiple of 4`)
  }
  if (length > LONGEST_BLOCK) throw new PcapError(`pcapng block size ${length} > maximum ${LONGEST_BLOCK}`)
}
