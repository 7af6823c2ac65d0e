/**
 * Questions for other hosts' addresses that we will answer, each after a random while, so that the host itself
 * could be first (pneigh_enqueue in net/core/neighbour.c).
 */
import type { NetDevice } from '../link/device.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import { wheel } from '../sim/jiffies.ts'
import { type Task, Timer } from '../sim/scheduler.ts'
import type { Namespace } from './namespace.ts'
import type { NeighbourParameters } from './neighbour-parameters.ts'

/** Who looks at the question again when its time has come; false: it kept the frame. */
export interface Answerer {
  process(frame: Frame, device: NetDevice, redone: boolean): boolean
}

interface Question {
  readonly frame: Frame
  readonly device: NetDevice
  readonly due: number
}

export class ProxyQueue implements Task {
  #netns: Namespace
  #answerer: Answerer
  #questions: Question[] = []
  #timer = new Timer(this)

  constructor(netns: Namespace, answerer: Answerer) {
    this.#netns = netns
    this.#answerer = answerer
  }

  /** Takes the frame. */
  add(frame: Frame, device: NetDevice, parameters: NeighbourParameters): void {
    const { world } = this.#netns
    const queued = this.#questions.filter((each) => each.device === device).length
    if (queued > parameters.proxyQueue) return world.frames.drop(frame, DropReason.ArpProxyFull, device.place)
    const due = wheel(world.scheduler.now, world.random.fraction() * parameters.proxyDelay)
    this.#questions.push({ frame, device, due })
    this.#arm()
  }

  run(): void {
    const { scheduler, frames } = this.#netns.world
    const ripe = this.#questions.filter((each) => each.due <= scheduler.now)
    this.#questions = this.#questions.filter((each) => each.due > scheduler.now)
    for (const { frame, device } of ripe) if (this.#answerer.process(frame, device, true)) frames.consume(frame)
    this.#arm()
  }

  forget(device: NetDevice): void {
    for (const each of this.#questions) {
      if (each.device === device) this.#netns.world.frames.drop(each.frame, DropReason.Teardown, device.place)
    }
    this.#questions = this.#questions.filter((each) => each.device !== device)
    this.#arm()
  }

  #arm(): void {
    const { scheduler } = this.#netns.world
    if (this.#questions.length === 0) return scheduler.cancel(this.#timer)
    scheduler.at(this.#timer, Math.min(...this.#questions.map((each) => each.due)))
  }
}
