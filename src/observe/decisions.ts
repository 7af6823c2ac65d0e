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

/** The tracer of one subscription. */
class Observing implements Tracer {
  readonly #world: World
  readonly #hear: (decision: ObservedDecision) => void

  constructor(world: World, hear: (decision: ObservedDecision) => void) {
    this.#world = world
    this.#hear = hear
  }

  decided(frame: Frame, where: string, decision: Decision): void {
    const { frames, scheduler } = this.#world
    this.#hear(new Told(scheduler.now, where, frames.identify(frame), decision))
  }

  dropped(frame: Frame, reason: DropReason, where: string): void {
    const { frames, scheduler } = this.#world
    const sentence = `dropped: ${dropReasons[reason].words}`
    const packetId = frames.identify(frame)
    this.#hear({ time: scheduler.now, where, packetId, kind: 'drop', sentence, entry: null, command: null })
  }
}

export function decisions(source: LabLike | World): Observable<ObservedDecision> {
  const world = worldOf(source)
  return new Observable((subscriber) => {
    const end = world.trace(new Observing(world, (decision) => subscriber.next(decision)))
    const wake = waker(source)
    return () => {
      end()
      wake()
    }
  })
}
