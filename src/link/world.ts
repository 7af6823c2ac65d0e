/** One emulated world. Everything that needs time, chance or frames is given this; there are no globals. */
import { Random } from '../sim/random.ts'
import { MILLISECOND, Scheduler } from '../sim/scheduler.ts'
import { settleCounters } from './account.ts'
import { configurationChanged } from './configuration.ts'
import type { NetDevice } from './device.ts'
import { journal } from './flow-cache.ts'
import { FramePool, type Tracer } from './frame.ts'
import { Tracers } from './tracers.ts'

/** In milliseconds. */
const DAY = 86_400_000

/** Hears of the devices of a world. */
export interface DeviceWatcher {
  /** It joined a namespace: new, or from another one that it left before. */
  joined(device: NetDevice, namespace: string): void
  /** It left its namespace, or went with it. */
  left(device: NetDevice): void
}

export class World {
  /** Called when a device's carrier may have changed: up, down, plugged into a bridge, unplugged. */
  linkChanged: (() => void) | null = null
  readonly #linkWatchers = new Set<() => void>()
  readonly #deviceWatchers = new Set<DeviceWatcher>()
  readonly #devices = new Map<NetDevice, string>()
  /** What the clock on the wall shows, in whole seconds since 1970, when the world begins. */
  epochSeconds = 0
  scheduler: Scheduler
  /** Are passes of known flows cached? For devices that are made from now on; what can be observed is the same. */
  flowCache = true
  readonly frames: FramePool
  /** The world that this is a part of; null: a world by itself. */
  readonly #whole: World | null
  readonly #parts: World[] = []
  #tracers: readonly Tracer[] = []
  readonly random: Random
  readonly seed: number

  /** What the clock on the wall shows, in milliseconds since midnight UT (inet_current_timestamp). */
  get timeOfDay(): number {
    return (this.epochSeconds * 1000 + Math.floor(this.scheduler.now / MILLISECOND)) % DAY
  }

  constructor(seed = 1, whole: World | null = null, firstPacket = 0) {
    this.seed = seed
    this.#whole = whole
    this.scheduler = whole?.scheduler ?? new Scheduler()
    this.frames = whole?.frames.branch(firstPacket) ?? new FramePool()
    this.random = whole?.random.shared() ?? new Random(seed)
    this.scheduler.atRest = settleCounters
  }

  /**
   * The same world for the things of one machine: they have a number of their own for packets, from behind `firstPacket` on,
   * and may have a stream of chance of their own (Random.restart). Nothing that another machine does moves either.
   */
  part(firstPacket: number): World {
    const part = new World(this.seed, this, firstPacket)
    part.epochSeconds = this.epochSeconds
    part.flowCache = this.flowCache
    part.linkChanged = this.linkChanged
    this.#parts.push(part)
    return part
  }

  /**
   * This part, and those that are parts of it, have a time of their own from now on. What is armed stays where it is: see
   * Scheduler.takeOver.
   */
  separate(scheduler = new Scheduler()): Scheduler {
    scheduler.run(this.scheduler.now)
    scheduler.atRest = settleCounters
    this.scheduler = scheduler
    // Steps of passes read the clock that they knew.
    configurationChanged()
    for (const part of this.#parts) part.separate(scheduler)
    return scheduler
  }

  /** Frames in flight, those of all parts included. */
  get framesInUse(): number {
    return this.#parts.reduce((sum, part) => sum + part.framesInUse, this.frames.inUse)
  }

  /**
   * Until the returned function is called, the tracer is told all decisions about this world's frames, with whoever else
   * traces it. While any world of the process is traced, all of them go the long way.
   */
  trace(tracer: Tracer): () => void {
    if (this.#whole !== null || this.#parts.length > 0)
      throw new Error('podwire bug: a world in parts cannot be traced')
    this.#traceBy([...this.#tracers, tracer])
    return () => this.#traceBy(this.#tracers.filter((each) => each !== tracer))
  }

  /** Nobody traces it any more. */
  untrace(): void {
    this.#traceBy([])
  }

  #traceBy(tracers: readonly Tracer[]): void {
    this.#tracers = tracers
    this.frames.tracer = tracers.length > 1 ? new Tracers(tracers) : (tracers.at(0) ?? null)
    journal.trace(this, tracers.length > 0)
  }

  /** Until the returned function is called, the watcher hears of devices: whoever captures from time zero listens here. */
  watchDevices(watcher: DeviceWatcher): () => void {
    if (this.#whole !== null) return this.#whole.watchDevices(watcher)
    this.#deviceWatchers.add(watcher)
    return () => void this.#deviceWatchers.delete(watcher)
  }

  /** Every device that is in a namespace, with its name, in the order in which they joined. */
  get devices(): ReadonlyMap<NetDevice, string> {
    return this.#whole?.devices ?? this.#devices
  }

  deviceJoined(device: NetDevice, namespace: string): void {
    if (this.#whole !== null) return this.#whole.deviceJoined(device, namespace)
    this.#devices.delete(device)
    this.#devices.set(device, namespace)
    for (const each of this.#deviceWatchers) each.joined(device, namespace)
  }

  deviceLeft(device: NetDevice): void {
    if (this.#whole !== null) return this.#whole.deviceLeft(device)
    this.#devices.delete(device)
    for (const each of this.#deviceWatchers) each.left(device)
  }

  /** Until the returned function is called, the watcher hears of every possible change of a carrier. */
  watchLinks(watcher: () => void): () => void {
    if (this.#whole !== null) return this.#whole.watchLinks(watcher)
    const watchers = this.#linkWatchers
    const tell = () => {
      for (const each of watchers) each()
    }
    watchers.add(watcher)
    this.#hearLinks(tell)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0) this.#hearLinks(null)
    }
  }

  #hearLinks(tell: (() => void) | null): void {
    this.linkChanged = tell
    for (const part of this.#parts) part.#hearLinks(tell)
  }
}
