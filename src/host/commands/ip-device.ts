/** What rtnetlink says about a device: its flags, its state, and where the other end of its cable is. */
import { Bridge, type BridgePort } from '../../link/bridge.ts'
import type { NetDevice } from '../../link/device.ts'
import { Macvlan } from '../../link/macvlan.ts'
import { Veth } from '../../link/veth.ts'
import { linkNamespace, linkOf } from '../../net/lower-link.ts'
import type { Netns } from '../../net/netns.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import type { Mac } from '../../wire/address.ts'
import type { IpContext } from './ip-context.ts'
import { ToolError } from './ip-words.ts'

/** By its name, or by one of its altnames (netdev_name_node_lookup). */
export function deviceNamed(netns: Netns, name: string): NetDevice | null {
  const device = netns.devices.get(name)
  if (device !== undefined) return device
  for (const each of netns.devices.values()) if (each.settings.altNames.includes(name)) return each
  return null
}

/** @throws ToolError `Cannot find device "eth9"` */
export function findDevice(netns: Netns, name: string, status = 1): NetDevice {
  const device = deviceNamed(netns, name)
  if (device === null) throw new ToolError(`Cannot find device "${name}"`, status)
  return device
}

/** @throws ToolError `Device "eth9" does not exist.` */
export function existingDevice(netns: Netns, name: string): NetDevice {
  const device = deviceNamed(netns, name)
  if (device === null) throw new ToolError(`Device "${name}" does not exist.`, 1)
  return device
}

/** What `ip netns` of this machine calls the namespace that the device leads to; null when it has no name. */
export function namespaceName(context: IpContext, device: NetDevice): string | null {
  const there = linkNamespace(device)
  for (const [name, netns] of context.self.place.machine.namespaces) if (netns === there) return name
  return null
}

/** `eth0@if5`, `veth0@veth1`, `cni0`. */
export function fullName(device: NetDevice, netns: Netns): string {
  const link = linkOf(device, netns)
  if (link === null) return device.name
  return `${device.name}@${link.netnsid === null ? link.device?.name : `if${link.index}`}`
}

/** How `bridge link` names it: iproute2 looks the index up in the wrong namespace. */
export function bridgedName(device: NetDevice, netns: Netns): string {
  const link = linkOf(device, netns)
  if (link === null || link.index === device.index) return device.name
  return `${device.name}@${deviceByIndex(netns, link.index)?.name ?? `if${link.index}`}`
}

export function deviceByIndex(netns: Netns, index: number): NetDevice | null {
  for (const device of netns.devices.values()) if (device.index === index) return device
  return null
}

/** In ip(8)'s order. */
export function flagsOf(device: NetDevice, netns: Netns): string[] {
  const flags: string[] = []
  if (device.up && !device.carrier) flags.push('NO-CARRIER')
  const { settings } = device
  if (device.kind === 'loopback') flags.push('LOOPBACK')
  else flags.push('BROADCAST')
  if (settings.multicast) flags.push('MULTICAST')
  if (device.noArp && device.kind !== 'loopback') flags.push('NOARP')
  if (settings.allMulticast) flags.push('ALLMULTI')
  // Captures make a device promiscuous without the flag showing, as packet sockets do.
  if (device.promiscuous && device.tap === null) flags.push('PROMISC')
  if (settings.dynamic) flags.push('DYNAMIC')
  if (settings.noTrailers) flags.push('NOTRAILERS')
  if (device.up) flags.push('UP')
  if (device.up && device.carrier) flags.push('LOWER_UP')
  const link = linkOf(device, netns)
  if (link !== null && link.netnsid === null && link.device?.up === false) flags.push('M-DOWN')
  return flags
}

/** RFC 2863's ifOperStatus, as default_operstate computes it. */
export function operstateOf(device: NetDevice, netns: Netns): string {
  if (!device.up) return 'DOWN'
  if (device.kind === 'loopback' || device.kind === 'vxlan' || device.kind === 'dummy') return 'UNKNOWN'
  if (device instanceof Bridge && device.untouched) return 'UNKNOWN'
  if (device.carrier) return 'UP'
  const link = linkOf(device, netns)
  if (link === null) return 'DOWN'
  // The kernel looks the peer's index up here, wherever the peer is.
  const stacked = deviceByIndex(netns, link.index)
  return stacked === null || stacked.carrier ? 'DOWN' : 'LOWERLAYERDOWN'
}

/** A device that was never up has no queue yet, unless it was given one. */
export function qdiscOf(device: NetDevice): string {
  if (device.qdisc !== null) return device.qdisc.kind
  return device.activated ? 'noqueue' : 'noop'
}

/** How many ask for all frames: somebody who listens, and the bridge it is a port of. */
export function promiscuityOf(device: NetDevice): number {
  // Macvlans that are up need frames for their MACs too: no device here filters by address.
  const macvlans = (device.stack?.uppers ?? []).filter((upper) => upper instanceof Macvlan && upper.up).length
  const asked = device.tap !== null || device.promiscuous ? 1 : 0
  return asked + (device.master === null ? 0 : 1) + (macvlans > 0 ? 1 : 0)
}

export function portOf(device: NetDevice): BridgePort | null {
  return device.master instanceof Bridge ? device.master.portOf(device) : null
}

/** `ip link set DEVICE address MAC`: a bridge knows its own addresses and its ports'. */
export function setMac(netns: Netns, device: NetDevice, mac: Mac): void {
  if (device instanceof Bridge) device.setMac(mac)
  else {
    device.mac = mac
    portOf(device)?.bridge.portsChanged()
  }
  netns.macChanged(device)
}

/** A random address of the locally administered kind (eth_hw_addr_random). */
export function randomMac(netns: Netns): Mac {
  const mac = Uint8Array.from({ length: 6 }, () => netns.world.random.below(256))
  mac[0] = (mac[0] & 0xfe) | 2
  return mac
}

/** What podwire calls a device's type in `ip -d link`; empty for devices without one. */
export function linkKind(device: NetDevice): string {
  if (device instanceof Veth) return 'veth'
  if (device instanceof Bridge) return 'bridge'
  if (device instanceof VxlanDevice) return 'vxlan'
  return device.kind === 'loopback' ? '' : device.kind
}
