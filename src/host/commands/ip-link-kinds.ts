/** `ip link add … type KIND` for devices upon other devices, and for dummies. */
import { VLAN_MAX } from '../../link/bridge-vlan.ts'
import type { NetDevice } from '../../link/device.ts'
import { Dummy } from '../../link/dummy.ts'
import { Macvlan } from '../../link/macvlan.ts'
import { VlanDevice } from '../../link/vlan.ts'
import { namespaceOf } from '../../net/lower-link.ts'
import type { IpContext } from './ip-context.ts'
import { findDevice, portOf, randomMac } from './ip-device.ts'
import { type LinkOptions, nameFor, settle } from './ip-link-options.ts'
import { takeMacvlanMode } from './ip-macvlan.ts'
import { notModelled, refused, ToolError, type Words } from './ip-words.ts'

export function addDummy(context: IpContext, words: Words, options: LinkOptions): number {
  if (!words.done) throw new ToolError(`Garbage instead of arguments "${words.peek} ...". Try "ip link help".`, 255)
  const { netns } = options
  const device = new Dummy(context.self.world, nameFor(options, 'dummy'), options.mac ?? randomMac(netns))
  netns.adopt(device)
  settle(options, device)
  return 0
}

/** The device that `link NAME` named. */
export function takeLower(context: IpContext, options: LinkOptions): NetDevice {
  if (options.link === null) throw refused('Invalid argument')
  return findDevice(context.netns, options.link)
}

export function addMacvlan(context: IpContext, words: Words, options: LinkOptions): number {
  const lower = takeLower(context, options)
  const mode = takeMacvlanMode(words) ?? 'vepa'
  const base = lower instanceof Macvlan ? lower.lower : lower
  if (base.kind === 'loopback') throw refused('Invalid argument')
  // A device has one rx_handler: a bridge's port cannot have macvlans.
  if (portOf(base) !== null) throw refused('Device or resource busy')
  const uppers = (base.stack?.uppers ?? []).filter((upper) => upper instanceof Macvlan)
  if (uppers.length > 0 && (mode === 'passthru' || uppers[0].port.passthru)) throw refused('Invalid argument')
  const { netns } = options
  const name = nameFor(options, 'macvlan')
  const made = new Macvlan(context.self.world, name, options.mac ?? randomMac(netns), lower, mode)
  netns.adopt(made)
  settle(options, made)
  return 0
}

export function addVlan(context: IpContext, words: Words, options: LinkOptions): number {
  let id: number | null = null
  while (!words.done) {
    const word = words.take()
    if (word === 'id') {
      const text = words.take()
      if (!/^[0-9]+$/.test(text)) throw new ToolError(`Error: argument "${text}" is wrong: id is invalid\n`, 255)
      id = Number(text)
    } else if (word === 'protocol' || word === 'proto') {
      const protocol = words.take()
      if (protocol.toLowerCase() !== '802.1q') throw notModelled(`ip link type vlan protocol ${protocol}`)
    } else throw notModelled(`ip link type vlan ${word}`)
  }
  const lower = takeLower(context, options)
  if (id === null) throw refused('Invalid argument')
  if (id > VLAN_MAX) throw new ToolError('Error: 8021q: Invalid VLAN id.', 2)
  if (lower.kind === 'loopback') throw refused('Operation not supported')
  for (const upper of lower.stack?.uppers ?? []) {
    if (upper instanceof VlanDevice && upper.id === id) throw refused('File exists')
  }
  const made = new VlanDevice(context.self.world, nameFor(options, 'vlan'), options.mac, lower, id)
  options.netns.adopt(made)
  settle(options, made)
  return 0
}

/** Devices upon one that goes away go too, wherever they are. */
export function uppersOf(device: NetDevice): NetDevice[] {
  return device.stack === null ? [] : device.stack.uppers.filter((upper) => namespaceOf(upper) !== null)
}
