/** `ip link set`: what is turned on a device. */
import { Bridge } from '../../link/bridge.ts'
import { PortState } from '../../link/bridge-state.ts'
import type { NetDevice } from '../../link/device.ts'
import { Macvlan } from '../../link/macvlan.ts'
import { isUpper } from '../../link/stack.ts'
import { VlanDevice } from '../../link/vlan.ts'
import { installBridgeFilter } from '../../net/br-netfilter.ts'
import { namespaceOf } from '../../net/lower-link.ts'
import type { Netns } from '../../net/netns.ts'
import { LOOPBACK } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { deviceNamed, findDevice, portOf, setMac } from './ip-device.ts'
import { type LinkAct, takeAttribute, takeGroup } from './ip-link-attributes.ts'
import { setBridge, takeBridgeSettings, takeSlaveSettings } from './ip-link-bridge.ts'
import { takeMacvlanMode } from './ip-macvlan.ts'
import { notModelled, refused, ToolError, takeMac, takeNumber, type Words } from './ip-words.ts'

const MIN_MTU = 68
const MAX_MTU = 65_535

/** What may be said once. */
const ONCE = ['mtu', 'txqueuelen', 'netns']

/** What the namespace announces by itself. */
const ANNOUNCED = ['up', 'down', 'name', 'netns']

/** All words are read before the first of them takes effect. */
export function setLink(context: IpContext, words: Words): number {
  const { netns } = context
  let name: string | null = null
  let group: number | null = null
  const acts: { readonly act: LinkAct; readonly announced: boolean }[] = []
  const once = new Set<string>()
  while (!words.done) {
    const word = words.take()
    if (ONCE.includes(word) && !words.done && once.size === once.add(word).size) {
      throw new ToolError(`Error: duplicate "${word}": "${words.peek}" is the second value.`, 255)
    }
    // Without a device, `group` says which ones are meant; with one, where it goes.
    if (word === 'group') {
      group = takeGroup(words)
      continue
    }
    const act = actOf(context, word, words)
    if (act !== null) acts.push({ act, announced: ANNOUNCED.includes(word) })
    else {
      const given = word === 'dev' ? words.take() : word
      if (name !== null) throw new ToolError(`Error: either "dev" is duplicate, or "${given}" is a garbage.`, 255)
      name = given
    }
  }
  if (name === null && group === null) {
    throw new ToolError('Not enough information: "dev" argument is required.', 255)
  }
  if (name !== null && group !== null) acts.push({ act: intoGroup(group), announced: false })
  for (const device of name === null ? membersOf(netns, group) : [findDevice(netns, name)]) {
    for (const { act, announced } of acts) {
      act(device)
      if (!announced) netns.notices?.link(device, false)
    }
  }
  return 0
}

function intoGroup(group: number): LinkAct {
  return ({ settings }) => {
    settings.group = group
  }
}

function membersOf(netns: Netns, group: number | null): NetDevice[] {
  return [...netns.devices.values()].filter((device) => device.settings.group === group)
}

function actOf(context: IpContext, word: string, words: Words): LinkAct | null {
  const { netns } = context
  switch (word) {
    case 'up':
      return (device) => bringUp(netns, device)
    case 'down':
      return (device) => bringDown(netns, device)
    case 'mtu': {
      const mtu = takeNumber(words, 'mtu')
      return (device) => setMtu(device, mtu)
    }
    case 'address': {
      const mac = takeMac(words)
      return (device) => {
        setMac(netns, device, mac)
      }
    }
    case 'name': {
      const name = words.take()
      return (device) => rename(netns, device, name)
    }
    case 'master': {
      const name = words.take()
      const master = deviceNamed(netns, name)
      if (master === null) throw new ToolError(`Error: argument "${name}" is wrong: Device does not exist\n`, 255)
      return (device) => enslave(device, master)
    }
    case 'nomaster':
      return (device) => release(netns, device)
    case 'netns': {
      const target = takeNamespace(context, words)
      return (device) => moveTo(netns, device, target)
    }
    case 'type':
      return takeType(words)
    default:
      return takeAttribute(netns, word, words)
  }
}

/** `type KIND` and what is to be changed of that kind; the rest of the line. */
function takeType(words: Words): (device: NetDevice) => void {
  const kind = words.take()
  if (kind === 'macvlan') {
    const mode = takeMacvlanMode(words)
    return (device) => {
      if (!(device instanceof Macvlan)) throw refused('Operation not supported')
      if (mode !== null && !device.setMode(mode)) throw refused('Invalid argument')
    }
  }
  if (kind === 'bridge') {
    const act = takeBridgeSettings(words)
    return (device) => setBridge(device, act)
  }
  if (kind === 'bridge_slave') return takeSlaveSettings(words)
  // Nothing is changed, so nobody asks whether the device is of that kind.
  if (words.done) return () => {}
  throw notModelled(`ip link set type ${kind}`)
}

/** `netns NAME`, or a process of this machine by its number. */
function takeNamespace(context: IpContext, words: Words): Netns {
  const text = words.take()
  const { machine, processes } = context.self.place
  const named = machine.namespaces.get(text)
  if (named !== undefined) return named
  if (text === '1') return machine.netns
  const process = /^[0-9]+$/.test(text) ? processes.get(Number(text)) : undefined
  if (process === undefined) throw new ToolError(`Error: argument "${text}" is wrong: Invalid "netns" value\n`, 255)
  return process.netns
}

/** A loopback that comes up has its address from the kernel. */
export function bringUp(netns: Netns, device: NetDevice): void {
  // A VLAN cannot be up while the device below is down; it follows it up and down (vlan_device_event).
  if (device instanceof VlanDevice && !device.lower.up) throw refused('Network is down')
  netns.setUp(device)
  if (device === netns.loopback && netns.addressesOf(device).length === 0) {
    netns.addAddress(device, LOOPBACK, 8, null)
  }
  const port = portOf(device)
  if (port?.state === PortState.disabled) port.forwarding = true
  for (const upper of device.stack?.uppers ?? []) {
    if (upper instanceof VlanDevice) namespaceOf(upper)?.setUp(upper)
  }
}

function bringDown(netns: Netns, device: NetDevice): void {
  for (const upper of device.stack?.uppers ?? []) {
    if (upper instanceof VlanDevice) namespaceOf(upper)?.setDown(upper)
  }
  netns.setDown(device)
}

export function setMtu(device: NetDevice, mtu: number): void {
  if (device.kind !== 'loopback' && mtu < MIN_MTU) throw new ToolError('Error: mtu less than device minimum.', 2)
  if (device.kind !== 'loopback' && mtu > MAX_MTU) throw new ToolError('Error: mtu greater than device maximum.', 2)
  if (isUpper(device) && mtu > device.lower.mtu) throw refused('Invalid argument')
  device.mtu = mtu
  if (device instanceof Bridge) device.mtuFollowsPorts = false
  portOf(device)?.bridge.portsChanged()
  // What stands upon it takes no more than it does (macvlan_device_event, vlan_device_event).
  for (const upper of device.stack?.uppers ?? []) if (upper.mtu > mtu) upper.mtu = mtu
}

export function checkName(name: string): void {
  if (name.length > 15 || name === '' || name.includes('/') || /\s/.test(name)) {
    throw new ToolError(`Error: argument "${name}" is wrong: "name" not a valid ifname\n`, 255)
  }
}

function rename(netns: Netns, device: NetDevice, name: string): void {
  checkName(name)
  if (name === device.name) return
  if (deviceNamed(netns, name) !== null) throw refused('File exists')
  netns.rename(device, name)
}

export function enslave(device: NetDevice, master: NetDevice): void {
  if (!(master instanceof Bridge)) throw refused('Operation not supported')
  if (device === master || device instanceof Bridge)
    throw new ToolError('Error: Can not enslave a bridge to a bridge.', 2)
  if (device.kind === 'loopback') throw refused('Invalid argument')
  if (device.master === master) return
  // A device has one rx_handler, and macvlans have it.
  if (device.stack?.macvlans != null) throw refused('Device or resource busy')
  const netns = namespaceOf(device)
  if (netns !== null) release(netns, device)
  master.attach(device)
}

/** Leaves its bridge, and is the namespace's own again. */
export function release(netns: Netns, device: NetDevice, dying = false): void {
  if (!(device.master instanceof Bridge)) return
  device.master.detach(device, dying)
  device.receiver = netns
}

function moveTo(netns: Netns, device: NetDevice, target: Netns): void {
  if (device === netns.loopback) throw new ToolError('Error: The interface netns is immutable.', 2)
  if (target === netns) return
  if (target.devices.has(device.name)) throw refused('File exists')
  release(netns, device)
  netns.release(device)
  target.adopt(device)
}

/** A new bridge of this namespace, seen by iptables as its sysctl says. */
export function adoptBridge(netns: Netns, bridge: Bridge): void {
  netns.adopt(bridge)
  installBridgeFilter(netns, bridge)
}
