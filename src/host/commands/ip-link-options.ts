/** What `ip link add` is told about any device, whatever its kind. */
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import type { Mac } from '../../wire/address.ts'
import { deviceNamed } from './ip-device.ts'
import { bringUp, enslave, setMtu } from './ip-link-set.ts'
import { refused, ToolError } from './ip-words.ts'

/** What may be said about any new device, before its type. */
export interface LinkOptions {
  name: string | null
  mac: Mac | null
  mtu: number
  up: boolean
  master: string | null
  netns: Netns
  /** `link NAME`: the device below. */
  link: string | null
}

/** The given name, or the first free one of the kind: veth0, veth1, … */
export function nameFor(options: LinkOptions, stem: string, taken: string | null = null): string {
  if (options.name !== null) {
    if (deviceNamed(options.netns, options.name) !== null) throw refused('File exists')
    return options.name
  }
  let number = 0
  while (options.netns.devices.has(`${stem}${number}`) || taken === `${stem}${number}`) number++
  return `${stem}${number}`
}

export function settle(options: LinkOptions, device: NetDevice): void {
  const { netns } = options
  if (options.mtu > 0) setMtu(device, options.mtu)
  if (options.master !== null) {
    const master = deviceNamed(netns, options.master)
    if (master === null) {
      throw new ToolError(`Error: argument "${options.master}" is wrong: Device does not exist\n`, 255)
    }
    enslave(device, master)
  }
  if (options.up) bringUp(netns, device)
}
