/** dummy (drivers/net/dummy.c): a device that loses all it is given, for addresses that belong to no cable. */

import { NetDevice } from './device.ts'
import { Ends } from './device-decisions.ts'
import { journal } from './flow-cache.ts'
import { DropReason, type Frame } from './frame.ts'

export class Dummy extends NetDevice {
  override readonly kind = 'dummy'
  /** IFF_NOARP, and no IFF_MULTICAST. */
  override noArp = true
  /** `ip link set carrier` (dummy_change_carrier). */
  plugged = true

  override get carrier(): boolean {
    return this.up && this.plugged
  }

  /** Without carrier its queue is the one that eats everything (noop_qdisc): not even a capture sees the frame. */
  override send(frame: Frame): void {
    if (this.plugged) return super.send(frame)
    this.txDropped++
    this.world.frames.drop(frame, DropReason.NoCarrier, this.place)
  }

  protected override transmit(frame: Frame): void {
    if (journal.open)
      this.world.frames.tell(frame, this.place, new Ends(`${this.name} is a dummy: what it sends is lost`))
    this.world.frames.consume(frame)
  }
}
