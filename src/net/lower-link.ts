/** Where a device leads: the other end of its cable, what it stands upon, and the numbers of other namespaces (netnsid). */
import { BridgePort } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { isUpper } from '../link/stack.ts'
import { Veth } from '../link/veth.ts'
import { Netns } from './netns.ts'

/** IFLA_LINK: the device on the other side, or below. */
export interface LowerLink {
  /** Null for a tunnel whose outer packets travel in another namespace. */
  readonly device: NetDevice | null
  readonly index: number
  /** The number that its namespace has here; null when it is our own. */
  readonly netnsid: number | null
}

/** A device whose frames travel on inside packets of this namespace. */
interface Tunnel extends NetDevice {
  readonly underlay: Netns
}

function isTunnel(device: NetDevice): device is Tunnel {
  return device.kind === 'vxlan'
}

/** The namespace that a device is in; null when it is in none. */
export function namespaceOf(device: NetDevice): Netns | null {
  const { receiver } = device
  if (receiver instanceof Netns) return receiver
  return receiver instanceof BridgePort ? namespaceOf(receiver.bridge) : null
}

/** The namespace that the device leads to: its peer's, or the one its tunnel runs in. */
export function linkNamespace(device: NetDevice): Netns | null {
  if (device instanceof Veth) return device.peer === null ? null : namespaceOf(device.peer)
  if (isUpper(device)) return namespaceOf(device.lower)
  return isTunnel(device) ? device.underlay : null
}

export function linkOf(device: NetDevice, netns: Netns): LowerLink | null {
  const there = linkNamespace(device)
  if (there === null) return null
  const netnsid = there === netns ? null : netnsidOf(netns, there)
  if (device instanceof Veth && device.peer !== null) {
    return { device: device.peer, index: device.peer.index, netnsid }
  }
  if (isUpper(device)) return { device: device.lower, index: device.lower.index, netnsid }
  return netnsid === null ? null : { device: null, index: device.index, netnsid }
}

/** The number that the namespace of a tunnel's outer packets has where the tunnel is; null: it is the same one. */
export function outerNetnsid(device: NetDevice): number | null {
  const here = namespaceOf(device)
  return here === null ? null : (linkOf(device, here)?.netnsid ?? null)
}

/** Namespaces are numbered in the order in which the devices of this one lead to them. */
export function netnsidOf(netns: Netns, other: Netns): number {
  return numberedBy(netns).indexOf(other)
}

/** The namespaces that have a number here, in its order. */
export function numberedBy(netns: Netns): Netns[] {
  const known: Netns[] = []
  for (const device of netns.devices.values()) {
    const there = linkNamespace(device)
    if (there !== null && there !== netns && !known.includes(there)) known.push(there)
  }
  return known
}
