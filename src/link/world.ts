/** One emulated world. Everything that needs time, chance or frames is given this; there are no globals. */
import { Random } from '../sim/random.ts'
import { MILLISECOND, Scheduler } from '../sim/scheduler.ts'
import { settleCounters } from './account.ts'
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
  readonly scheduler = new Scheduler()
  /** Are passes of known flows cached? For devices that are made from now on; what can be observed is the same. */
  flowCache = true
  readonly frames = new FramePool()
  #tracers: readonly Tracer[] = []
  readonly random: Random
  readonly seed: number

  /** What the clock on the wall shows, in milliseconds since midnight UT (inet_current_timestamp). */
  get timeOfDay(): number {
    return (this.epochSeconds * 1000 + Math.floor(this.scheduler.now / MILLISECOND)) % DAY
  }

  constructor(seed = 1) {
    this.seed = seed
    this.random = new Random(seed)
    this.scheduler.atRest = settleCounters
  }

  /**
   * Until the returned function is called, the tracer is told all decisions about this world's frames, with whoever else
   * traces it. While any world of the process is traced, all of them go the long way.
   */
  trace(tracer: Tracer): () => void {
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
    this.#deviceWatchers.add(watcher)
    return () => void this.#deviceWatchers.delete(watcher)
  }

  /** Every device that is in a namespace, with its name, in the order in which they joined. */
  get devices(): ReadonlyMap<NetDevice, string> {
    return this.#devices
  }

  deviceJoined(device: NetDevice, namespace: string): void {
    this.#devices.delete(device)
    this.#devices.set(device, namespace)
    for (const each of this.#deviceWatchers) each.joined(device, namespace)
  }

  deviceLeft(device: NetDevice): void {
    this.#devices.delete(device)
    for (const each of this.#deviceWatchers) each.left(device)
  }

  /** Until the returned function is called, the watcher hears of every possible change of a carrier. */
  watchLinks(watcher: () => void): () => void {
    const watchers = this.#linkWatchers
    const tell = () => {
      for (const each of watchers) each()
    }
    watchers.add(watcher)
    this.linkChanged = tell
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0) this.linkChanged = null
    }
  }
}
