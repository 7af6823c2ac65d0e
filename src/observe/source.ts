/** What can be observed: a whole lab, a world, or one namespace or device of it. */
import type { Runner } from '../host/run.ts'
import type { NetDevice } from '../link/device.ts'
import type { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import type { Lab } from '../topology/lab.ts'

/** A lab, as far as observing needs it. */
export type LabLike = Pick<Lab, 'world' | 'runner' | 'cluster'>

export function isLab(source: object): source is LabLike {
  return 'world' in source && 'runner' in source && 'cluster' in source
}

export function worldOf(source: LabLike | World | Netns): World {
  return 'world' in source ? source.world : source
}

/**
 * Whoever awaits what an Observable gives waits for a promise, and virtual time must not run on before it is heard: who
 * unsubscribes (`firstValueFrom`, `take`) makes the lab's loop return to the platform once.
 */
export function waker(source: object): () => void {
  const runner: Runner | null = isLab(source) ? source.runner : null
  return () => runner?.wake()
}

/** Calls back for every namespace that there is, and those that come; `gone` when one vanishes. */
export function watchNamespaces(world: World, come: (netns: Netns) => void, gone: (netns: Netns) => void): () => void {
  const joined = (device: NetDevice) => {
    // A namespace begins with its loopback, and vanishes with it.
    if (device.kind === 'loopback' && device.receiver instanceof Netns) come(device.receiver)
  }
  for (const device of world.devices.keys()) joined(device)
  return world.watchDevices({
    joined,
    left: (device) => {
      if (device.kind === 'loopback' && device.receiver instanceof Netns) gone(device.receiver)
    },
  })
}
