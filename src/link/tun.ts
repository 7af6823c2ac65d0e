/**
 * tun (drivers/net/tun.c, IFF_TUN): a device whose far end is a program that reads and writes IP packets. There are no
 * neighbours to resolve; the Ethernet header that a frame has in here is put on and taken off at the program's end.
 */
import * as ethernet from '../wire/ethernet.ts'
import { NetDevice } from './device.ts'
import { Ends } from './device-decisions.ts'
import { journal } from './flow-cache.ts'
import type { Frame } from './frame.ts'

export class Tun extends NetDevice {
  override readonly kind = 'tun'
  override readonly noArp = true
  /** Gets each packet, from its IP header on. The bytes are lent. */
  read: ((bytes: Uint8Array, start: number, end: number) => void) | null = null

  protected override transmit(frame: Frame): void {
    if (journal.open)
      this.world.frames.tell(frame, this.place, new Ends(`the program that holds ${this.name} reads it`))
    this.read?.(frame.bytes, frame.start + ethernet.HEADER, frame.end)
    this.world.frames.consume(frame)
  }

  /** The program writes a packet, which arrives now. It may be longer than the MTU: an aggregate of segments of this size (GRO). */
  write(packet: Uint8Array, segmentSize = 0): void {
    const frame = this.world.frames.take(ethernet.HEADER + packet.length)
    frame.bytes.set(packet, frame.start + ethernet.HEADER)
    frame.end = frame.start + ethernet.HEADER + packet.length
    frame.segmentSize = segmentSize
    ethernet.write(frame.bytes, frame.start, this.mac, this.mac, ethernet.ETH_P_IP)
    this.receive(frame)
  }
}
