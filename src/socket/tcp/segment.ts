/**
 * One arriving segment, read once: RFC 9293's SEG.SEQ, SEG.ACK, SEG.LEN, SEG.WND and the options. There is one
 * of these per namespace, filled anew for each segment.
 */
import type { Frame } from '../../link/frame.ts'
import { ANY, type Ipv4 } from '../../wire/address.ts'
import { i32, u16 } from '../../wire/bytes.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'

const NONE: Uint8Array = new Uint8Array(0)

export class Segment {
  bytes: Uint8Array = NONE
  source: Ipv4 = ANY
  destination: Ipv4 = ANY
  sourcePort = 0
  destinationPort = 0
  sequence = 0
  /** One past the last sequence number; SYN and FIN count. */
  end = 0
  acknowledgment = 0
  flags = 0
  /** Of the IP header: its two low bits are ECN's. */
  tos = 0
  /** Not scaled. */
  window = 0
  header = 0
  dataAt = 0
  dataLength = 0
  /** Bytes of each of the segments of which this is made (gso_size); of a single one, all. */
  unit = 0
  /** Of the frame: 1 the sender's whole buffer, 2 cut from a larger one, 0 not known. */
  cut = 0
  /** Zero when the option is absent. */
  mss = 0
  /** -1 when the option is absent. */
  windowScale = -1
  sackPermitted = false
  timestamps = false
  timestamp = 0
  echo = 0
  /** SACK blocks, eight bytes each, and where the first begins. */
  sackBlocks = 0
  sackAt = 0

  /** The frame begins with its TCP header, which was found valid. */
  parse(frame: Frame): void {
    const { bytes, start: at, end, network } = frame
    this.bytes = bytes
    this.source = ipv4.source(bytes, network)
    this.destination = ipv4.destination(bytes, network)
    this.sourcePort = tcp.sourcePort(bytes, at)
    this.destinationPort = tcp.destinationPort(bytes, at)
    this.sequence = tcp.sequence(bytes, at)
    this.acknowledgment = tcp.acknowledgment(bytes, at)
    this.flags = tcp.flags(bytes, at)
    this.tos = ipv4.tos(bytes, network)
    this.window = tcp.window(bytes, at)
    this.header = tcp.headerLength(bytes, at)
    this.dataAt = at + this.header
    this.dataLength = end - this.dataAt
    this.cut = frame.cut
    this.unit = frame.segmentSize > 0 ? Math.min(frame.segmentSize, this.dataLength) : this.dataLength
    const units = this.dataLength + (this.has(tcp.SYN) ? 1 : 0) + (this.has(tcp.FIN) ? 1 : 0)
    this.end = (this.sequence + units) | 0
    this.mss = 0
    this.windowScale = -1
    this.sackPermitted = false
    this.timestamps = false
    this.sackBlocks = 0
    if (this.header > tcp.HEADER) this.#options(at + tcp.HEADER, this.dataAt)
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0
  }

  #options(from: number, end: number): void {
    const { bytes } = this
    for (let at = from; at < end; ) {
      const kind = bytes[at]
      if (kind === tcp.OPTION_END) return
      if (kind === tcp.OPTION_NOP) {
        at++
        continue
      }
      const length = at + 1 < end ? bytes[at + 1] : 0
      if (length < 2 || at + length > end) return
      this.#option(kind, at, length)
      at += length
    }
  }

  #option(kind: number, at: number, length: number): void {
    const { bytes } = this
    if (kind === tcp.OPTION_TIMESTAMPS && length === 10) {
      this.timestamps = true
      this.timestamp = i32(bytes, at + 2)
      this.echo = i32(bytes, at + 6)
    } else if (kind === tcp.OPTION_SACK) {
      this.sackAt = at + 2
      this.sackBlocks = (length - 2) >> 3
    } else if (!this.has(tcp.SYN)) return
    else if (kind === tcp.OPTION_MSS && length === 4) this.mss = u16(bytes, at + 2)
    // RFC 7323 section 2.3: more than 14 means 14.
    else if (kind === tcp.OPTION_WINDOW_SCALE && length === 3) this.windowScale = Math.min(bytes[at + 2], 14)
    else if (kind === tcp.OPTION_SACK_PERMITTED && length === 2) this.sackPermitted = true
  }
}
