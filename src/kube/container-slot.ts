/** One container of a pod's spec on its node: what runs in its place now, what ended there, and when to try again. */
import type { Nanos } from '../sim/scheduler.ts'
import { BACKOFF_FIRST, BACKOFF_MOST } from './latency.ts'
import type { ContainerSpec, ContainerState, TerminatedState } from './objects.ts'
import { type Container, START_ERROR } from './pod.ts'
import type { Prober } from './probe.ts'
import type { Clock } from './timestamp.ts'

/** A container that ran this long has recovered: its back-off begins anew. */
const RECOVERED: Nanos = 2 * BACKOFF_MOST

export class ContainerSlot {
  spec: ContainerSpec
  readonly init: boolean
  /** What the runtime has for it; null before the first and while a new one is being made. */
  current: Container | null = null
  restarts = 0
  /** How the present one ended; null while it runs or has not begun. */
  ended: TerminatedState | null = null
  /** How the one before it ended. */
  last: TerminatedState | null = null
  /** Why nothing runs. */
  waiting: { reason: string; message?: string }
  /** Not to be started before this moment. */
  notBefore: Nanos = 0
  /** Passed its startup probe, or has none. */
  started = false
  /** Passes its readiness probe, or has none. */
  ready = false
  prober: Prober | null = null
  #backoff: Nanos = 0
  #pullBackoff: Nanos = 0

  constructor(spec: ContainerSpec, init: boolean, hasInit: boolean) {
    this.spec = spec
    this.init = init
    this.waiting = { reason: hasInit ? 'PodInitializing' : 'ContainerCreating' }
  }

  get running(): boolean {
    return this.current?.state === 'Running' && this.ended === null
  }

  /** It has done its work: an init container, or one of a pod that does not restart. */
  get succeeded(): boolean {
    return this.ended !== null && this.ended.exitCode === 0
  }

  /** Takes note when the container has ended or is gone from the runtime. True when that is news. */
  notice(clock: Clock): boolean {
    const container = this.current
    if (container === null || this.ended !== null) return false
    const present = container.sandbox.containers.includes(container)
    if (present && container.state !== 'Exited') return false
    this.prober?.stop()
    this.prober = null
    this.ready = false
    this.started = false
    this.ended = terminated(container, clock)
    return true
  }

  /** After an end: when the next start may be. The first is at once, then 10 s, 20 s, … after the end. */
  holdOff(now: Nanos): Nanos {
    const container = this.current
    const finished = container === null ? now : container.finishedAt || now
    if (container !== null && finished - container.startedAt >= RECOVERED) this.#backoff = 0
    const wait = this.#backoff
    this.#backoff = wait === 0 ? BACKOFF_FIRST : Math.min(wait * 2, BACKOFF_MOST)
    this.notBefore = finished + wait
    return wait
  }

  /** After a pull that failed. */
  holdOffPull(now: Nanos): Nanos {
    this.#pullBackoff = this.#pullBackoff === 0 ? BACKOFF_FIRST : Math.min(this.#pullBackoff * 2, BACKOFF_MOST)
    this.notBefore = now + this.#pullBackoff
    return this.#pullBackoff
  }

  /** A new container takes the place of the one that ended. */
  begin(container: Container): void {
    if (this.ended !== null) {
      this.last = this.ended
      this.restarts++
    }
    this.ended = null
    this.current = container
    this.#pullBackoff = 0
  }

  state(clock: Clock): ContainerState {
    if (this.running && this.current !== null) return { running: { startedAt: clock.text(this.current.startedAt) } }
    const held = this.waiting.reason === 'CrashLoopBackOff' || this.waiting.reason === 'ImagePullBackOff'
    if (this.ended !== null && !held) return { terminated: this.ended }
    return { waiting: { ...this.waiting } }
  }

  lastState(): ContainerState {
    const held = this.waiting.reason === 'CrashLoopBackOff' && !this.running
    const last = held && this.ended !== null ? this.ended : this.last
    return last === null ? {} : { terminated: last }
  }
}

function terminated(container: Container, clock: Clock): TerminatedState {
  const { exitCode, failure, startedAt, finishedAt, id, state } = container
  const gone = state !== 'Exited'
  const code = gone ? 137 : exitCode
  const reason = failure !== null ? 'StartError' : code === 0 ? 'Completed' : 'Error'
  return {
    exitCode: failure === null ? code : START_ERROR,
    reason,
    ...(failure === null ? {} : { message: failure }),
    startedAt: clock.text(startedAt),
    finishedAt: clock.text(finishedAt || clock.now),
    containerID: `containerd://${id}`,
  }
}
