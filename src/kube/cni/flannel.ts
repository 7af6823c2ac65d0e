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
  formatMac,
  type Mac,
  nth,
  parseCidr,
  parseIpv4,
  parseMac,
} from '../../wire/address.ts'
import { equal } from '../json.ts'
import type { Node } from '../objects.ts'
import { type CniDaemon, type CniNode, type CniPeer, randomMac } from './plugin.ts'

export type FlannelBackend = 'vxlan' | 'host-gw'

export interface FlannelOptions {
  readonly clusterCidr: Cidr
  readonly backend: FlannelBackend
  /** Of flannel.1; random when it is left out. */
  readonly vtepMac?: Mac
}

/** What VXLAN adds to each packet: outer IP, UDP, VXLAN and inner Ethernet headers. */
const OVERHEAD = 50
const PORT = 8472
const VNI = 1

export class Flannel implements CniDaemon {
  readonly self: CniPeer
  readonly #node: CniNode
  readonly #options: FlannelOptions
  readonly #peers = new Map<string, CniPeer>()
  #vxlan: VxlanDevice | null = null
  #started = false

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
    const known = this.#peers.get(peer.name)
    if (known !== undefined) {
      if (samePeer(known, peer)) return
      this.leave(peer.name)
    }
    this.#peers.set(peer.name, peer)
    if (this.#started) this.#lead(peer)
  }

  leave(name: string): void {
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
    const { vtepMac, publicIp } = this.self
    const data = vtepMac === null ? 'null' : `{"VNI":${VNI},"VtepMAC":"${formatMac(vtepMac)}"}`
    return {
      'flannel.alpha.coreos.com/backend-data': data,
      'flannel.alpha.coreos.com/backend-type': this.#options.backend,
      'flannel.alpha.coreos.com/kube-subnet-manager': 'true',
      'flannel.alpha.coreos.com/public-ip': formatIpv4(publicIp),
    }
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
