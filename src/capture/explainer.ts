/**
 * Joins what was captured with what was decided. A packet's way is a chain of sightings (a frame at a tap) with decisions
 * between them:
 *
 *   eth0 out ── veth in ─ bridge, DNAT ─ cni0 in ─ route, FORWARD, neighbour ─ flannel.1 out ─ FDB, outer route ─ eth0 out
 *
 * A decision explains the sighting before it when that frame was coming in (what became of it), and the one after it when
 * that frame goes out (why it is there). What ends a frame, a socket or a drop, explains its last sighting.
 */
import type { Decision } from '../link/decision.ts'
import type { Direction } from '../link/device.ts'
import type { DropReason, Frame, Tracer } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { Dropped } from './dropped.ts'

/** A decision, when and where it was taken. */
export interface Told {
  readonly time: Nanos
  /** A namespace's name (`w1.example.com`), or a device's place (`w1.example.com/cni0`). */
  readonly where: string
  /** The packet's number, as in the capture. */
  readonly packetId: number
  readonly decision: Decision
}

/** A frame at a tap, and why: complete when the event is over that brought it there. */
export class Sighting {
  readonly packetId: number
  readonly direction: Direction
  /** What led here, as far as no earlier sighting tells it. */
  readonly because: Told[]
  /** What was decided afterwards, up to the next sighting. */
  readonly became: Told[] = []
  /** The next sighting tells what was decided afterwards. */
  followed = false

  constructor(packetId: number, direction: Direction, because: Told[]) {
    this.packetId = packetId
    this.direction = direction
    this.because = because
  }

  get decisions(): readonly Told[] {
    return this.followed ? this.because : [...this.because, ...this.became]
  }
}

/** One frame's way since it was last seen. A copy of a frame, a piece of it or the whole of its pieces begins its own. */
class Way {
  readonly packetId: number
  /** Where it was last seen; null: not yet. */
  sighting: Sighting | null = null
  /** Where that was copied from which this is the copy of. */
  readonly origin: Sighting | null
  /** Decisions since then. */
  since: Told[]

  constructor(packetId: number, origin: Sighting | null) {
    this.packetId = packetId
    this.origin = origin
    // What was decided about the original before it was copied led here, too.
    this.since = origin === null ? [] : origin.became.slice()
  }
}

/** Copies look for their origin among so many packets. */
const REMEMBERED = 4096

export class Explainer implements Tracer {
  /** Hears of every decision, also of those about frames that no capture has seen. */
  onTold: ((told: Told) => void) | null = null
  readonly #world: World
  /** By frame: a frame of the pool that is another packet now has begun another way. */
  readonly #ways = new WeakMap<Frame, Way>()
  #lastFrame: Frame | null = null
  #lastWay: Way | null = null
  /** The latest sighting of a packet on its way in, for its copies. */
  readonly #latest = new Map<number, Sighting>()

  constructor(world: World) {
    this.#world = world
  }

  decided(frame: Frame, where: string, decision: Decision): void {
    const way = this.#wayOf(frame)
    const told = { time: this.#world.scheduler.now, where, packetId: way.packetId, decision }
    way.since.push(told)
    if (way.sighting !== null) way.sighting.became.push(told)
    else if (way.origin !== null) way.origin.became.push(told)
    this.onTold?.(told)
  }

  dropped(frame: Frame, reason: DropReason, where: string): void {
    this.decided(frame, where, new Dropped(reason))
  }

  /** The frame is at a tap. */
  seen(frame: Frame, direction: Direction): Sighting {
    const way = this.#wayOf(frame)
    const before = way.sighting
    const outward = direction === 'out'
    // An incoming frame's decisions are told where it came in; only what nobody tells yet belongs here.
    const told = before === null ? way.origin !== null && !outward : before.direction === 'in' && !outward
    const sighting = new Sighting(way.packetId, direction, told ? [] : way.since)
    if (before !== null && before.direction === 'out' && before.became.length > 0) before.followed = true
    way.sighting = sighting
    way.since = []
    this.#remember(sighting)
    return sighting
  }

  #wayOf(frame: Frame): Way {
    const packetId = this.#world.frames.identify(frame)
    // Most decisions are about the same frame as the one before.
    if (frame === this.#lastFrame && this.#lastWay?.packetId === packetId) return this.#lastWay
    const way = this.#lookUp(frame, packetId)
    this.#lastFrame = frame
    this.#lastWay = way
    return way
  }

  #lookUp(frame: Frame, packetId: number): Way {
    const known = this.#ways.get(frame)
    if (known !== undefined && known.packetId === packetId) return known
    const way = new Way(packetId, this.#latest.get(packetId) ?? null)
    this.#ways.set(frame, way)
    return way
  }

  #remember(sighting: Sighting): void {
    if (sighting.direction === 'out' && this.#latest.has(sighting.packetId)) return
    // The oldest goes, in the order of the first sighting.
    this.#latest.delete(sighting.packetId)
    this.#latest.set(sighting.packetId, sighting)
    if (this.#latest.size <= REMEMBERED) return
    for (const oldest of this.#latest.keys()) {
      this.#latest.delete(oldest)
      return
    }
  }
}
