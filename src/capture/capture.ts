/**
 * A capture: taps on devices, Linux's AF_PACKET. What passes a tap is told to listeners, as it happens: streams that write it
 * down (capture-stream.ts), and the store in memory, which can be looked through and written as files afterwards.
 */
import type { Direction, NetDevice } from '../link/device.ts'
import type { Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { type Ipv4, sameMac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { MemorySink } from './byte-sink.ts'
import type { CaptureListener, Watched } from './capture-listener.ts'
import { PcapngStream, PcapStream } from './capture-stream.ts'
import { CapturedInterface, type InterfaceFacts } from './captured-interface.ts'
import type { Explainer, Sighting } from './explainer.ts'
import { FrameStore } from './frame-store.ts'
import { BROADCAST, INBOUND, MULTICAST, OUTBOUND, PROMISCUOUS, type Section, UNICAST } from './pcapng-writer.ts'

export { CapturedInterface } from './captured-interface.ts'

/** An interface, and what ends listening to its device. */
interface Attachment {
  readonly seen: CapturedInterface
  readonly end: () => void
}

export class Capture implements Watched {
  /** What capture files say about the whole of it. */
  section: Section = {}
  /** Are frames kept in memory? */
  keeps = true
  /** Explains what is seen from now on; it must be the world's tracer (World.trace). */
  explainer: Explainer | null = null
  readonly world: World
  readonly #epoch: number
  readonly #names = new Map<Ipv4, string>()
  readonly #interfaces: CapturedInterface[] = []
  readonly #attachments = new Map<NetDevice, Attachment>()
  readonly #store = new FrameStore()
  #listeners: readonly CaptureListener[] = []
  /** The number of the first frame that listeners were not told of, and when it was seen: its event may go on. */
  #told = 0
  #waitingSince: Nanos = 0

  /** `epochSeconds`: what the clock on the wall shows, in whole seconds since 1970, when the world begins. */
  constructor(world: World, epochSeconds: number) {
    this.world = world
    this.#epoch = Math.floor(epochSeconds)
  }

  get now(): Nanos {
    return this.world.scheduler.now
  }

  /** Frames seen, all interfaces together. */
  get frames(): number {
    return this.#store.end
  }

  /** In the order in which they were attached. */
  interfaces(): CapturedInterface[] {
    return this.#interfaces.slice()
  }

  /** Names for a reader to show in place of addresses. */
  get names(): ReadonlyMap<Ipv4, string> {
    return this.#names
  }

  /** From now on the address has this name. */
  name(address: Ipv4, name: string): void {
    if (this.#names.get(address) === name) return
    this.#names.set(address, name)
    for (const listener of this.#listeners) listener.named(address, name)
  }

  /** Watches a device from now on. */
  attach(
    device: NetDevice,
    name: string,
    description: string,
    facts: () => InterfaceFacts = noFacts,
  ): CapturedInterface {
    if (this.#attachments.has(device)) throw new Error(`podwire bug: ${name} is captured already`)
    const { now } = this
    const seen = new CapturedInterface(this, this.#interfaces.length, device, name, description, facts, now)
    const end = device.listen((frame, _, direction) => this.#record(frame, direction, seen))
    this.#interfaces.push(seen)
    this.#attachments.set(device, { seen, end })
    for (const listener of this.#listeners) listener.appears(seen)
    return seen
  }

  /** Stops watching; what was seen stays. */
  detach(device: NetDevice): void {
    const attachment = this.#attachments.get(device)
    if (attachment === undefined) return
    this.#attachments.delete(device)
    attachment.end()
    attachment.seen.until = this.now
    for (const listener of this.#listeners) listener.vanishes(attachment.seen)
  }

  /** Why the frame of this number is where it was seen; null when nobody explained it, or it is not kept. */
  sighting(number: number): Sighting | null {
    return this.#store.sighting(number)
  }

  /** Tells the listener of everything from now on, until what is returned is called. */
  listen(listener: CaptureListener): () => void {
    this.settle()
    // The list is never changed, only replaced: a listener may leave while it is told something.
    this.#listeners = [...this.#listeners, listener]
    for (const seen of this.#interfaces) if (seen.until === null) listener.appears(seen)
    return () => {
      this.settle()
      this.#listeners = this.#listeners.filter((each) => each !== listener)
    }
  }

  /** Forgets the frames in memory; their numbers are not given again. */
  forget(): void {
    this.settle()
    this.#store.forget()
  }

  settle(): void {
    const from = this.#told
    this.#told = this.#store.end
    if (from === this.#told) return
    for (const listener of this.#listeners) this.#replay(listener, from)
    if (!this.keeps) this.#store.forget()
  }

  /** Shows the frames in memory from number `from` on; the bytes are lent, from `at` to `end`. */
  visit(from: number, see: (seen: CapturedInterface, bytes: Uint8Array, at: number, end: number) => void): void {
    const store = this.#store
    for (let i = Math.max(from, store.first); i < store.end; i++) {
      const at = store.offset(i)
      see(this.#interfaces[store.interface(i)], store.bytes, at, at + store.length(i))
    }
  }

  /** Calls back for every frame in memory, in the order in which they were seen; the bytes are lent. */
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
    const store = this.#store
    for (let i = store.first; i < store.end; i++) {
      const at = store.offset(i)
      const inbound = (store.flags(i) & INBOUND) !== 0
      look(this.#interfaces[store.interface(i)], store.time(i), inbound, store.bytes, at, at + store.length(i))
    }
  }

  /** Tells a listener of the frames in memory, as if they came now. */
  replay(listener: CaptureListener): void {
    this.#replay(listener, this.#store.first)
  }

  #replay(listener: CaptureListener, from: number): void {
    const store = this.#store
    for (let i = from; i < store.end; i++) {
      const seen = this.#interfaces[store.interface(i)]
      const [time, id] = [store.time(i), store.packetId(i)]
      const { bytes } = store
      listener.frame(seen, i, store.flags(i), time, id, bytes, store.offset(i), store.length(i), store.sighting(i))
    }
  }

  /** All interfaces in one file, in the order of time. */
  pcapng(): Uint8Array {
    return this.pcapngOf(this.#interfaces)
  }

  pcapOf(only: CapturedInterface): Uint8Array {
    const memory = new MemorySink()
    const stream = new PcapStream(this, memory, only)
    this.replay(stream)
    stream.finish()
    return memory.file()
  }

  pcapngOf(chosen: readonly CapturedInterface[]): Uint8Array {
    const memory = new MemorySink()
    const wanted = new Set(chosen)
    const stream = new PcapngStream(this, memory, { wants: (seen) => wanted.has(seen) })
    for (const seen of chosen) stream.declare(seen)
    this.replay(stream)
    stream.finish()
    return memory.file()
  }

  /** Seconds since 1970. */
  secondsOf(time: Nanos): number {
    return this.#epoch + Math.floor(time / SECOND)
  }

  /** Within the second; a jittered time may have a fraction of a nanosecond, which files cannot hold. */
  nanosOf(time: Nanos): number {
    return Math.floor(time % SECOND)
  }

  #record(frame: Frame, direction: Direction, seen: CapturedInterface): void {
    const number = this.#store.end
    const { bytes, start } = frame
    const length = frame.end - start
    const inbound = direction === 'in'
    const time = inbound && frame.stamp !== 0 ? frame.stamp : this.world.scheduler.now
    const flags = flagsOf(seen.device, inbound, bytes, start)
    const id = seen.device.world.frames.identify(frame)
    if (seen.frames++ === 0) seen.header()
    seen.bytes += length
    if (this.#told !== number && this.#waitingSince < this.now) this.settle()
    if (this.explainer !== null) {
      if (this.#told === number) this.#waitingSince = this.now
      return this.#store.put(seen.number, flags, time, id, bytes, start, length, this.explainer.seen(frame, direction))
    }
    if (this.#told !== number) this.settle()
    if (this.keeps) this.#store.put(seen.number, flags, time, id, bytes, start, length)
    else this.#store.pass()
    this.#told = number + 1
    const listeners = this.#listeners
    for (let i = 0; i < listeners.length; i++) {
      listeners[i].frame(seen, number, flags, time, id, bytes, start, length, null)
    }
  }
}

function noFacts(): InterfaceFacts {
  return {}
}

/** epb_flags: which way a frame went by the device, and of one that came in how it was addressed. */
export function flagsOf(device: NetDevice, inbound: boolean, bytes: Uint8Array, at: number): number {
  if (!inbound) return OUTBOUND
  if (sameMac(bytes, at, device.mac, 0)) return INBOUND | UNICAST
  if (ethernet.isBroadcast(bytes, at)) return INBOUND | BROADCAST
  return INBOUND | (ethernet.isGroup(bytes, at) ? MULTICAST : PROMISCUOUS)
}
