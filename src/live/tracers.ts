/** Several tracers of one world: each reader explains the frames that it sees for itself. */
import type { Decision } from '../link/decision.ts'
import type { DropReason, Frame, Tracer } from '../link/frame.ts'
import type { World } from '../link/world.ts'

export class Tracers implements Tracer {
  readonly #world: World
  /** Who traces the world without us; it goes on hearing, first. */
  #earlier: Tracer | null = null
  #tracers: readonly Tracer[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Tells this one too, until what is returned is called. */
  add(tracer: Tracer): () => void {
    if (this.#tracers.length === 0) {
      this.#earlier = this.#world.frames.tracer
      this.#world.trace(this)
    }
    this.#tracers = [...this.#tracers, tracer]
    return () => {
      this.#tracers = this.#tracers.filter((each) => each !== tracer)
      // Without anybody the path of a frame pays for nothing.
      if (this.#tracers.length === 0 && this.#world.frames.tracer === this) this.#world.trace(this.#earlier)
    }
  }

  decided(frame: Frame, where: string, decision: Decision): void {
    this.#earlier?.decided(frame, where, decision)
    for (const each of this.#tracers) each.decided(frame, where, decision)
  }

  dropped(frame: Frame, reason: DropReason, where: string): void {
    this.#earlier?.dropped(frame, reason, where)
    for (const each of this.#tracers) each.dropped(frame, reason, where)
  }
}
