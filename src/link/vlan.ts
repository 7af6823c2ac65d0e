/**
 * 802.1Q devices (net/8021q): `eth0.10` upon eth0 sends with the tag 10, and gets what comes in with it, without the tag.
 * Tags travel in the bytes of the frame, where Linux keeps them beside it; captures show the same.
 */
import type { Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { NetDevice, type RxHandler, type Surroundings } from './device.ts'
import { VlanTag } from './device-decisions.ts'
import { journal } from './flow-cache.ts'
import { DropReason, type Frame } from './frame.ts'
import { stackOf, unstack } from './stack.ts'

export class VlanDevice extends NetDevice {
  override readonly kind = 'vlan'
  readonly lower: NetDevice
  /** 0 to 4094. */
  readonly id: number

  /** `ip link add link LOWER name NAME type vlan id ID`; it has the lower device's MAC unless it is given one. */
  constructor(world: Surroundings, name: string, mac: Mac | null, lower: NetDevice, id: number) {
    super(world, name, mac ?? Uint8Array.from(lower.mac))
    this.lower = lower
    this.id = id
    this.mtu = lower.mtu
    const stack = stackOf(lower)
    if (!(stack.vlans instanceof VlanGroupOfDevices)) stack.vlans = new VlanGroupOfDevices(world)
    ;(stack.vlans as VlanGroupOfDevices).devices.set(id, this)
    stack.uppers.push(this)
  }

  override get carrier(): boolean {
    return this.up && this.lower.carrier
  }

  /** `ip link del`. */
  destroy(): void {
    this.up = false
    const { stack } = this.lower
    if (stack?.vlans instanceof VlanGroupOfDevices) {
      stack.vlans.devices.delete(this.id)
      if (stack.vlans.devices.size === 0) stack.vlans = null
    }
    unstack(this)
  }

  /** vlan_dev_hard_start_xmit. */
  protected override transmit(frame: Frame): void {
    frame.start = ethernet.insertTag(frame.bytes, frame.start, this.id)
    if (journal.open) this.world.frames.tell(frame, this.place, new VlanTag(this, false))
    this.lower.send(frame)
  }
}

/** The VLANs upon one device. */
class VlanGroupOfDevices implements RxHandler {
  readonly devices = new Map<number, VlanDevice>()
  readonly #world: Surroundings

  constructor(world: Surroundings) {
    this.#world = world
  }

  /** vlan_do_receive. */
  takes(frame: Frame): boolean {
    const { bytes, start } = frame
    if (!ethernet.isTagged(bytes, start) || frame.end - start < ethernet.HEADER + ethernet.TAG) return false
    const device = this.devices.get(ethernet.vlanId(bytes, start))
    if (device === undefined) return false
    if (device.up) {
      frame.start = ethernet.removeTag(bytes, start)
      if (journal.open) this.#world.frames.tell(frame, device.place, new VlanTag(device, true))
      device.receive(frame)
    } else this.#world.frames.drop(frame, DropReason.ReceiverDown, device.place)
    return true
  }
}
