/** Captures every interface from the moment it appears, under the name that its file gets. */
import { Capture, type CapturedInterface } from '../capture/capture.ts'
import { Explainer } from '../capture/explainer.ts'
import type { NetDevice } from '../link/device.ts'
import type { World } from '../link/world.ts'

export class Recorder {
  readonly capture: Capture
  readonly #world: World
  #wanted: (name: string) => boolean

  /** `globs`: only interfaces whose `machine/interface` name matches one of them; none: all. */
  constructor(world: World, epochSeconds: number, globs: readonly string[]) {
    this.#world = world
    this.capture = new Capture(world, epochSeconds)
    const patterns = globs.map(globToRegExp)
    this.#wanted = (name) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name))
    world.watchDevices({
      joined: (device, namespace) => this.#attach(device, `${namespace}/${device.name}`),
      left: () => {},
    })
  }

  /** From now on each frame is kept with the decisions about it. */
  explain(): Explainer {
    const explainer = new Explainer(this.#world)
    this.capture.explainer = explainer
    this.#world.trace(explainer)
    return explainer
  }

  interfaces(): readonly CapturedInterface[] {
    return this.capture.interfaces()
  }

  #attach(device: NetDevice, name: string): void {
    if (!this.#wanted(name)) return
    // A device that moved to another namespace goes on under its new name.
    this.capture.detach(device)
    this.capture.attach(device, name, `${device.kind} ${name}`)
  }
}

/** `*` stands for anything but a slash, `**` for anything, `?` for one character. */
export function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/\*\*|[*?.+^${}()|[\]\\]/g, (found) => {
    if (found === '**') return '.*'
    if (found === '*') return '[^/]*'
    if (found === '?') return '[^/]'
    return `\\${found}`
  })
  return new RegExp(`^${source}$`)
}
