/** dummy (drivers/net/dummy.c): a device that loses all it is given, for addresses that belong to no cable. */
import { NetDevice } from './device.ts'
import type { Frame } from './frame.ts'

export class Dummy extends NetDevice {
  override readonly kind = 'dummy'
  /** IFF_NOARP, and no IFF_MULTICAST. */
  override readonly noArp = true

  protected override transmit(frame: Frame): void {
    this.world.frames.consume(frame)
  }
}
