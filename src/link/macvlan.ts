/**
 * macvlan (drivers/net/macvlan.c): devices with MACs of their own upon one lower device.
 *
 *   m0   m1   m2     private, vepa, bridge or passthru
 *    └────┼────┘
 *        eth0 ──── the wire
 *
 * The lower device's own host is no station of theirs: what they send goes to the wire or to each other. Docker's
 * macvlan networks are of the mode `bridge`.
 */
import { Ring } from '../sim/ring.ts'
import { type Task, Timer } from '../sim/scheduler.ts'
import { type Mac, sameMac } from '../wire/address.ts'
import { i32, u16 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import { NetDevice, type RxHandler, type Surroundings } from './device.ts'
import { ByMac } from './device-decisions.ts'
import { journal } from './flow-cache.ts'
import { DropReason, type Frame } from './frame.ts'
import { stackOf, unstack } from './stack.ts'

/** MACVLAN_MODE_*, as bits so that a set of modes is a number. */
export const MacvlanMode = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const
export type MacvlanMode = keyof typeof MacvlanMode
const ALL = 15

export class Macvlan extends NetDevice implements Task {
  override readonly kind = 'macvlan'
  readonly lower: NetDevice
  readonly port: MacvlanPort
  #mode: MacvlanMode
  #modeBit: number
  /** What its neighbours upon the same device sent to it: a frame never comes in inside the call that sends it. */
  #inbox = new Ring<Frame>()
  #timer: Timer = new Timer(this)

  /**
   * `ip link add link LOWER name NAME type macvlan mode MODE`. Upon another macvlan it stands upon that one's lower
   * device. With `passthru` it has the lower device for itself, and its MAC.
   */
  constructor(world: Surroundings, name: string, mac: Mac, lower: NetDevice, mode: MacvlanMode = 'vepa') {
    super(world, name, mac)
    this.lower = lower instanceof Macvlan ? lower.lower : lower
    this.mtu = this.lower.mtu
    this.#mode = mode
    this.#modeBit = MacvlanMode[mode]
    this.port = portOf(world, this.lower)
    this.port.devices.push(this)
    stackOf(this.lower).uppers.push(this)
    if (mode === 'passthru') {
      this.mac = Uint8Array.from(this.lower.mac)
      this.port.passthru = true
    }
  }

  get mode(): MacvlanMode {
    return this.#mode
  }

  /** The mode as the bit that it is in a set of modes. */
  get modeBit(): number {
    return this.#modeBit
  }

  /** False where the kernel says EINVAL: nobody comes to, or goes from, passthru. */
  setMode(mode: MacvlanMode): boolean {
    if ((mode === 'passthru') !== (this.#mode === 'passthru')) return false
    this.#mode = mode
    this.#modeBit = MacvlanMode[mode]
    return true
  }

  override get carrier(): boolean {
    return this.up && this.lower.carrier
  }

  /**
   * macvlan_compute_filter: broadcasts, the groups of all hosts, and those that it was told of. The kernel's filter is a
   * hash of 256, which lets in one stranger of 256 besides.
   */
  hears(bytes: Uint8Array, at: number): boolean {
    if (ethernet.isBroadcast(bytes, at) || isAllHosts(bytes, at)) return true
    const { allMulticast, groupFilter } = this.settings
    if (allMulticast || this.promiscuous || this.master !== null) return true
    for (let i = 0; i < groupFilter.length; i++) if (sameMac(bytes, at, groupFilter[i], 0)) return true
    return false
  }

  /** `ip link del`. */
  destroy(): void {
    this.up = false
    this.world.scheduler.cancel(this.#timer)
    for (let frame = this.#inbox.shift(); frame !== null; frame = this.#inbox.shift()) {
      this.world.frames.drop(frame, DropReason.Teardown, this.place)
    }
    this.port.remove(this)
    unstack(this)
  }

  /** Puts a neighbour's frame into the inbox (netif_rx). */
  enqueue(frame: Frame): void {
    this.#inbox.push(frame)
    if (!this.#timer.armed) this.world.scheduler.after(this.#timer, 0)
  }

  run(): void {
    for (let waiting = this.#inbox.size; waiting > 0; waiting--) {
      const frame = this.#inbox.shift()
      if (frame !== null) this.receive(frame)
    }
  }

  /** macvlan_queue_xmit. */
  protected override transmit(frame: Frame): void {
    if (this.#modeBit === MacvlanMode.bridge) {
      const { bytes, start } = frame
      if (ethernet.isGroup(bytes, start)) this.port.broadcast(frame, this, MacvlanMode.bridge, true)
      else {
        const to = this.port.lookup(bytes, start + ethernet.DESTINATION)
        // By way of the lower device, whose captures see it come in (dev_forward_skb).
        if (to !== null && to.modeBit === MacvlanMode.bridge) return this.port.forward(frame)
      }
    }
    this.lower.send(frame)
  }
}

/** All macvlans upon one device: its rx_handler. */
export class MacvlanPort implements RxHandler, Task {
  readonly lower: NetDevice
  readonly devices: Macvlan[] = []
  passthru = false
  readonly #world: Surroundings
  #inbox = new Ring<Frame>()
  #timer: Timer = new Timer(this)

  constructor(world: Surroundings, lower: NetDevice) {
    this.#world = world
    this.lower = lower
  }

  /** Whose MAC stands at `at`; null: nobody's. */
  lookup(bytes: Uint8Array, at: number): Macvlan | null {
    for (let i = 0; i < this.devices.length; i++) {
      if (sameMac(bytes, at, this.devices[i].mac, 0)) return this.devices[i]
    }
    return null
  }

  /** macvlan_handle_frame: something came in by the lower device. */
  takes(frame: Frame): boolean {
    const { bytes, start } = frame
    if (!ethernet.valid(start, frame.end)) return false
    if (ethernet.isGroup(bytes, start)) return this.#takesGroup(frame)
    const to = this.passthru ? this.devices[0] : this.lookup(bytes, start + ethernet.DESTINATION)
    if (to === null) return false
    if (journal.open) this.#world.frames.tell(frame, to.place, new ByMac(to, false))
    if (to.up) to.receive(frame)
    else this.#world.frames.drop(frame, DropReason.ReceiverDown, to.place)
    return true
  }

  /** To all devices of these modes but the sender: macvlan_broadcast. `local`: it never was on the wire. */
  broadcast(frame: Frame, from: Macvlan | null, modes: number, local: boolean): void {
    for (let i = 0; i < this.devices.length; i++) {
      const to = this.devices[i]
      if (to === from || !to.up || (to.modeBit & modes) === 0 || !to.hears(frame.bytes, frame.start)) continue
      const copy = this.#world.frames.copy(frame)
      if (local) copy.scrub()
      if (journal.open) this.#world.frames.tell(copy, to.place, new ByMac(to, true))
      to.enqueue(copy)
    }
  }

  /** A frame for a device beside the sender comes in again by the lower device. */
  forward(frame: Frame): void {
    frame.scrub()
    this.#inbox.push(frame)
    if (!this.#timer.armed) this.#world.scheduler.after(this.#timer, 0)
  }

  run(): void {
    for (let waiting = this.#inbox.size; waiting > 0; waiting--) {
      const frame = this.#inbox.shift()
      if (frame !== null) this.lower.receive(frame)
    }
  }

  remove(device: Macvlan): void {
    this.devices.splice(this.devices.indexOf(device), 1)
    if (this.devices.length > 0) return
    this.#world.scheduler.cancel(this.#timer)
    for (let frame = this.#inbox.shift(); frame !== null; frame = this.#inbox.shift()) {
      this.#world.frames.drop(frame, DropReason.Teardown, this.lower.place)
    }
    if (this.lower.stack !== null) this.lower.stack.macvlans = null
  }

  /** macvlan_multicast_rx; the lower device's own host gets it besides. */
  #takesGroup(frame: Frame): boolean {
    const from = this.lookup(frame.bytes, frame.start + ethernet.SOURCE)
    if (from === null) this.broadcast(frame, null, ALL, false)
    // Reflected by a switch: who sent it in bridge mode has told the other bridges already.
    else if (from.modeBit === MacvlanMode.vepa) {
      this.broadcast(frame, from, MacvlanMode.vepa | MacvlanMode.bridge, false)
    } else if (from.modeBit === MacvlanMode.bridge) this.broadcast(frame, from, MacvlanMode.vepa, false)
    else {
      from.enqueue(frame)
      return true
    }
    return false
  }
}

/** 01:00:5e:00:00:01 and 33:33:00:00:00:01, which every interface joins. */
function isAllHosts(bytes: Uint8Array, at: number): boolean {
  const low = i32(bytes, at + 2)
  const high = u16(bytes, at)
  return (high === 0x0100 && low === 0x5e000001) || (high === 0x3333 && low === 1)
}

function portOf(world: Surroundings, lower: NetDevice): MacvlanPort {
  const stack = stackOf(lower)
  if (!(stack.macvlans instanceof MacvlanPort)) stack.macvlans = new MacvlanPort(world, lower)
  return stack.macvlans as MacvlanPort
}
