/**
 * Reading pcapng: either byte order, several sections, blocks and options of unknown kinds skipped.
 * Any bytes give a file or a PcapError.
 */
import type { Ipv4 } from '../wire/address.ts'
import { decodeUtf8 } from '../wire/utf8.ts'
import {
  type CaptureFile,
  type FileInterface,
  type FilePacket,
  type FileStatistics,
  PcapError,
} from './capture-file.ts'
import { readPcap } from './pcap-reader.ts'

const SECTION_HEADER = 0x0a0d0d0a
const BYTE_ORDER = 0x1a2b3c4d

/** The smallest body that each kind of block may have. */
const shortest = new Map<number, number>([
  [SECTION_HEADER, 16],
  [1, 8],
  [3, 4],
  [4, 0],
  [5, 12],
  [6, 20],
])

interface Clock {
  /** Ticks a second. */
  readonly rate: bigint
  /** Seconds to add. */
  readonly offset: bigint
}

/** Reads a capture file of either format. @throws PcapError when it is neither. */
export function readCapture(file: Uint8Array): CaptureFile {
  return isPcapng(file) ? readPcapng(file) : readPcap(file)
}

export function isPcapng(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x0a && file[1] === 0x0d && file[2] === 0x0d && file[3] === 0x0a
}

/** @throws PcapError when the bytes are no whole pcapng file. */
export function readPcapng(file: Uint8Array): CaptureFile {
  if (!isPcapng(file)) throw new PcapError('not a pcapng file: it does not begin with a section header')
  return new PcapngReader(file).read()
}

class PcapngReader {
  #file: Uint8Array
  #view: DataView
  #littleEndian = true
  /** Where the numbers of this section's interfaces begin. */
  #base = 0
  #clocks: Clock[] = []
  #interfaces: FileInterface[] = []
  #packets: FilePacket[] = []
  #names: { address: Ipv4; name: string }[] = []
  #statistics: FileStatistics[] = []
  #application: string | null = null

  constructor(file: Uint8Array) {
    this.#file = file
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  }

  read(): CaptureFile {
    let at = 0
    while (at < this.#file.length) {
      if (at + 12 > this.#file.length) throw new PcapError(`the block at ${at} is cut`)
      // Its bytes read alike in both orders; the order is settled by the word behind the length.
      const section = this.#view.getUint32(at, true) === SECTION_HEADER
      if (section) this.#order(at)
      const type = this.#u32(at)
      const length = this.#u32(at + 4)
      if (length < 12 || length % 4 !== 0) throw new PcapError(`the block at ${at} has the length ${length}`)
      if (length > this.#file.length - at) throw new PcapError(`the block at ${at} is cut`)
      if (this.#u32(at + length - 4) !== length) throw new PcapError(`the block at ${at} has two lengths`)
      this.#block(type, at + 8, at + length - 4)
      at += length
    }
    return {
      format: 'pcapng',
      interfaces: this.#interfaces,
      packets: this.#packets,
      names: this.#names,
      statistics: this.#statistics,
      application: this.#application,
    }
  }

  #order(at: number): void {
    const little = this.#view.getUint32(at + 8, true) === BYTE_ORDER
    if (!little && this.#view.getUint32(at + 8, false) !== BYTE_ORDER) {
      throw new PcapError(`the section at ${at} has no byte order`)
    }
    this.#littleEndian = little
  }

  #block(type: number, at: number, end: number): void {
    const least = shortest.get(type)
    if (least === undefined) return
    if (end - at < least) throw new PcapError(`the block at ${at - 8} is too short for its kind, ${type}`)
    if (type === SECTION_HEADER) this.#section(at, end)
    else if (type === 1) this.#interface(at, end)
    else if (type === 3) this.#simplePacket(at, end)
    else if (type === 4) this.#resolution(at, end)
    else if (type === 5) this.#counters(at, end)
    else this.#packet(at, end)
  }

  #section(at: number, end: number): void {
    const major = this.#u16(at + 4)
    if (major !== 1) throw new PcapError(`pcapng version ${major} is unknown`)
    this.#base = this.#interfaces.length
    this.#options(at + 16, end, (code, from, to) => {
      if (code === 4) this.#application = this.#text(from, to)
    })
  }

  #interface(at: number, end: number): void {
    let name: string | null = null
    let description: string | null = null
    let rate = 1_000_000n
    let offset = 0n
    this.#options(at + 8, end, (code, from, to) => {
      if (code === 2) name = this.#text(from, to)
      else if (code === 3) description = this.#text(from, to)
      else if (code === 9 && to > from) rate = rateOf(this.#file[from])
      else if (code === 14 && to - from === 8) offset = this.#view.getBigInt64(from, this.#littleEndian)
    })
    this.#interfaces.push({ linkType: this.#u16(at), snaplen: this.#u32(at + 4), name, description })
    this.#clocks.push({ rate, offset })
  }

  #packet(at: number, end: number): void {
    const number = this.#interfaceAt(at, this.#u32(at))
    const captured = this.#u32(at + 12)
    const begin = at + 20
    if (captured > end - begin) throw new PcapError(`the packet at ${at - 8} is longer than its block`)
    const { seconds, nanos } = this.#time(number, at + 4)
    let direction: 'in' | 'out' | null = null
    let packetId: number | null = null
    const comments: string[] = []
    this.#options(begin + captured + (-captured & 3), end, (code, from, to) => {
      if (code === 1) comments.push(this.#text(from, to))
      else if (code === 2 && to - from === 4) direction = ([null, 'in', 'out', null] as const)[this.#u32(from) & 3]
      else if (code === 5 && to - from === 8) packetId = Number(this.#u64(from))
    })
    this.#packets.push({
      interface: number,
      seconds,
      nanos,
      bytes: this.#file.subarray(begin, begin + captured),
      originalLength: this.#u32(at + 16),
      direction,
      packetId,
      comments,
    })
  }

  /** A packet without time or options, of the section's first interface. */
  #simplePacket(at: number, end: number): void {
    const number = this.#interfaceAt(at, 0)
    const originalLength = this.#u32(at)
    const { snaplen } = this.#interfaces[number]
    const captured = Math.min(originalLength, snaplen === 0 ? originalLength : snaplen)
    if (captured > end - at - 4) throw new PcapError(`the packet at ${at - 8} is longer than its block`)
    const bytes = this.#file.subarray(at + 4, at + 4 + captured)
    const unknown = { direction: null, packetId: null, comments: [] }
    this.#packets.push({ interface: number, seconds: 0, nanos: 0, bytes, originalLength, ...unknown })
  }

  #resolution(at: number, end: number): void {
    for (let record = at; record + 4 <= end; ) {
      const kind = this.#u16(record)
      const length = this.#u16(record + 2)
      const from = record + 4
      if (kind === 0) return
      if (length > end - from) throw new PcapError(`the name record at ${record} is longer than its block`)
      if (kind === 1 && length > 4) {
        const address = this.#view.getInt32(from, false) as Ipv4
        for (const name of this.#text(from + 4, from + length).split('\0')) {
          if (name !== '') this.#names.push({ address, name })
        }
      }
      record = from + length + (-length & 3)
    }
  }

  #counters(at: number, end: number): void {
    const number = this.#interfaceAt(at, this.#u32(at))
    let received: number | null = null
    let dropped: number | null = null
    this.#options(at + 12, end, (code, from, to) => {
      if (code === 4 && to - from === 8) received = Number(this.#u64(from))
      else if (code === 5 && to - from === 8) dropped = Number(this.#u64(from))
    })
    this.#statistics.push({ interface: number, received, dropped })
  }

  #options(at: number, end: number, take: (code: number, from: number, to: number) => void): void {
    for (let option = at; option + 4 <= end; ) {
      const code = this.#u16(option)
      const length = this.#u16(option + 2)
      const from = option + 4
      if (code === 0) return
      if (length > end - from) throw new PcapError(`the option at ${option} is longer than its block`)
      take(code, from, from + length)
      option = from + length + (-length & 3)
    }
  }

  #interfaceAt(at: number, number: number): number {
    if (this.#base + number >= this.#interfaces.length) {
      throw new PcapError(`the block at ${at - 8} belongs to interface ${number}, which the section does not have`)
    }
    return this.#base + number
  }

  #time(number: number, at: number): { seconds: number; nanos: number } {
    const { rate, offset } = this.#clocks[number]
    const ticks = (BigInt(this.#u32(at)) << 32n) | BigInt(this.#u32(at + 4))
    return { seconds: Number(ticks / rate + offset), nanos: Number(((ticks % rate) * 1_000_000_000n) / rate) }
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, this.#littleEndian)
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian)
  }

  #u64(at: number): bigint {
    return this.#view.getBigUint64(at, this.#littleEndian)
  }

  #text(from: number, to: number): string {
    return decodeUtf8(this.#file, from, to)
  }
}

/** if_tsresol: a power of ten, or of two when the highest bit is set. */
function rateOf(resolution: number): bigint {
  return (resolution & 0x80 ? 2n : 10n) ** BigInt(resolution & 0x7f)
}
