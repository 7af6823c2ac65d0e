/** Classic pcap files, as tcpdump writes them and podwire does. */

export interface SeenFrame {
  /** Seconds since the world's beginning or since 1970. */
  readonly time: number
  /** On the wire; `bytes` may be fewer. */
  readonly length: number
  readonly bytes: Uint8Array
}

const MICROSECONDS = 0xa1b2c3d4
const NANOSECONDS = 0xa1b23c4d
const FILE_HEADER = 24
const RECORD_HEADER = 16
const LINKTYPE_ETHERNET = 1

/** A file that was cut off, as by a killed tcpdump, gives its whole records. */
export function readPcap(file: Uint8Array): SeenFrame[] {
  if (file.length < FILE_HEADER) return []
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const magic = view.getUint32(0, true)
  if (magic !== MICROSECONDS && magic !== NANOSECONDS) throw new Error(`no little-endian pcap: ${magic.toString(16)}`)
  const link = view.getUint32(20, true)
  if (link !== LINKTYPE_ETHERNET) throw new Error(`link type ${link} is not Ethernet`)
  const fraction = magic === NANOSECONDS ? 1e9 : 1e6
  const frames: SeenFrame[] = []
  for (let at = FILE_HEADER; at + RECORD_HEADER <= file.length; ) {
    const captured = view.getUint32(at + 8, true)
    if (at + RECORD_HEADER + captured > file.length) break
    frames.push({
      time: view.getUint32(at, true) + view.getUint32(at + 4, true) / fraction,
      length: view.getUint32(at + 12, true),
      bytes: file.slice(at + RECORD_HEADER, at + RECORD_HEADER + captured),
    })
    at += RECORD_HEADER + captured
  }
  return frames
}
