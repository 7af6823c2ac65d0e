/**
 * Stations on a bridge that are plugged in and have not been made, since nothing was ever meant for them. A question for
 * one's address wakes it before the frame is delivered. What goes by the others is counted, once for all: they would
 * have heard it and done nothing.
 */
import type { Bridge, BridgePort } from '../link/bridge.ts'
import type { Sleepers } from '../link/bridge-sleepers.ts'
import type { NetDevice } from '../link/device.ts'
import type { Frame, FramePool } from '../link/frame.ts'
import type { Ipv4 } from '../wire/address.ts'
import * as arp from '../wire/arp.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { Bystanders } from './bystanders.ts'

export class Dormitory implements Sleepers<BridgePort> {
  readonly #bridge: Bridge
  readonly #frames: FramePool
  readonly #count: number
  /** Whose address this is: a station's number, or -1. */
  readonly #numberOf: (address: Ipv4) => number
  readonly #make: (number: number) => void
  readonly #awake: Uint8Array
  asleep: number
  /** Those who are awake, and would hardly notice; null: each of them hears all. */
  bystanders: Bystanders | null = null
  /** What has gone by since the beginning. */
  #heard = 0
  #bytes = 0

  constructor(bridge: Bridge, count: number, numberOf: (address: Ipv4) => number, make: (number: number) => void) {
    this.#bridge = bridge
    this.#frames = bridge.world.frames
    this.#count = count
    this.#numberOf = numberOf
    this.#make = make
    this.#awake = new Uint8Array(count)
    this.asleep = count
  }

  isAwake(number: number): boolean {
    return this.#awake[number] !== 0
  }

  wake(number: number): void {
    if (this.#awake[number] !== 0) return
    this.#awake[number] = 1
    this.asleep--
    this.#make(number)
  }

  wakeAll(): void {
    for (let number = 0; number < this.#count && this.asleep > 0; number++) this.wake(number)
  }

  flooded(frame: Frame, from: BridgePort | null): readonly BridgePort[] {
    if (this.asleep > 0) this.#tellSleepers(frame)
    return this.bystanders?.concerned(frame, from) ?? this.#bridge.ports
  }

  #tellSleepers(frame: Frame): void {
    const { bytes, start } = frame
    const at = start + ethernet.HEADER
    if (ethernet.type(bytes, start) === ethernet.ETH_P_ARP && arp.valid(bytes, at, frame.end)) {
      const number = this.#numberOf(arp.target(bytes, at))
      if (number >= 0) this.wake(number)
    } else if (ethernet.isGroup(bytes, start)) this.wakeAll()
    if (this.asleep > 0) this.#frames.identify(frame)
    // A frame for one station is for nobody who sleeps: who was never heard has a MAC that nobody knows.
    this.#heard++
    this.#bytes += frame.end - start
  }

  /** What went by a station while it slept, on both ends of its cable: for the one that has just been made. */
  settle(station: NetDevice, port: NetDevice): void {
    station.rxPackets += this.#heard
    station.rxBytes += this.#bytes
    port.txPackets += this.#heard
    port.txBytes += this.#bytes
  }
}
