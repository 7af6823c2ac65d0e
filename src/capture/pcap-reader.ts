/**
 * Reading classic pcap: either byte order, microseconds or nanoseconds, and the variant with eight more bytes a packet
 * that Linux distributions once had. Any bytes give packets or a PcapError.
 */
import {
  type CaptureFile,
  type FileInterface,
  type FilePacket,
  type FormatReader,
  PcapError,
  readWhole,
} from './capture-file.ts'
import { Incoming } from './incoming.ts'

const HEADER = 24
const PACKET_HEADER = 16
/** libpcap's own limit for a believable packet (MAXIMUM_SNAPLEN). */
const LONGEST = 262_144
/** In the variant that its magic calls modified: the interface's number, the protocol, and the packet's kind. */
const MODIFIED_EXTRA = 8
/** The link layer's header that the variant's length of a snapshot leaves out. */
const MODIFIED_LINK = 14

interface Kind {
  readonly nanos: boolean
  readonly littleEndian: boolean
  readonly modified: boolean
}

/** The magic number as a little-endian reader sees it. */
const magics = new Map<number, Kind>([
  [0xa1b2c3d4, { nanos: false, littleEndian: true, modified: false }],
  [0xa1b23c4d, { nanos: true, littleEndian: true, modified: false }],
  [0xa1b2cd34, { nanos: false, littleEndian: true, modified: true }],
  [0xd4c3b2a1, { nanos: false, littleEndian: false, modified: false }],
  [0x4d3cb2a1, { nanos: true, littleEndian: false, modified: false }],
  [0x34cdb2a1, { nanos: false, littleEndian: false, modified: true }],
])

export function isPcap(file: Uint8Array): boolean {
  return file.length >= 4 && magics.has(new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(0, true))
}

/** @throws PcapError when the bytes are no whole pcap file. */
export function readPcap(file: Uint8Array): CaptureFile {
  if (file.length < 4) {
    throw new PcapError(`truncated dump file; tried to read 4 file header bytes, only got ${file.length}`)
  }
  if (!isPcap(file)) throw new PcapError('unknown file format')
  const incoming = new Incoming()
  incoming.push(file)
  return readWhole(new PcapReader(incoming))
}

export class PcapReader implements FormatReader {
  readonly format = 'pcap'
  readonly interfaces: FileInterface[] = []
  readonly names = []
  readonly names6 = []
  readonly statistics = []
  readonly application = null
  readonly #incoming: Incoming
  #kind: Kind | null = null
  #snaplen = 0

  constructor(incoming: Incoming) {
    this.#incoming = incoming
  }

  next(): FilePacket | null {
    const incoming = this.#incoming
    if (this.#kind === null && !this.#header()) return null
    const { nanos, littleEndian, modified } = this.#kind as Kind
    const { view, at } = incoming
    const header = PACKET_HEADER + (modified ? MODIFIED_EXTRA : 0)
    if (incoming.held < header) return null
    const captured = view.getUint32(at + 8, littleEndian)
    this.#believe(captured)
    if (incoming.held < header + captured) return null
    incoming.at = at + header + captured
    const fraction = view.getUint32(at + 4, littleEndian)
    const begin = at + header
    return {
      interface: 0,
      seconds: view.getUint32(at, littleEndian),
      nanos: nanos ? fraction : fraction * 1000,
      // What is longer than the file's snapshots is cut to that.
      bytes: incoming.bytes.subarray(begin, begin + Math.min(captured, this.#snaplen)),
      originalLength: view.getUint32(at + 12, littleEndian),
      direction: null,
      packetId: null,
      comments: [],
    }
  }

  finish(): void {
    const { held, view, at } = this.#incoming
    if (this.#kind === null) {
      throw new PcapError(`truncated dump file; tried to read 24 file header bytes, only got ${Math.max(held - 4, 0)}`)
    }
    if (held === 0) return
    const header = PACKET_HEADER + (this.#kind.modified ? MODIFIED_EXTRA : 0)
    if (held < header) {
      throw new PcapError(`truncated dump file; tried to read ${header} header bytes, only got ${held}`)
    }
    const captured = view.getUint32(at + 8, this.#kind.littleEndian)
    throw new PcapError(`truncated dump file; tried to read ${captured} captured bytes, only got ${held - header}`)
  }

  /** False while the header has not come whole. */
  #header(): boolean {
    const { view, at, held } = this.#incoming
    if (held < HEADER) return false
    const kind = magics.get(view.getUint32(at, true))
    if (kind === undefined) throw new PcapError('unknown file format')
    const { littleEndian, modified } = kind
    const major = view.getUint16(at + 4, littleEndian)
    const minor = view.getUint16(at + 6, littleEndian)
    if (major < 2) throw new PcapError('archaic pcap savefile format')
    if (major > 2 || minor > 4) throw new PcapError(`unsupported pcap savefile version ${major}.${minor}`)
    const said = view.getInt32(at + 16, littleEndian)
    this.#snaplen = said <= 0 ? LONGEST : modified ? said + MODIFIED_LINK : said
    // The upper bits of the field may hold the length of a frame check sequence.
    const linkType = view.getUint32(at + 20, littleEndian) & 0x03ffffff
    this.interfaces.push({ linkType, snaplen: this.#snaplen, name: null, description: null })
    this.#kind = kind
    this.#incoming.at += HEADER
    return true
  }

  #believe(captured: number): void {
    if (captured <= LONGEST) return
    const [limit, what] = captured > this.#snaplen ? [this.#snaplen, 'snaplen'] : [LONGEST, 'maximum']
    throw new PcapError(`invalid packet capture length ${captured}, bigger than ${what} of ${limit}`)
  }
}
