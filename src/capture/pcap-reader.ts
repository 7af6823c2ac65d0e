/** Reading classic pcap: either byte order, microseconds or nanoseconds. Any bytes give a file or a PcapError. */
import { type CaptureFile, type FilePacket, PcapError } from './capture-file.ts'

const HEADER = 24
const PACKET_HEADER = 16
/** libpcap's own limit for a believable packet (MAXIMUM_SNAPLEN). */
const LONGEST = 262_144

/** The magic number as a little-endian reader sees it: nanoseconds or not, and the byte order. */
const magics = new Map<number, { readonly nanos: boolean; readonly littleEndian: boolean }>([
  [0xa1b2c3d4, { nanos: false, littleEndian: true }],
  [0xa1b23c4d, { nanos: true, littleEndian: true }],
  [0xd4c3b2a1, { nanos: false, littleEndian: false }],
  [0x4d3cb2a1, { nanos: true, littleEndian: false }],
])

export function isPcap(file: Uint8Array): boolean {
  return file.length >= 4 && magics.has(viewOf(file).getUint32(0, true))
}

/** @throws PcapError when the bytes are no whole pcap file. */
export function readPcap(file: Uint8Array): CaptureFile {
  const view = viewOf(file)
  const magic = file.length < 4 ? undefined : magics.get(view.getUint32(0, true))
  if (magic === undefined) throw new PcapError('not a pcap file: the magic number is unknown')
  if (file.length < HEADER) throw new PcapError(`the pcap header is cut: ${file.length} of ${HEADER} bytes`)
  const { nanos, littleEndian } = magic
  const major = view.getUint16(4, littleEndian)
  if (major !== 2) throw new PcapError(`pcap version ${major} is unknown`)
  const snaplen = view.getUint32(16, littleEndian)
  // The upper bits of the field may hold the length of a frame check sequence.
  const linkType = view.getUint32(20, littleEndian) & 0x03ffffff
  const packets: FilePacket[] = []
  for (let at = HEADER; at < file.length; ) {
    if (at + PACKET_HEADER > file.length) throw new PcapError(`packet ${packets.length + 1}: its header is cut`)
    const captured = view.getUint32(at + 8, littleEndian)
    const begin = at + PACKET_HEADER
    if (captured > Math.max(snaplen, LONGEST)) {
      throw new PcapError(`packet ${packets.length + 1}: ${captured} bytes are more than the file's limit`)
    }
    if (begin + captured > file.length) {
      throw new PcapError(`packet ${packets.length + 1}: cut, ${file.length - begin} of ${captured} bytes`)
    }
    const fraction = view.getUint32(at + 4, littleEndian)
    packets.push({
      interface: 0,
      seconds: view.getUint32(at, littleEndian),
      nanos: nanos ? fraction : fraction * 1000,
      bytes: file.subarray(begin, begin + captured),
      originalLength: view.getUint32(at + 12, littleEndian),
      direction: null,
      packetId: null,
      comments: [],
    })
    at = begin + captured
  }
  const only = { linkType, snaplen, name: null, description: null }
  return { format: 'pcap', interfaces: [only], packets, names: [], statistics: [], application: null }
}

function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.byteLength)
}
