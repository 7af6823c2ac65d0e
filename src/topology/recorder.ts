/** Captures every interface from the moment it appears, under the name that its file gets. */
import { Capture, type CapturedInterface } from '../capture/capture.ts'
import { Explainer } from '../capture/explainer.ts'
import type { NetDevice } from '../link/device.ts'
import type { World } from '../link/world.ts'
import { InterfaceChoice } from './interface-choice.ts'
import { factsOf } from './interface-facts.ts'

export class Recorder {
  readonly capture: Capture
  readonly #world: World
  #endOfTrace: (() => void) | null = null
  readonly #choice: InterfaceChoice
  /** Which devices are watched of those that come from now on. */
  wants: (device: NetDevice) => boolean = () => true

  /** `globs`: only interfaces whose `machine/interface` name matches one of them; none: all. */
  constructor(world: World, epochSeconds: number, globs: readonly string[]) {
    this.#world = world
    this.capture = new Capture(world, epochSeconds)
    this.#choice = new InterfaceChoice(globs)
    world.watchDevices({
      joined: (device, namespace) => this.#attach(device, namespace),
      left: (device) => this.capture.detach(device),
    })
  }

  /** From now on each frame is kept with the decisions about it. */
  explain(): Explainer {
    const explainer = new Explainer(this.#world)
    this.capture.explainer = explainer
    this.#endOfTrace = this.#world.trace(explainer)
    return explainer
  }

  /** Of everything random in the world. */
  get seed(): number {
    return this.#world.seed
  }

  /**
   * Decisions are told no more; what was explained stays. The flow caches of a process look whether any world is traced: one
   * that nobody needs any more must not be.
   */
  stopExplaining(): void {
    this.#endOfTrace?.()
    this.#endOfTrace = null
    this.capture.explainer = null
  }

  interfaces(): readonly CapturedInterface[] {
    return this.capture.interfaces()
  }

  #attach(device: NetDevice, namespace: string): void {
    if (!this.wants(device)) return
    const name = `${namespace}/${device.name}`
    if (!this.#choice.has(name) && !this.#choice.hasAny(namespace)) return
    // A device that moved to another namespace goes on under its new name.
    this.capture.detach(device)
    this.capture.attach(device, name, `${device.kind} ${name}`, () => factsOf(device))
  }
}
