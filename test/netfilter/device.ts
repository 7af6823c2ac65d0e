import { NetDevice as Base } from '../../src/link/device.ts'
import type { Frame } from '../../src/link/frame.ts'
import type { World } from '../../src/link/world.ts'

/** A device that nothing is sent through: rules only look at its name. */
export class NetDevice extends Base {
  readonly kind = 'dummy'

  constructor(world: World, name: string) {
    super(world, name, new Uint8Array(6))
  }

  protected override transmit(frame: Frame): void {
    this.world.frames.consume(frame)
  }
}
export type Device = Base
