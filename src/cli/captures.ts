/** Capture files on the disk, written while frames are seen: one for each interface, and all in one. */
import { join } from 'node:path'
import { BATCH, type ByteSink } from '../capture/byte-sink.ts'
import type { CaptureListener, Listened } from '../capture/capture-listener.ts'
import { type CaptureStream, PcapngStream, PcapStream } from '../capture/capture-stream.ts'
import type { CapturedInterface } from '../capture/captured-interface.ts'
import { CookedStream } from '../capture/cooked.ts'
import type { Sighting } from '../capture/explainer.ts'
import type { FrameTest } from '../capture/filter-packet.ts'
import { OUTBOUND } from '../capture/pcapng-writer.ts'
import { type NextFile, type RingSettings, RotatingStream } from '../capture/rotation.ts'
import { type FlowTables, Unmasking } from '../capture/unmask.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { ANY, type InterfaceChoice } from '../topology/interface-choice.ts'
import type { Ipv4 } from '../wire/address.ts'
import { DiskFiles } from './disk-files.ts'

export const formats = ['pcapng', 'pcap', 'both'] as const
export type CaptureFormat = (typeof formats)[number]

/** What of the frames goes into files, and how. */
export interface FileSettings {
  readonly format: CaptureFormat
  readonly interfaces: InterfaceChoice
  /** At most so many bytes of each frame. */
  readonly snaplen?: number
  /** A capture filter, compiled and as it was typed. */
  readonly filter: FrameTest | null
  readonly filterText: string
  readonly ring: RingSettings | null
  /** The filter takes what it would take on the other side of NAT, too; conntrack tells. Null: it does not. */
  readonly unmask: FlowTables | null
}

/** An interface's own files are smaller, and may be hundreds: they collect less between two writes. */
const OWN_BATCH = 1 << 14

export class CaptureFiles implements CaptureListener {
  /** The file with every interface; null when only classic pcap was asked for, which holds one interface. */
  readonly all: string | null
  /** Frames written, each counted once. */
  frames = 0
  readonly #capture: Listened
  readonly #folder: string
  readonly #settings: FileSettings
  readonly #disk = new DiskFiles()
  readonly #filter: FrameTest | null
  readonly #unmasking: Unmasking | null
  readonly #merged: CaptureStream | null
  /** Where an interface's frames go, by its number in the capture: settled when the first comes. */
  readonly #targets: (readonly CaptureStream[] | undefined)[] = []
  readonly #streams: CaptureStream[] = []
  /** The files of `any`, by machine or pod. */
  readonly #any = new Map<string, CaptureStream>()
  /** How many interfaces have had a name: a pod that was deleted and one made later may share it. */
  readonly #names = new Map<string, number>()
  /** By the interface's number: where its files are, without their endings. */
  readonly #paths: string[] = []

  constructor(capture: Listened, folder: string, settings: FileSettings) {
    this.#capture = capture
    this.#folder = folder
    this.#settings = settings
    this.all = settings.format === 'pcap' ? null : join(folder, 'all.pcapng')
    this.#merged = this.all === null ? null : this.#file('all', 'pcapng', (sink) => this.#pcapng(sink, BATCH))
    const { filter, unmask } = settings
    this.#unmasking = filter !== null && unmask !== null ? new Unmasking(capture, filter, unmask, this) : null
    this.#filter = this.#unmasking === null ? filter : null
    capture.listen(this.#unmasking ?? this)
  }

  /** What could not be written, in one sentence. */
  get failure(): string | null {
    return this.#disk.failure
  }

  /** Files begun. */
  get files(): number {
    return this.#disk.count
  }

  appears(seen: CapturedInterface): void {
    const count = (this.#names.get(seen.name) ?? 0) + 1
    this.#names.set(seen.name, count)
    this.#paths[seen.number] = count === 1 ? seen.name : `${seen.name}.${count}`
  }

  frame(
    seen: CapturedInterface,
    number: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    sighting: Sighting | null,
  ): void {
    if (this.#filter !== null && !this.#filter(bytes, at, at + length, (flags & OUTBOUND) !== 0)) return
    this.frames++
    const targets = this.#targets[seen.number] ?? this.#begin(seen)
    for (let i = 0; i < targets.length; i++) {
      targets[i].frame(seen, number, flags, time, packetId, bytes, at, length, sighting)
    }
  }

  vanishes(seen: CapturedInterface): void {
    for (const stream of this.#targets[seen.number] ?? []) stream.vanishes(seen)
  }

  named(address: Ipv4, name: string): void {
    for (const stream of this.#streams) stream.named(address, name)
  }

  /** What has been seen is in the files then. */
  flush(): void {
    for (const stream of this.#streams) stream.flush()
  }

  /** Interfaces' counters, and the end of all files. */
  finish(): void {
    this.#capture.settle()
    this.#unmasking?.release()
    for (const stream of this.#streams) stream.finish()
    this.#disk.closeAll()
  }

  /** The interface's own pcapng file; null when it has none. */
  pathOf(seen: CapturedInterface): string | null {
    const { format, interfaces, ring } = this.#settings
    if (format === 'pcap' || ring !== null || seen.frames === 0 || !interfaces.has(seen.name)) return null
    return join(this.#folder, `${this.#paths[seen.number]}.pcapng`)
  }

  #begin(seen: CapturedInterface): readonly CaptureStream[] {
    const { format, interfaces } = this.#settings
    const targets: CaptureStream[] = []
    if (interfaces.has(seen.name)) {
      const path = this.#paths[seen.number]
      if (this.#merged !== null) targets.push(this.#merged)
      if (format !== 'pcap') targets.push(this.#file(path, 'pcapng', (sink) => this.#pcapng(sink, OWN_BATCH)))
      if (format !== 'pcapng') targets.push(this.#file(path, 'pcap', (sink) => this.#pcap(sink, seen)))
    }
    const place = placeOf(seen.name)
    if (interfaces.hasAny(place)) targets.push(this.#anyOf(place))
    this.#targets[seen.number] = targets
    return targets
  }

  #anyOf(place: string): CaptureStream {
    const known = this.#any.get(place)
    if (known !== undefined) return known
    const name = `${place}/${ANY}`
    const { snaplen, filterText } = this.#settings
    const header = {
      name,
      description: `all interfaces of ${place}`,
      ...(filterText === '' ? {} : { filter: filterText }),
    }
    const made = this.#file(name, 'pcapng', (sink) => new CookedStream(this.#capture, sink, header, snaplen, OWN_BATCH))
    this.#any.set(place, made)
    return made
  }

  #pcapng(sink: ByteSink, batch: number): CaptureStream {
    const { snaplen, filterText } = this.#settings
    return new PcapngStream(this.#capture, sink, {
      batch,
      ...(snaplen === undefined ? {} : { snaplen }),
      ...(filterText === '' ? {} : { filterText }),
    })
  }

  #pcap(sink: ByteSink, seen: CapturedInterface): CaptureStream {
    const { snaplen } = this.#settings
    return new PcapStream(this.#capture, sink, seen, {
      batch: OWN_BATCH,
      ...(snaplen === undefined ? {} : { snaplen }),
    })
  }

  /** A file, or a ring of them. */
  #file(name: string, ending: string, make: (sink: ByteSink) => CaptureStream): CaptureStream {
    const { ring } = this.#settings
    const path = join(this.#folder, name)
    const stream =
      ring === null
        ? make(this.#disk.create(`${path}.${ending}`))
        : new RotatingStream(this.#capture, ring, this.#ring(path, ending, ring.files, make))
    this.#streams.push(stream)
    return stream
  }

  #ring(path: string, ending: string, files: number, make: (sink: ByteSink) => CaptureStream): NextFile {
    const kept: string[] = []
    return (number) => {
      const previous = kept.at(-1)
      if (previous !== undefined) this.#disk.close(previous)
      if (kept.length >= files) this.#disk.remove(kept.shift() as string)
      const next = `${path}_${String(number).padStart(5, '0')}_${this.#moment()}.${ending}`
      kept.push(next)
      return make(this.#disk.create(next))
    }
  }

  /** Virtual time as dumpcap writes it into file names: 20261121222313. */
  #moment(): string {
    const seconds = this.#capture.secondsOf(this.#capture.now)
    return new Date(seconds * 1000).toISOString().replace(/\..*|[^0-9]/g, '')
  }
}

/** `default/web/eth0` is in `default/web`. */
function placeOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'))
}
