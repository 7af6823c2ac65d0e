/** `lo`: what is sent comes in again, in the same instant but not inside the same call. */
import { Ring } from '../sim/ring.ts'
import { type Task, Timer } from '../sim/scheduler.ts'
import { MAC_ZERO } from '../wire/address.ts'
import { NetDevice, type Surroundings } from './device.ts'
import type { Frame } from './frame.ts'

export class Loopback extends NetDevice implements Task {
  override readonly kind = 'loopback'
  /** Frames carry its own address, zeros, on both sides. */
  override noArp = true
  #inbox = new Ring<Frame>()
  #timer: Timer = new Timer(this)

  constructor(world: Surroundings, name = 'lo') {
    super(world, name, MAC_ZERO)
    this.mtu = 65_536
  }

  /** Not tapped on the way out: libpcap shows a loopback's frames once, as they come in. */
  override leave(frame: Frame): void {
    this.txPackets++
    this.txBytes += frame.end - frame.start
    this.transmit(frame)
  }

  protected override transmit(frame: Frame): void {
    this.#inbox.push(frame)
    if (!this.#timer.armed) this.world.scheduler.after(this.#timer, 0)
  }

  run(): void {
    for (let waiting = this.#inbox.size; waiting > 0; waiting--) {
      const frame = this.#inbox.shift()
      if (frame !== null) this.receive(frame)
    }
    if (this.#inbox.size > 0 && !this.#timer.armed) this.world.scheduler.after(this.#timer, 0)
  }
}
