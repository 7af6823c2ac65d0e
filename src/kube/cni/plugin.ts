/**
 * The CNI contract (containernetworking.github.io): what a network plug-in does for each sandbox, and what its
 * daemon does for each node.
 */
import type { NetDevice } from '../../link/device.ts'
import type { Netns } from '../../net/netns.ts'
import type { Seat } from '../../net/seats.ts'
import type { Random } from '../../sim/random.ts'
import type { Cidr, Ipv4, Mac } from '../../wire/address.ts'

/** A node as network plug-ins see it. */
export interface CniNode {
  readonly name: string
  /** The node's own namespace. */
  readonly netns: Netns
  /** The node's part of the cluster's pod network. */
  readonly podCidr: Cidr
  readonly internalIp: Ipv4
  /** The device that has the internal address. */
  readonly underlay: NetDevice
}

/** What holds a pod's network: a namespace with a name. */
export interface CniSandbox {
  /** 64 hexadecimal digits; addresses are remembered under it. */
  readonly id: string
  readonly netns: Netns
}

export interface CniResult {
  /** Inside the sandbox: `eth0`. */
  readonly interface: string
  readonly mac: Mac
  readonly address: Ipv4
  readonly prefix: number
  readonly gateway: Ipv4
  /** The other end, on the node. */
  readonly hostInterface: string
}

/** Fixed instead of chosen, for labs that can be repeated to the byte. */
export interface CniPins {
  readonly address?: Ipv4
  readonly mac?: Mac
  readonly hostMac?: Mac
  readonly hostInterface?: string
  /** The host's end: its interface index and its number as a port, kept for it. */
  readonly seat?: Seat
  readonly port?: number
  /** The wiring is old: nobody is told, and the bridge has long noticed the carrier. */
  readonly standing?: boolean
  /** Tell the neighbours of the new address (arp_notify); true unless said otherwise. */
  readonly announce?: boolean
}

export interface CniPlugin {
  readonly name: string
  /** Wires the sandbox. @throws Error with a sentence for the pod's event. */
  add(sandbox: CniSandbox, pins?: CniPins): CniResult
  /** Takes everything back; a second DEL does nothing. */
  del(sandbox: CniSandbox): void
  /** What is wrong with the sandbox's wiring; null when it is as ADD left it. */
  check(sandbox: CniSandbox): string | null
}

export type FlannelBackend = 'vxlan' | 'host-gw'

/** Another node, as a daemon must know it. */
export interface CniPeer {
  readonly name: string
  readonly podCidr: Cidr
  readonly publicIp: Ipv4
  /** Its VXLAN device; null when the back end needs none. */
  readonly vtepMac: Mac | null
}

/** The daemon half (flanneld): one for each node. */
export interface CniDaemon {
  /** Makes the node's own devices. */
  start(): void
  /** What the other nodes must know of this one. */
  readonly self: CniPeer
  /** A node has joined, or has changed. */
  join(peer: CniPeer): void
  /** A node has left. */
  leave(name: string): void
}

/** A MAC as the kernel gives it to a virtual device: random, unicast, locally administered. */
export function randomMac(random: Random): Mac {
  const mac = Uint8Array.from({ length: 6 }, () => random.below(256))
  mac[0] = (mac[0] & 0xfe) | 0x02
  return mac
}
