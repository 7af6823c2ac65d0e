/**
 * The captures of all threads as one: frames in the order of time, what happens at one instant by machine, and of one machine
 * as its thread saw it. That order does not depend on how many threads there are.
 */
import { MemorySink } from '../capture/byte-sink.ts'
import type { CaptureListener, Listened } from '../capture/capture-listener.ts'
import { PcapngStream, PcapStream } from '../capture/capture-stream.ts'
import { CapturedInterface, type InterfaceFiles } from '../capture/captured-interface.ts'
import type { InterfaceHeader, Section } from '../capture/pcapng-writer.ts'
import { type DeviceKind, NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import { World } from '../link/world.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Ipv4, Mac } from '../wire/address.ts'
import { type Chunk, type DeviceFacts, type InterfaceCounts, type Notice, RECORD } from './spool.ts'

/** Stands for a device that another thread has. */
class FarDevice extends NetDevice {
  override readonly kind: DeviceKind

  constructor(world: World, { name, kind, mac, index }: DeviceFacts) {
    super(world, name, mac as Mac)
    this.kind = kind
    this.index = index
  }

  protected override transmit(_: Frame): void {}
}

/** An interface as this side knows it. */
interface Known {
  readonly seen: CapturedInterface
  readonly device: FarDevice
  header: InterfaceHeader | null
}

/** A chunk that is being read. */
interface Reading {
  readonly chunk: Chunk
  readonly doubles: Float64Array
  readonly words: Int32Array
  readonly bytes: Uint8Array
  at: number
  notice: number
}

/** One thread's stream. */
interface Stream {
  readonly chunks: Reading[]
  /** What this thread calls the interfaces that came after those that all know. */
  readonly own: Map<number, Known>
  upTo: Nanos
}

/** What happened next on a thread: a frame, or with `notice` something rarer. */
interface Item {
  readonly stream: Stream
  readonly machine: number
  readonly reading: Reading
  readonly at: number
  readonly notice: Notice | null
}

export class MergedCapture implements Listened, InterfaceFiles {
  section: Section = {}
  now: Nanos = 0
  readonly names = new Map<Ipv4, string>()
  /** Frames so far. */
  frames = 0
  readonly #epoch: number
  readonly #world = new World(0)
  readonly #streams: Stream[]
  readonly #known: Known[] = []
  #listeners: readonly CaptureListener[] = []

  constructor(threads: number, epochSeconds: number) {
    this.#epoch = Math.floor(epochSeconds)
    this.#streams = Array.from({ length: threads }, () => ({ chunks: [], own: new Map(), upTo: 0 }))
  }

  listen(listener: CaptureListener): () => void {
    this.#listeners = [...this.#listeners, listener]
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== listener)
    }
  }

  interfaces(): CapturedInterface[] {
    return this.#known.map(({ seen }) => seen)
  }

  secondsOf(time: Nanos): number {
    return this.#epoch + Math.floor(time / SECOND)
  }

  nanosOf(time: Nanos): number {
    return Math.floor(time % SECOND)
  }

  settle(): void {}

  /** Frames are not kept: these files have none. */
  pcapOf(only: CapturedInterface): Uint8Array {
    const memory = new MemorySink()
    new PcapStream(this, memory, only).finish()
    return memory.file()
  }

  pcapngOf(chosen: readonly CapturedInterface[]): Uint8Array {
    const memory = new MemorySink()
    const stream = new PcapngStream(this, memory)
    for (const seen of chosen) stream.declare(seen)
    stream.finish()
    return memory.file()
  }

  /** More of what a thread saw. */
  take(thread: number, chunk: Chunk): void {
    const stream = this.#streams[thread]
    const { bytes, notices, length } = chunk
    if (length > 0 || notices.length > 0) {
      stream.chunks.push({
        chunk,
        doubles: new Float64Array(bytes),
        words: new Int32Array(bytes),
        bytes: new Uint8Array(bytes),
        at: 0,
        notice: 0,
      })
    }
    stream.upTo = chunk.upTo
    this.#merge()
  }

  /** What a thread's interface counted until the end. */
  count(thread: number, number: number, counts: InterfaceCounts): void {
    const known = this.#interface(this.#streams[thread], number)
    if (known !== undefined) settle(known, counts)
  }

  /** All that is complete goes to the listeners. */
  #merge(): void {
    for (;;) {
      let moment = Number.POSITIVE_INFINITY
      for (const stream of this.#streams) moment = Math.min(moment, headOf(stream))
      if (moment === Number.POSITIVE_INFINITY) return
      for (const { upTo } of this.#streams) if (upTo <= moment) return
      const items: Item[] = []
      for (const stream of this.#streams) collect(stream, moment, items)
      if (items.length > 1) items.sort((a, b) => a.machine - b.machine)
      this.now = moment
      for (const item of items) this.#tell(item)
    }
  }

  #tell({ stream, reading, at, notice }: Item): void {
    if (notice !== null) return this.#note(stream, notice)
    const { doubles, words, bytes } = reading
    const word = (at >> 2) + 6
    const known = this.#interface(stream, words[word]) as Known
    const number = this.frames++
    const length = words[word + 3]
    const { seen } = known
    seen.frames++
    seen.bytes += length
    for (const listener of this.#listeners) {
      const [time, packet] = [doubles[(at >> 3) + 1], doubles[(at >> 3) + 2]]
      listener.frame(seen, number, words[word + 2], time, packet, bytes, at + RECORD, length, null)
    }
  }

  #interface(stream: Stream, number: number): Known | undefined {
    return stream.own.get(number) ?? this.#streams[0].own.get(number)
  }

  #note(stream: Stream, notice: Notice): void {
    if (notice.type === 'named') {
      if (this.names.get(notice.address) === notice.name) return
      this.names.set(notice.address, notice.name)
      for (const listener of this.#listeners) listener.named(notice.address, notice.name)
      return
    }
    if (notice.type === 'appears') return this.#appears(stream, notice.number, notice.device, notice.since)
    const known = this.#interface(stream, notice.number)
    if (known === undefined) return
    if (notice.type === 'header') {
      known.header ??= notice.header
      return
    }
    settle(known, notice.counts)
    for (const listener of this.#listeners) listener.vanishes(known.seen)
  }

  #appears(stream: Stream, number: number, facts: DeviceFacts, since: Nanos): void {
    const device = new FarDevice(this.#world, facts)
    const { name, description } = facts
    const told = () => known.header ?? {}
    const seen = new CapturedInterface(this, this.#known.length, device, name, description, told, since)
    const known: Known = { seen, device, header: null }
    stream.own.set(number, known)
    this.#known.push(known)
    for (const listener of this.#listeners) listener.appears(seen)
  }
}

function settle({ seen, device }: Known, { dropped, until }: InterfaceCounts): void {
  device.rxDropped = dropped
  seen.until = until
}

/** When the thread saw the next thing that is here; Infinity when nothing is. */
function headOf({ chunks }: Stream): Nanos {
  if (chunks.length === 0) return Number.POSITIVE_INFINITY
  const { chunk, doubles, at, notice } = chunks[0]
  const { notices } = chunk
  if (notice < notices.length && notices[notice].at <= at) return notices[notice].now
  return doubles[at >> 3]
}

/** All that the thread saw at this moment. */
function collect(stream: Stream, moment: Nanos, items: Item[]): void {
  const { chunks } = stream
  while (headOf(stream) === moment) {
    const [reading] = chunks
    const { chunk, words, at } = reading
    const next = chunk.notices[reading.notice]
    if (next !== undefined && next.at <= at) {
      items.push({ stream, machine: next.machine, reading, at, notice: next.notice })
      reading.notice++
    } else {
      const word = (at >> 2) + 6
      items.push({ stream, machine: words[word + 1], reading, at, notice: null })
      reading.at += RECORD + ((words[word + 3] + 7) & ~7)
    }
    if (reading.at >= chunk.length && reading.notice >= chunk.notices.length) chunks.shift()
  }
}
