/**
 * What is stacked upon a device: its VLANs (vlan_do_receive) and then its macvlans (rx_handler) see what it receives
 * before its own receiver does.
 *
 *   m0   m1          eth0.10   eth0.20
 *    └──┬─┘             └───┬────┘
 *    macvlans             vlans         ─▶ nobody's: the device's own receiver
 *       └────── device ─────┘
 */
import type { NetDevice, RxHandler, Stack } from './device.ts'
import type { Frame } from './frame.ts'

export class DeviceStack implements Stack {
  vlans: RxHandler | null = null
  macvlans: RxHandler | null = null
  readonly uppers: NetDevice[] = []

  /** True when a device above has taken the frame. */
  takes(frame: Frame): boolean {
    if (this.vlans?.takes(frame) === true) return true
    return this.macvlans?.takes(frame) === true
  }
}

/** A device upon another one. */
export interface UpperDevice extends NetDevice {
  readonly lower: NetDevice
}

export function isUpper(device: NetDevice): device is UpperDevice {
  return device.kind === 'macvlan' || device.kind === 'vlan'
}

/** The device's stack, made when the first device is put upon it. */
export function stackOf(device: NetDevice): Stack {
  device.stack ??= new DeviceStack()
  return device.stack
}

/** Takes a device off; the last one leaves the lower device as it was. */
export function unstack(upper: UpperDevice): void {
  const { stack } = upper.lower
  if (stack === null) return
  const at = stack.uppers.indexOf(upper)
  if (at >= 0) stack.uppers.splice(at, 1)
  if (stack.uppers.length === 0) upper.lower.stack = null
}
