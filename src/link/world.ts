/** One emulated world. Everything that needs time, chance or frames is given this; there are no globals. */
import { Random } from '../sim/random.ts'
import { Scheduler } from '../sim/scheduler.ts'
import type { NetDevice } from './device.ts'
import { FramePool } from './frame.ts'

export class World {
  /** Called when a device joins a namespace: whoever captures from time zero listens here. */
  onDevice: ((device: NetDevice, namespace: string) => void) | null = null
  readonly scheduler = new Scheduler()
  readonly frames = new FramePool()
  readonly random: Random
  readonly seed: number

  constructor(seed = 1) {
    this.seed = seed
    this.random = new Random(seed)
  }
}
