/**
 * The CNI plug-in bridge, as flannel's configuration delegates to it: a veth pair per pod, cni0 as the pods'
 * gateway, hairpin on, addresses by host-local. cni0 comes with the first pod of the node.
 */
import { Bridge } from '../../link/bridge.ts'
import { Veth } from '../../link/veth.ts'
import { installBridgeFilter } from '../../net/br-netfilter.ts'
import { route } from '../../net/route.ts'
import { MICROSECOND, MILLISECOND } from '../../sim/scheduler.ts'
import { type Cidr, type Ipv4, macOf, nth, parseCidr } from '../../wire/address.ts'
import { HostLocal } from '../ipam.ts'
import { type CniNode, type CniPins, type CniPlugin, type CniResult, type CniSandbox, randomMac } from './plugin.ts'

export interface BridgeOptions {
  /** The cluster's pod network: it gets a route of its own in each pod. */
  readonly clusterCidr: Cidr
  /** Of cni0 and of the pods: the overlay's. */
  readonly mtu: number
}

interface Wiring {
  readonly result: CniResult
  readonly pod: Veth
  readonly host: Veth
}

/** Behind the network's address and the gateway's. */
export const FIRST_POD = 2
const ANYWHERE = parseCidr('0.0.0.0/0')
/** What a frame spends between the ends of a veth pair. */
const CABLE = { delay: 10 * MICROSECOND }
/** Until the bridge notices the carrier of a new port: a pod's gratuitous ARP comes before, and is heard by nobody. */
const LINK_WATCH = MILLISECOND

export class BridgePlugin implements CniPlugin {
  readonly name = 'bridge'
  readonly #node: CniNode
  readonly #options: BridgeOptions
  readonly #addresses: HostLocal
  readonly #wirings = new Map<string, Wiring>()
  #bridge: Bridge | null = null

  constructor(node: CniNode, options: BridgeOptions) {
    this.#node = node
    this.#options = options
    this.#addresses = new HostLocal(node.podCidr)
  }

  /** cni0; null before the first pod. */
  get bridge(): Bridge | null {
    return this.#bridge
  }

  /** Makes cni0 unless it is there. */
  ensureBridge(): Bridge {
    if (this.#bridge !== null) return this.#bridge
    const { netns, podCidr } = this.#node
    const gateway = this.#addresses.gateway
    const bridge = new Bridge(netns.world, 'cni0', macOf(0x0a, 0x58, gateway))
    bridge.mtu = this.#options.mtu
    installBridgeFilter(netns, bridge)
    netns.adopt(bridge)
    netns.addAddress(bridge, gateway, podCidr.prefix)
    netns.setUp(bridge)
    this.#bridge = bridge
    return bridge
  }

  add(sandbox: CniSandbox, pins: CniPins = {}): CniResult {
    const address = this.#address(sandbox, pins)
    const bridge = this.ensureBridge()
    const { netns, podCidr } = this.#node
    const { world } = netns
    const mac = pins.mac ?? randomMac(world.random)
    const hostMac = pins.hostMac ?? randomMac(world.random)
    const hostInterface = pins.hostInterface ?? `veth${world.random.hex(8)}`
    const [pod, host] = Veth.pair(world, 'eth0', mac, hostInterface, hostMac, CABLE)
    pod.mtu = this.#options.mtu
    host.mtu = this.#options.mtu
    sandbox.netns.adopt(pod)
    netns.adopt(host, pins.seat)
    const port = bridge.attach(host, pins.port)
    port.hairpin = true
    const standing = pins.standing === true
    port.forwarding = standing
    netns.setUp(host)
    if (!standing) {
      world.scheduler.call(LINK_WATCH, () => {
        port.forwarding = true
      })
    }
    const gateway = this.#addresses.gateway
    sandbox.netns.addAddress(pod, address, podCidr.prefix)
    sandbox.netns.setUp(pod)
    sandbox.netns.main.add(route({ destination: ANYWHERE, gateway, device: pod }))
    sandbox.netns.main.add(route({ destination: this.#options.clusterCidr, gateway, device: pod }))
    const result = { interface: 'eth0', mac, address, prefix: podCidr.prefix, gateway, hostInterface }
    this.#wirings.set(sandbox.id, { result, pod, host })
    if (pins.announce !== false && !standing) sandbox.netns.arp.announce(pod, address)
    return result
  }

  /** Addresses that are somebody's already, the first of the node's, under these names. */
  keep(owners: readonly string[]): void {
    owners.forEach((owner, i) => {
      this.#addresses.claim(nth(this.#node.podCidr, FIRST_POD + i), owner)
    })
  }

  /** What was kept is to be had again. */
  yieldTo(owner: string): void {
    this.#addresses.release(owner)
  }

  del(sandbox: CniSandbox): void {
    this.#addresses.release(sandbox.id)
    const wiring = this.#wirings.get(sandbox.id)
    if (wiring === undefined) return
    this.#wirings.delete(sandbox.id)
    this.#node.netns.setDown(wiring.host)
    this.#bridge?.detach(wiring.host, true)
    this.#node.netns.release(wiring.host)
    sandbox.netns.release(wiring.pod)
    wiring.pod.destroy()
  }

  check(sandbox: CniSandbox): string | null {
    const wiring = this.#wirings.get(sandbox.id)
    if (wiring === undefined) return `sandbox ${sandbox.id} has no network`
    const { pod, host, result } = wiring
    if (sandbox.netns.devices.get('eth0') !== pod) return 'Interface eth0 not found in the container'
    if (this.#node.netns.devices.get(host.name) !== host) return `Interface ${host.name} not found on the host`
    if (host.master !== this.#bridge) return `${host.name} is not a port of cni0`
    if (!sandbox.netns.isLocal(result.address)) return 'eth0 has lost its address'
    return null
  }

  #address(sandbox: CniSandbox, pins: CniPins): Ipv4 {
    if (pins.address === undefined) return this.#addresses.allocate(sandbox.id)
    if (this.#addresses.claim(pins.address, sandbox.id)) return pins.address
    throw new Error('requested IP address is not available in range set')
  }
}
