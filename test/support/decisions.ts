/** What is told of the frames of a traced world, as texts. */
import type { Decision } from '../../src/link/decision.ts'
import { type DropReason, dropReasonNames, type Frame, type Tracer } from '../../src/link/frame.ts'
import type { World } from '../../src/link/world.ts'

export interface Told {
  readonly time: number
  readonly packet: number
  readonly where: string
  readonly text: string
  readonly decision: Decision | null
}

export class Listener implements Tracer {
  readonly told: Told[] = []
  /** Looks at each decision while it is taken. */
  onDecision: ((where: string, decision: Decision) => void) | null = null
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  decided(frame: Frame, where: string, decision: Decision): void {
    this.#note(frame, where, `${decision}`, decision)
    this.onDecision?.(where, decision)
  }

  dropped(frame: Frame, reason: DropReason, where: string): void {
    this.#note(frame, where, `dropped: ${dropReasonNames[reason]}`, null)
  }

  /** What was told since the last call: `where: text`. */
  take(): string[] {
    return this.told.splice(0).map(({ where, text }) => `${where}: ${text}`)
  }

  #note(frame: Frame, where: string, text: string, decision: Decision | null): void {
    const packet = this.#world.frames.identify(frame)
    this.told.push({ time: this.#world.scheduler.now, packet, where, text, decision })
  }
}

/** Traces the world from now on; `world.untrace()` ends it. */
export function listen(world: World): Listener {
  const listener = new Listener(world)
  world.trace(listener)
  return listener
}
