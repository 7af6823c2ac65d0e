/**
 * flanneld for one node. VXLAN back end: flannel.1 (VNI 1, UDP 8472, no learning) and for every other node a
 * permanent neighbour, a forwarding entry and an on-link route, so that nothing ever has to be asked. host-gw back
 * end: a plain route by the other node's address, no tunnel.
 */
import type { NetDevice } from '../../link/device.ts'
import { route } from '../../net/route.ts'
import { VxlanDevice } from '../../tunnel/vxlan.ts'
import {
  type Cidr,
  formatCidr,
  formatIpv4,
  type Ipv4,
  type Mac,
  nth,
  parseCidr,
  parseIpv4,
  parseMac,
} from '../../wire/address.ts'
import { equal } from '../json.ts'
import { leaseOf, VNI } from '../node-object.ts'
import type { Node } from '../objects.ts'
import { type CniDaemon, type CniNode, type CniPeer, type FlannelBackend, randomMac } from './plugin.ts'

export type { FlannelBackend } from './plugin.ts'

export interface FlannelOptions {
  readonly clusterCidr: Cidr
  readonly backend: FlannelBackend
  /** Of flannel.1; random when it is left out. */
  readonly vtepMac?: Mac
}

/** What VXLAN adds to each packet: outer IP, UDP, VXLAN and inner Ethernet headers. */
const OVERHEAD = 50
const PORT = 8472

/** Nodes that flanneld knows all about, though it has led no way there yet: those of a fleet. */
export interface PeerDirectory {
  readonly size: number
  /** Which of them has pods with this address; -1: none. */
  numberOf(address: Ipv4): number
  /** Null: it has left. */
  peer(number: number): CniPeer | null
  /** -1: it is none of them. */
  numberOfName(name: string): number
}

export class Flannel implements CniDaemon {
  readonly self: CniPeer
  readonly #node: CniNode
  readonly #options: FlannelOptions
  readonly #peers = new Map<string, CniPeer>()
  #vxlan: VxlanDevice | null = null
  #started = false
  #directory: PeerDirectory | null = null
  /** To which of the directory's nodes there is a way. */
  #led = new Uint8Array(0)

  constructor(node: CniNode, options: FlannelOptions) {
    this.#node = node
    this.#options = options
    const tunnel = options.backend === 'vxlan'
    const vtepMac = tunnel ? (options.vtepMac ?? randomMac(node.netns.world.random)) : null
    this.self = { name: node.name, podCidr: node.podCidr, publicIp: node.internalIp, vtepMac }
  }

  /** For pods and for cni0. */
  get mtu(): number {
    const { mtu } = this.#node.underlay
    return this.#options.backend === 'vxlan' ? mtu - OVERHEAD : mtu
  }

  /** flannel.1; null with host-gw. */
  get device(): VxlanDevice | null {
    return this.#vxlan
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    if (this.self.vtepMac !== null) this.#vxlan = this.#makeDevice(this.self.vtepMac)
    for (const peer of this.#peers.values()) this.#lead(peer)
  }

  join(peer: CniPeer): void {
    if (peer.name === this.#node.name) return
    const number = this.#directory?.numberOfName(peer.name) ?? -1
    if (number >= 0) this.#led[number] = 1
    const known = this.#peers.get(peer.name)
    if (known !== undefined) {
      if (samePeer(known, peer)) return
      this.leave(peer.name)
    }
    this.#peers.set(peer.name, peer)
    if (this.#started) this.#lead(peer)
  }

  /**
   * All of these are peers. A route, a neighbour and a forwarding entry for one are written when something is to go there,
   * or when somebody looks at the tables: nobody can tell that they were not there before.
   */
  follow(directory: PeerDirectory): void {
    const { netns } = this.#node
    this.#directory = directory
    this.#led = new Uint8Array(directory.size)
    const all = () => {
      for (let number = 0; number < directory.size; number++) this.#supply(number)
    }
    const supply = (address: Ipv4) => {
      const number = directory.numberOf(address)
      if (number >= 0) this.#supply(number)
    }
    netns.main.supplier = { supply, all }
    if (this.#vxlan === null) return
    netns.neighbours.supplier = { supply, all }
    this.#vxlan.fdb.supplier = { all }
  }

  #supply(number: number): void {
    if (this.#led[number] !== 0) return
    this.#led[number] = 1
    const peer = this.#directory?.peer(number) ?? null
    if (peer !== null) this.join(peer)
  }

  leave(name: string): void {
    const number = this.#directory?.numberOfName(name) ?? -1
    if (number >= 0) this.#supply(number)
    const peer = this.#peers.get(name)
    if (peer === undefined) return
    this.#peers.delete(name)
    const { netns, underlay } = this.#node
    const device: NetDevice = this.#vxlan ?? underlay
    netns.main.remove((r) => r.device === device && equal(r.destination, peer.podCidr))
    if (this.#vxlan === null || peer.vtepMac === null) return
    netns.neighbours.delete(this.#vxlan, peer.podCidr.network)
    this.#vxlan.fdb.delete(peer.vtepMac)
  }

  #makeDevice(mac: Mac): VxlanDevice {
    const { netns, podCidr, internalIp, underlay } = this.#node
    const options = { netns, vni: VNI, local: internalIp, device: underlay, port: PORT, learning: false }
    const device = new VxlanDevice(netns.world, `flannel.${VNI}`, mac, options)
    device.mtu = this.mtu
    netns.adopt(device)
    netns.addAddress(device, podCidr.network, 32, null)
    netns.setUp(device)
    return device
  }

  /** The way to a peer's pods. */
  #lead(peer: CniPeer): void {
    const { netns, underlay } = this.#node
    const destination = peer.podCidr
    if (this.#vxlan === null || peer.vtepMac === null) {
      netns.main.replace(route({ destination, gateway: peer.publicIp, device: underlay }))
      return
    }
    netns.neighbours.add(this.#vxlan, destination.network, peer.vtepMac, 'PERMANENT')
    this.#vxlan.fdb.add(peer.vtepMac, peer.publicIp)
    netns.main.replace(route({ destination, gateway: destination.network, device: this.#vxlan, onlink: true }))
  }

  /** The lease, as flanneld writes it on its Node object. */
  annotations(): Record<string, string> {
    return leaseOf(this.self, this.#options.backend)
  }

  /** /run/flannel/subnet.env */
  environment(): string {
    const { clusterCidr } = this.#options
    const { podCidr } = this.#node
    const gateway = `${formatIpv4(nth(podCidr, 1))}/${podCidr.prefix}`
    const lines = [`FLANNEL_NETWORK=${formatCidr(clusterCidr)}`, `FLANNEL_SUBNET=${gateway}`, `FLANNEL_MTU=${this.mtu}`]
    return `${lines.join('\n')}\nFLANNEL_IPMASQ=true\n`
  }
}

/** The other node that a Node object tells of; null while it has no lease. */
export function peerOf(node: Node): CniPeer | null {
  const { annotations, name } = node.metadata
  const ip = annotations?.['flannel.alpha.coreos.com/public-ip']
  if (ip === undefined || node.spec.podCIDR === undefined) return null
  const data = JSON.parse(annotations?.['flannel.alpha.coreos.com/backend-data'] ?? 'null') as {
    VtepMAC?: string
  } | null
  const vtepMac = data?.VtepMAC === undefined ? null : parseMac(data.VtepMAC)
  return { name, podCidr: parseCidr(node.spec.podCIDR), publicIp: parseIpv4(ip), vtepMac }
}

function samePeer(a: CniPeer, b: CniPeer): boolean {
  return a.publicIp === b.publicIp && equal(a.podCidr, b.podCidr) && String(a.vtepMac ?? '') === String(b.vtepMac ?? '')
}
