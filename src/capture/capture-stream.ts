/**
 * Writing down what a capture sees while it sees it. A stream is a listener in front of a writer: it chooses interfaces and
 * frames, cuts them, and declares an interface when its first frame comes, since by then its addresses are known.
 */
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { ByteSink } from './byte-sink.ts'
import { SNAPLEN } from './capture-file.ts'
import type { CaptureListener, Watched } from './capture-listener.ts'
import type { CapturedInterface } from './captured-interface.ts'
import type { Sighting } from './explainer.ts'
import type { FrameTest } from './filter-packet.ts'
import { PcapWriter } from './pcap-writer.ts'
import { OUTBOUND, PcapngWriter } from './pcapng-writer.ts'

/** What of the capture goes into a file. */
export interface StreamSettings {
  /** Which interfaces; all without it. */
  readonly wants?: (seen: CapturedInterface) => boolean
  /** Which frames; null: all. */
  readonly filter?: FrameTest | null
  /** The filter as it was typed, for the file to tell. */
  readonly filterText?: string
  /** At most so many bytes of each frame. */
  readonly snaplen?: number
  /** Bytes collected before the sink is called; 0: it is called for each block. */
  readonly batch?: number
}

/** One interface as a stream knows it. */
interface Written {
  readonly seen: CapturedInterface
  /** Its number in the file. */
  readonly number: number
  /** Frames that were written. */
  accepted: number
  /** Frames that a slow reader lost; those before the next frame, and all. */
  lostBefore: number
  lost: number
  /** Its counters are in the file. */
  counted: boolean
}

/** A file in the making. */
export interface CaptureStream extends CaptureListener {
  /** Bytes so far. */
  readonly length: number
  /** Hands to the sink what is still collected. */
  flush(): void
  /** What belongs at the end; nothing may follow. */
  finish(): void
}

export class PcapngStream implements CaptureStream {
  readonly #capture: Watched
  readonly #writer: PcapngWriter
  readonly #settings: StreamSettings
  readonly #snaplen: number
  readonly #filter: FrameTest | null
  /** Names that came up since the last frame. */
  #names: Map<Ipv4, string> | null = null
  /** By the interface's number in the capture: false where it is not wanted. */
  readonly #written: (Written | false | undefined)[] = []

  /** The section header and the names that are known are written at once. */
  constructor(capture: Watched, sink: ByteSink, settings: StreamSettings = {}) {
    this.#capture = capture
    this.#settings = settings
    this.#snaplen = settings.snaplen ?? SNAPLEN
    this.#filter = settings.filter ?? null
    this.#writer = new PcapngWriter(sink, capture.section, settings.batch)
    this.#writer.names(capture.names)
  }

  /** Declares an interface before its first frame: readers that wait for a first interface need one. */
  declare(seen: CapturedInterface): void {
    this.#of(seen)
  }

  appears(): void {}

  frame(
    seen: CapturedInterface,
    _number: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    sighting: Sighting | null,
  ): void {
    const written = this.#written[seen.number] ?? this.#of(seen)
    if (written === false) return
    if (this.#filter !== null && !this.#filter(bytes, at, at + length, (flags & OUTBOUND) !== 0)) return
    if (this.#names !== null) this.#writeNames(this.#names)
    const comment = sighting === null ? null : commentOf(sighting)
    const captured = length > this.#snaplen ? this.#snaplen : length
    const lost = written.lostBefore
    written.lostBefore = 0
    written.accepted++
    const seconds = this.#capture.secondsOf(time)
    const nanos = this.#capture.nanosOf(time)
    this.#writer.packet(written.number, seconds, nanos, flags, packetId, bytes, at, captured, length, comment, lost)
  }

  /** A frame of this interface could not be taken: told with the next one that can, and at the end. */
  lose(seen: CapturedInterface): void {
    const written = this.#of(seen)
    if (written === false) return
    written.lostBefore++
    written.lost++
  }

  vanishes(seen: CapturedInterface): void {
    const written = this.#written[seen.number]
    if (written) this.#count(written)
  }

  named(address: Ipv4, name: string): void {
    this.#names ??= new Map()
    this.#names.set(address, name)
  }

  get length(): number {
    return this.#writer.length
  }

  flush(): void {
    this.#capture.settle()
    this.#writer.flush()
  }

  /** The counters of all interfaces. */
  finish(): void {
    this.#capture.settle()
    for (const written of this.#written) if (written && !written.counted) this.#count(written)
    this.#writer.flush()
  }

  #writeNames(names: ReadonlyMap<Ipv4, string>): void {
    this.#names = null
    this.#writer.names(names)
  }

  #of(seen: CapturedInterface): Written | false {
    const known = this.#written[seen.number]
    if (known !== undefined) return known
    const { wants, snaplen, filterText } = this.#settings
    const wanted = wants === undefined || wants(seen)
    this.#written[seen.number] = wanted && {
      seen,
      number: this.#writer.interface({
        ...seen.header(),
        ...(snaplen === undefined ? {} : { snaplen }),
        ...(filterText === undefined ? {} : { filter: filterText }),
      }),
      accepted: 0,
      lostBefore: 0,
      lost: 0,
      counted: false,
    }
    return this.#written[seen.number] as Written | false
  }

  #count(written: Written): void {
    const { seen, accepted, lost } = written
    const end = seen.until ?? this.#capture.now
    written.counted = true
    this.#writer.statistics(written.number, {
      ...this.#instant(end),
      start: this.#instant(seen.since),
      end: this.#instant(end),
      received: seen.frames,
      dropped: seen.dropped,
      accepted: accepted + lost,
      lost,
      delivered: accepted,
    })
  }

  #instant(time: Nanos): { seconds: number; nanos: number } {
    return { seconds: this.#capture.secondsOf(time), nanos: this.#capture.nanosOf(time) }
  }
}

/** One interface as classic pcap. */
export class PcapStream implements CaptureStream {
  readonly #capture: Watched
  readonly #writer: PcapWriter
  readonly #only: CapturedInterface
  readonly #snaplen: number
  readonly #filter: FrameTest | null

  constructor(capture: Watched, sink: ByteSink, only: CapturedInterface, settings: StreamSettings = {}) {
    this.#capture = capture
    this.#only = only
    this.#snaplen = settings.snaplen ?? SNAPLEN
    this.#filter = settings.filter ?? null
    this.#writer = new PcapWriter(sink, settings)
  }

  appears(): void {}

  frame(
    seen: CapturedInterface,
    _number: number,
    flags: number,
    time: Nanos,
    _packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
  ): void {
    if (seen !== this.#only) return
    if (this.#filter !== null && !this.#filter(bytes, at, at + length, (flags & OUTBOUND) !== 0)) return
    const seconds = this.#capture.secondsOf(time)
    const nanos = this.#capture.nanosOf(time)
    const captured = length > this.#snaplen ? this.#snaplen : length
    this.#writer.packet(seconds, nanos, bytes, at, captured, length)
  }

  vanishes(): void {}
  named(): void {}

  get length(): number {
    return this.#writer.length
  }

  flush(): void {
    this.#capture.settle()
    this.#writer.flush()
  }

  finish(): void {
    this.#capture.settle()
    this.#writer.flush()
  }
}

/** One line a decision. */
export function commentOf(sighting: Sighting): string {
  return sighting.decisions.map(({ decision }) => String(decision)).join('\n')
}
