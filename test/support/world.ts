/** Worlds, devices and frames for tests. */
import { NetDevice, type Surroundings } from '../../src/link/device.ts'
import type { Frame } from '../../src/link/frame.ts'
import { World } from '../../src/link/world.ts'
import { type Mac, parseMac } from '../../src/wire/address.ts'
import { hexOf } from './bytes.ts'

/** A world in which a frame that is used after its end shows. */
export function testWorld(seed = 1): World {
  const world = new World(seed)
  world.frames.poison = true
  return world
}

/** The n-th test MAC, from 0 to 255. */
export function mac(n: number): Mac {
  return parseMac(`02:00:00:00:00:${n.toString(16).padStart(2, '0')}`)
}

export function frameOf(world: Surroundings, bytes: Uint8Array): Frame {
  const frame = world.frames.take(bytes.length)
  frame.bytes.set(bytes, frame.start)
  frame.end = frame.start + bytes.length
  return frame
}

/** Takes every frame and remembers it with the time. */
export class Inbox {
  readonly frames: { readonly time: number; readonly bytes: Uint8Array }[] = []
  readonly #world: Surroundings

  constructor(world: Surroundings) {
    this.#world = world
  }

  get count(): number {
    return this.frames.length
  }

  get times(): number[] {
    return this.frames.map((frame) => frame.time)
  }

  get hex(): string[] {
    return this.frames.map((frame) => hexOf(frame.bytes))
  }

  receive(frame: Frame): void {
    this.frames.push({ time: this.#world.scheduler.now, bytes: frame.bytes.slice(frame.start, frame.end) })
    this.#world.frames.consume(frame)
  }
}

/** A device without a cable: what is sent lands in `sent`, what `arrive` gives goes up. */
export class Stub extends NetDevice {
  override readonly kind = 'dummy'
  readonly sent: Inbox

  constructor(world: Surroundings, name: string, address: Mac) {
    super(world, name, address)
    this.sent = new Inbox(world)
    this.up = true
  }

  arrive(bytes: Uint8Array): void {
    this.receive(frameOf(this.world, bytes))
  }

  protected override transmit(frame: Frame): void {
    this.sent.receive(frame)
  }
}
