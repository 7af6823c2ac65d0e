/** `observe.decisions`: what each layer decides about each frame, and why. While somebody subscribes, the world is traced. */
import { Observable } from 'rxjs'
import type { Decision, DecisionKind } from '../link/decision.ts'
import { type DropReason, dropReasons } from '../link/drop-reason.ts'
import type { Frame, Tracer } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { type LabLike, waker, worldOf } from './source.ts'

export interface ObservedDecision {
  readonly time: Nanos
  /** A namespace's name or a device's place. */
  readonly where: string
  readonly packetId: number
  readonly kind: DecisionKind
  /** What was decided and why. Texts are made when they are asked for. */
  readonly sentence: string
  /** The entry that decided, letter by letter as `command` prints it; null where there is none. */
  readonly entry: string | null
  /** What to type on a real node to see the entry. */
  readonly command: string | null
}

class Told implements ObservedDecision {
  readonly time: Nanos
  readonly where: string
  readonly packetId: number
  readonly #decision: Decision

  constructor(time: Nanos, where: string, packetId: number, decision: Decision) {
    this.time = time
    this.where = where
    this.packetId = packetId
    this.#decision = decision
  }

  get kind(): DecisionKind {
    return this.#decision.kind
  }

  get sentence(): string {
    return this.#decision.sentence()
  }

  get entry(): string | null {
    return this.#decision.entry()
  }

  get command(): string | null {
    return this.#decision.command()
  }
}

type Hear = (decision: ObservedDecision) => void

/** The tracer of one world, while it is observed; who traced before goes on hearing, first. */
class Observing implements Tracer {
  readonly #world: World
  #earlier: Tracer | null = null
  #listeners: readonly Hear[] = []

  constructor(world: World) {
    this.#world = world
  }

  add(hear: Hear): () => void {
    const { frames } = this.#world
    if (this.#listeners.length === 0 && frames.tracer !== this) {
      this.#earlier = frames.tracer
      this.#world.trace(this)
    }
    this.#listeners = [...this.#listeners, hear]
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== hear)
      if (this.#listeners.length > 0 || frames.tracer !== this) return
      this.#world.trace(this.#earlier)
      this.#earlier = null
    }
  }

  decided(frame: Frame, where: string, decision: Decision): void {
    this.#earlier?.decided(frame, where, decision)
    const { frames, scheduler } = this.#world
    this.#tell(new Told(scheduler.now, where, frames.identify(frame), decision))
  }

  dropped(frame: Frame, reason: DropReason, where: string): void {
    this.#earlier?.dropped(frame, reason, where)
    const { frames, scheduler } = this.#world
    const sentence = `dropped: ${dropReasons[reason].words}`
    const packetId = frames.identify(frame)
    this.#tell({ time: scheduler.now, where, packetId, kind: 'drop', sentence, entry: null, command: null })
  }

  #tell(decision: ObservedDecision): void {
    for (const hear of this.#listeners) hear(decision)
  }
}

const observing = new WeakMap<World, Observing>()

export function decisions(source: LabLike | World): Observable<ObservedDecision> {
  const world = worldOf(source)
  return new Observable((subscriber) => {
    const tracer = observing.get(world) ?? new Observing(world)
    observing.set(world, tracer)
    const end = tracer.add((decision) => subscriber.next(decision))
    const wake = waker(source)
    return () => {
      end()
      wake()
    }
  })
}
