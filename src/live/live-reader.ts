/**
 * One reader of a running world: a capture of its own on the interfaces that it wants, written as pcapng into a socket while
 * it is seen. The world never waits for a reader: what a slow one leaves no room for is dropped and counted in the file.
 */
import type { Socket } from 'node:net'
import { Capture } from '../capture/capture.ts'
import type { CaptureListener } from '../capture/capture-listener.ts'
import { PcapngStream } from '../capture/capture-stream.ts'
import type { CapturedInterface } from '../capture/captured-interface.ts'
import { Explainer, type Sighting } from '../capture/explainer.ts'
import type { FrameTest } from '../capture/filter-packet.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import { OUTBOUND } from '../capture/pcapng-writer.ts'
import type { NetDevice } from '../link/device.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { factsOf } from '../topology/interface-facts.ts'
import { interfacePattern } from '../topology/interfaces.ts'
import type { Lab } from '../topology/lab.ts'
import type { Ipv4 } from '../wire/address.ts'

/** What waits for a reader in this process; the kernel's own buffer comes on top. */
const ROOM = 8 << 20
/** A reader that takes none of its last bytes for so long is not waited for; milliseconds. */
const FAREWELL = 2000

export interface ReaderSettings {
  /** Names of interfaces with globs; none: all. */
  readonly interfaces: readonly string[]
  /** pcap-filter(7); empty: every frame. */
  readonly filter: string
  readonly snaplen: number
  /** The capture ends after so many frames; 0: it does not. */
  readonly count: number
  /** Is each frame to carry why it is where it was seen? */
  readonly comments: boolean
}

export const EVERYTHING: ReaderSettings = { interfaces: [], filter: '', snaplen: 0, count: 0, comments: true }

export class LiveReader implements CaptureListener {
  readonly settings: ReaderSettings
  /** Frames that it was given. */
  frames = 0
  /** Frames that it was too slow for. */
  lost = 0
  readonly #socket: Socket
  readonly #capture: Capture
  readonly #stream: PcapngStream
  readonly #filter: FrameTest
  readonly #leave: (() => void)[] = []
  #over = false

  /** `ended` is called once, whoever ended it. @throws FilterError */
  constructor(lab: Lab, settings: ReaderSettings, socket: Socket, ended: () => void) {
    this.settings = settings
    this.#socket = socket
    this.#filter = compileFilter(settings.filter)
    this.#capture = new Capture(lab.world, lab.epochSeconds)
    this.#capture.keeps = false
    this.#leave.push(lab.introduce(this.#capture))
    if (settings.comments) {
      const explainer = new Explainer(lab.world)
      this.#capture.explainer = explainer
      this.#leave.push(lab.world.trace(explainer))
    }
    const write = (blocks: Uint8Array) => void socket.write(Buffer.from(blocks))
    this.#stream = new PcapngStream(
      this.#capture,
      { write },
      {
        ...(settings.filter === '' ? {} : { filterText: settings.filter }),
        ...(settings.snaplen === 0 ? {} : { snaplen: settings.snaplen }),
      },
    )
    this.#watch(lab)
    // Vanished, or stopped by its user: EPIPE and ECONNRESET are no failures.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#stop()
      ended()
    })
    this.flush()
  }

  /** Names of the interfaces that are watched now. */
  get watched(): string[] {
    return this.#capture
      .interfaces()
      .filter((seen) => seen.until === null)
      .map((seen) => seen.name)
  }

  #watch(lab: Lab): void {
    const wants = interfacePattern(this.settings.interfaces)
    const attach = (device: NetDevice) => {
      const name = lab.interfaces.nameOf(device)
      if (wants(name)) this.#capture.attach(device, name, `${device.kind} ${name}`, () => factsOf(device))
    }
    for (const device of lab.interfaces) attach(device)
    // Readers that wait for a first interface have it at once; those of pods to come follow with their first frames.
    for (const seen of this.#capture.interfaces()) this.#stream.declare(seen)
    const end = lab.world.watchDevices({ joined: attach, left: (device) => this.#capture.detach(device) })
    this.#leave.push(end, this.#capture.listen(this))
  }

  appears(): void {}

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
    if (this.#over || !this.#filter(bytes, at, at + length, (flags & OUTBOUND) !== 0)) return
    if (this.#socket.writableLength > ROOM) {
      this.lost++
      return this.#stream.lose(seen)
    }
    this.frames++
    this.#stream.frame(seen, number, flags, time, packetId, bytes, at, length, sighting)
    if (this.frames === this.settings.count) this.finish()
  }

  vanishes(seen: CapturedInterface): void {
    this.#stream.vanishes(seen)
  }

  named(address: Ipv4, name: string): void {
    this.#stream.named(address, name)
  }

  /** Hands on what has been seen; to be called between events, and soon. */
  flush(): void {
    if (!this.#over) this.#stream.flush()
  }

  /** Ends it in good order: the counters of its interfaces, and the end of the stream. */
  finish(): void {
    if (this.#over) return
    this.#over = true
    this.#stream.finish()
    this.#stop()
    this.#socket.end()
    let waiting = this.#socket.writableLength
    const look = setInterval(() => {
      if (this.#socket.writableLength === waiting) this.#socket.destroy()
      waiting = this.#socket.writableLength
    }, FAREWELL)
    look.unref()
    this.#socket.once('close', () => clearInterval(look))
  }

  #stop(): void {
    this.#over = true
    for (const leave of this.#leave.splice(0)) leave()
    for (const seen of this.#capture.interfaces()) this.#capture.detach(seen.device)
  }
}
