/** Frames that come down a device beside the stack: from AF_PACKET sockets, and from outside of the world. */
import { Decision } from './decision.ts'
import type { NetDevice } from './device.ts'
import { journal } from './flow-cache.ts'
import type { Frame } from './frame.ts'

class Written extends Decision {
  override readonly kind = 'socket'
  readonly #by: string

  constructor(by: string) {
    super()
    this.#by = by
  }

  override sentence(): string {
    return `${this.#by} wrote the whole frame: no route, neighbour or rule was asked`
  }
}

/** packet_sendmsg: the frame goes to the device's queue as it is. `by`: who wrote it. Takes the frame. */
export function sendPacket(device: NetDevice, frame: Frame, by: string): void {
  if (journal.open) device.world.frames.tell(frame, device.place, new Written(by))
  device.send(frame)
}
