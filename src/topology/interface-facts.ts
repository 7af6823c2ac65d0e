/** What capture files tell about an interface: what it is in words, how fast, and whose addresses it has. */
import type { InterfaceFacts } from '../capture/captured-interface.ts'
import type { NetDevice } from '../link/device.ts'
import { Veth } from '../link/veth.ts'
import { Netns } from '../net/netns.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'

/** What every emulated machine runs. */
export const SYSTEM = 'Linux 6.1.0-podwire'
/** Of a cable without a rate: what veth says of itself (ethtool). */
const VETH_SPEED = 10e9

/** Where the switch's ports are. */
const SWITCH = 'switch'

/** In words: `veth of pod default/web on w1`, `bridge cni0 of w1`, `VXLAN device (VNI 1) of w1`. */
export function describeInterface(device: NetDevice): string {
  const home = homeOf(device)
  if (device instanceof VxlanDevice) return `VXLAN device (VNI ${device.vni}) of ${home}`
  if (device instanceof Veth) return describeVeth(device, home)
  return device.kind === 'loopback'
    ? `loopback of ${ownerOf(home)}`
    : `${device.kind} ${device.name} of ${ownerOf(home)}`
}

function describeVeth(device: Veth, home: string): string {
  const far = device.peer === null ? '' : homeOf(device.peer)
  if (home === SWITCH) return `port of the switch, cable to ${far}`
  if (far === SWITCH) return `${device.name} of ${home}, cable to the switch`
  if (isPod(home)) return `veth of ${ownerOf(home)}${far === '' || isPod(far) ? '' : ` on ${far}`}`
  return far === '' || far === home ? `veth of ${home}` : `veth of ${home}, to ${ownerOf(far)}`
}

/** Pods' namespaces are called `namespace/name`, machines' by one word. */
function isPod(home: string): boolean {
  return home.includes('/')
}

function ownerOf(home: string): string {
  return isPod(home) ? `pod ${home}` : home
}

function homeOf(device: NetDevice): string {
  const slash = device.place.lastIndexOf('/')
  return slash < 0 ? '' : device.place.slice(0, slash)
}

/** As things stand now. */
export function factsOf(device: NetDevice): InterfaceFacts {
  const { receiver } = device
  const addresses = receiver instanceof Netns ? receiver.addressesOf(device) : []
  return { description: describeInterface(device), mac: device.mac, addresses, speed: speedOf(device), os: SYSTEM }
}

/** Bits per second; 0 where there is no cable. */
function speedOf(device: NetDevice): number {
  return device instanceof Veth ? device.rate || VETH_SPEED : 0
}
