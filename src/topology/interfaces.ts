/** Every interface of a world, by the name that captures give it: `machine/interface`, or `namespace/pod/eth0`. */

import type { NetDevice } from '../link/device.ts'
import type { World } from '../link/world.ts'
import { globToRegExp } from './interface-choice.ts'

export class InterfaceList {
  /** With the namespaces they are in, in the order in which they joined them. */
  readonly #devices = new Map<NetDevice, string>()

  constructor(world: World) {
    world.watchDevices({
      joined: (device, namespace) => {
        this.#devices.delete(device)
        this.#devices.set(device, namespace)
      },
      left: (device) => void this.#devices.delete(device),
    })
  }

  get size(): number {
    return this.#devices.size
  }

  [Symbol.iterator](): Iterator<NetDevice> {
    return this.#devices.keys()
  }

  /** What its name is now. */
  nameOf(device: NetDevice): string {
    return `${this.#devices.get(device) ?? ''}/${device.name}`
  }

  names(): string[] {
    return [...this.#devices.keys()].map((device) => this.nameOf(device))
  }
}

/**
 * Which interfaces are meant: names with globs, a machine's first label instead of its whole name (`w1/eth0`), or a pod
 * without its interface (`default/web`). No pattern: all.
 */
export function interfacePattern(globs: readonly string[]): (name: string) => boolean {
  const tests = globs.map(globToRegExp)
  if (tests.length === 0) return () => true
  return (name) => spellings(name).some((spelling) => tests.some((test) => test.test(spelling)))
}

function spellings(name: string): string[] {
  const parts = name.split('/')
  const [machine, device] = parts
  if (parts.length === 2) return [name, `${machine.split('.')[0]}/${device}`]
  return parts.at(-1) === 'eth0' ? [name, parts.slice(0, -1).join('/')] : [name]
}
