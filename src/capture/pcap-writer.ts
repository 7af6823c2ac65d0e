/**
 * Writing classic pcap, with nanoseconds: what `tcpdump -w` makes with `--time-stamp-precision=nano`.
 *
 *   file:   ┌──────────┬─────────┬──────┬─────────┬──────────┐
 *           │ a1b23c4d │ 2 │ 4   │ 0  0 │ snaplen │ linktype │  24 bytes, little endian
 *           └──────────┴─────────┴──────┴─────────┴──────────┘
 *   packet: ┌─────────┬───────┬──────────┬──────────┬───────┐
 *           │ seconds │ nanos │ captured │ original │ bytes │
 *           └─────────┴───────┴──────────┴──────────┴───────┘
 *
 * The room watches devices and keeps what it saw; it may import `link` and what is below, and touches no file:
 * bytes go to a sink, which whoever wants a file brings along.
 */
import { BATCH, BlockBuffer, type ByteSink } from './byte-sink.ts'
import { ETHERNET, SNAPLEN } from './capture-file.ts'

/** The bytes in front of each packet. */
const RECORD = 16

export interface PcapSettings {
  readonly linkType?: number
  /** False: microseconds only, as tcpdump itself writes unless it is told otherwise. */
  readonly nanos?: boolean
  /** At most so many bytes of each packet. */
  readonly snaplen?: number
  /** How many bytes are collected before the sink is called; 0: it is called for each packet. */
  readonly batch?: number
}

export class PcapWriter {
  readonly #out: BlockBuffer
  readonly #nanos: boolean
  readonly #snaplen: number

  /** The file's header is the first block. */
  constructor(
    sink: ByteSink,
    { linkType = ETHERNET, nanos = true, snaplen = SNAPLEN, batch = BATCH }: PcapSettings = {},
  ) {
    this.#out = new BlockBuffer(sink, batch)
    this.#nanos = nanos
    this.#snaplen = snaplen
    this.#out.put32(nanos ? 0xa1b23c4d : 0xa1b2c3d4)
    this.#out.put16(2)
    this.#out.put16(4)
    this.#out.put32(0)
    this.#out.put32(0)
    this.#out.put32(snaplen)
    this.#out.put32(linkType)
    this.#out.blockEnds()
  }

  /** `seconds` since 1970, `nanos` within the second; `length` bytes from `at` of a packet of `original` bytes. */
  packet(seconds: number, nanos: number, bytes: Uint8Array, at: number, length: number, original = length): void {
    const out = this.#out
    const captured = length > this.#snaplen ? this.#snaplen : length
    const to = out.reserve(RECORD + captured)
    out.patch32(to, seconds)
    out.patch32(to + 4, this.#nanos ? nanos : Math.floor(nanos / 1000))
    out.patch32(to + 8, captured)
    out.patch32(to + 12, original)
    out.patch(to + RECORD, bytes, at, captured)
    out.blockEnds()
  }

  /** Bytes written so far, those that the sink has not yet included. */
  get length(): number {
    return this.#out.total
  }

  /** Hands to the sink what is still collected. */
  flush(): void {
    this.#out.flush()
  }
}
