/**
 * A capture: taps on devices, and one store of all that they saw, in the order of time. Linux's AF_PACKET with
 * tcpdump behind it; every interface can be written as a file of its own, or all of them as one.
 */
import type { Direction, NetDevice, Tap } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { Explainer, Sighting } from './explainer.ts'
import { GrowingBytes, PcapWriter } from './pcap-writer.ts'
import { PcapngWriter } from './pcapng-writer.ts'

/** One device under observation; it keeps what it has seen when the device is detached or gone. */
export class CapturedInterface {
  readonly device: NetDevice
  /** `machine/interface`, or `namespace/pod/eth0`. */
  readonly name: string
  readonly description: string
  /** Frames seen so far. */
  frames = 0
  /** Bytes seen so far. */
  bytes = 0
  readonly #capture: Capture
  readonly #droppedBefore: number

  constructor(capture: Capture, device: NetDevice, name: string, description: string) {
    this.#capture = capture
    this.device = device
    this.name = name
    this.description = description
    this.#droppedBefore = device.rxDropped + device.txDropped
  }

  /** Frames that the device dropped since the capture began. */
  get dropped(): number {
    return this.device.rxDropped + this.device.txDropped - this.#droppedBefore
  }

  /** The frames of this interface as classic pcap, with nanoseconds. */
  pcap(): Uint8Array {
    return this.#capture.pcapOf(this)
  }

  /** The frames of this interface as pcapng. */
  pcapng(): Uint8Array {
    return this.#capture.pcapngOf([this])
  }
}

/** What detaching needs: our tap, and the one that stood there before. */
interface Attachment {
  readonly tap: Tap
  readonly previous: Tap | null
  active: boolean
}

const OUT = 1

export class Capture {
  /** Names for a reader to show in place of addresses. */
  readonly names = new Map<Ipv4, string>()
  /** Explains what is seen from now on; it must be the world's tracer (World.trace). */
  explainer: Explainer | null = null
  readonly #sightings: Sighting[] = []
  readonly #world: World
  readonly #epoch: number
  readonly #interfaces: CapturedInterface[] = []
  readonly #attachments = new Map<NetDevice, Attachment>()
  // The store: the bytes of all frames one behind the other, and one row a frame.
  #bytes = new GrowingBytes(1 << 16)
  #size = 0
  #times = new Float64Array(256)
  #offsets = new Float64Array(256)
  #lengths = new Int32Array(256)
  #packetIds = new Float64Array(256)
  /** The interface's number, doubled, plus OUT. */
  #origins = new Int32Array(256)

  /** `epochSeconds`: what the clock on the wall shows, in whole seconds since 1970, when the world begins. */
  constructor(world: World, epochSeconds: number) {
    this.#world = world
    this.#epoch = Math.floor(epochSeconds)
  }

  /** Frames in the store, all interfaces together. */
  get frames(): number {
    return this.#size
  }

  /** In the order in which they were attached. */
  interfaces(): CapturedInterface[] {
    return this.#interfaces.slice()
  }

  /** Why the frame of this row is where it was seen; null when nobody explained it. */
  sighting(row: number): Sighting | null {
    return this.#sightings[row] ?? null
  }

  /** Watches a device from now on. A tap that is there already goes on being called, first. */
  attach(device: NetDevice, name: string, description: string): CapturedInterface {
    const watched = this.#attachments.get(device)
    if (watched?.active) throw new Error(`podwire bug: ${name} is captured already`)
    const number = this.#interfaces.length
    const captured = new CapturedInterface(this, device, name, description)
    const previous = device.tap
    const attachment: Attachment = {
      previous,
      active: true,
      tap: (frame, from, direction) => {
        if (previous !== null) previous(frame, from, direction)
        if (attachment.active) this.#record(frame, direction, number)
      },
    }
    this.#interfaces.push(captured)
    this.#attachments.set(device, attachment)
    device.tap = attachment.tap
    return captured
  }

  /** Stops watching; what was seen stays. */
  detach(device: NetDevice): void {
    const attachment = this.#attachments.get(device)
    if (attachment === undefined) return
    this.#attachments.delete(device)
    // Somebody may have put a tap in front of ours: then ours stays in the chain and only hands on.
    attachment.active = false
    if (device.tap === attachment.tap) device.tap = attachment.previous
  }

  /** Shows the frames from row `from` on; the bytes are lent, from `at` to `end`. */
  visit(from: number, see: (seen: CapturedInterface, bytes: Uint8Array, at: number, end: number) => void): void {
    for (let i = from; i < this.#size; i++) {
      const at = this.#offsets[i]
      see(this.#interfaces[this.#origins[i] >> 1], this.#bytes.raw, at, at + this.#lengths[i])
    }
  }

  /** All interfaces in one file, in the order of time. */
  pcapng(): Uint8Array {
    return this.pcapngOf(this.#interfaces)
  }

  pcapOf(only: CapturedInterface): Uint8Array {
    const writer = new PcapWriter()
    const number = this.#interfaces.indexOf(only)
    for (let i = 0; i < this.#size; i++) {
      if (this.#origins[i] >> 1 !== number) continue
      writer.packet(this.#seconds(i), this.#nanos(i), this.#bytes.raw, this.#offsets[i], this.#lengths[i])
    }
    return writer.file()
  }

  pcapngOf(chosen: readonly CapturedInterface[]): Uint8Array {
    const writer = new PcapngWriter()
    writer.names(this.names)
    const numbers = new Int32Array(this.#interfaces.length).fill(-1)
    for (const captured of chosen) {
      numbers[this.#interfaces.indexOf(captured)] = writer.interface(captured.name, captured.description)
    }
    for (let i = 0; i < this.#size; i++) {
      const number = numbers[this.#origins[i] >> 1]
      if (number < 0) continue
      const inbound = (this.#origins[i] & OUT) === 0
      writer.packet(
        number,
        this.#seconds(i),
        this.#nanos(i),
        inbound,
        this.#packetIds[i],
        this.#bytes.raw,
        this.#offsets[i],
        this.#lengths[i],
        this.#comment(i),
      )
    }
    const now = this.#world.scheduler.now
    for (const captured of chosen) {
      const number = numbers[this.#interfaces.indexOf(captured)]
      writer.statistics(number, this.#secondsOf(now), nanosOf(now), captured.frames, captured.dropped)
    }
    return writer.file()
  }

  /** Calls back for every frame in the store, in the order in which they were seen; the bytes are lent. */
  each(
    look: (
      captured: CapturedInterface,
      time: Nanos,
      inbound: boolean,
      bytes: Uint8Array,
      at: number,
      end: number,
    ) => void,
  ): void {
    for (let i = 0; i < this.#size; i++) {
      const at = this.#offsets[i]
      const captured = this.#interfaces[this.#origins[i] >> 1]
      look(captured, this.#times[i], (this.#origins[i] & OUT) === 0, this.#bytes.raw, at, at + this.#lengths[i])
    }
  }

  #comment(row: number): string {
    const sighting = this.sighting(row)
    return sighting === null ? '' : sighting.decisions.map(({ decision }) => String(decision)).join('\n')
  }

  #record(frame: Frame, direction: Direction, number: number): void {
    if (this.#size === this.#times.length) this.#grow()
    const row = this.#size++
    const length = frame.end - frame.start
    this.#times[row] = direction === 'in' && frame.stamp !== 0 ? frame.stamp : this.#world.scheduler.now
    this.#offsets[row] = this.#bytes.length
    this.#lengths[row] = length
    this.#packetIds[row] = this.#world.frames.identify(frame)
    this.#origins[row] = number * 2 + (direction === 'out' ? OUT : 0)
    this.#bytes.put(frame.bytes, frame.start, length)
    if (this.explainer !== null) this.#sightings[row] = this.explainer.seen(frame, direction)
    const captured = this.#interfaces[number]
    captured.frames++
    captured.bytes += length
  }

  #seconds(row: number): number {
    return this.#secondsOf(this.#times[row])
  }

  #nanos(row: number): number {
    return nanosOf(this.#times[row])
  }

  #secondsOf(time: Nanos): number {
    return this.#epoch + Math.floor(time / SECOND)
  }

  #grow(): void {
    const rows = this.#times.length * 2
    this.#times = grown(new Float64Array(rows), this.#times)
    this.#offsets = grown(new Float64Array(rows), this.#offsets)
    this.#lengths = grown(new Int32Array(rows), this.#lengths)
    this.#packetIds = grown(new Float64Array(rows), this.#packetIds)
    this.#origins = grown(new Int32Array(rows), this.#origins)
  }
}

/** Within the second; a jittered time may have a fraction of a nanosecond, which files cannot hold. */
function nanosOf(time: Nanos): number {
  return Math.floor(time % SECOND)
}

function grown<Rows extends Float64Array | Int32Array>(larger: Rows, rows: Rows): Rows {
  larger.set(rows)
  return larger
}
