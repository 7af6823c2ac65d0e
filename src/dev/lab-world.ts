/** Builds the network that a lab.json describes, out of the same devices and namespaces as every podwire world. */
import type { Capture } from '../capture/capture.ts'
import type { Machine } from '../host/machine.ts'
import type { Place } from '../host/place.ts'
import type { Runner } from '../host/run.ts'
import { Bridge } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { Veth } from '../link/veth.ts'
import type { World } from '../link/world.ts'
import { Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { MICROSECOND, MILLISECOND, SECOND } from '../sim/scheduler.ts'
import { type Ipv4, macOf, nth, parseCidr, parseIpv4, parseMac } from '../wire/address.ts'
import { addCalico, addCalicoPod, startCalicoPod } from './lab-calico.ts'
import { addDocker } from './lab-docker.ts'
import type { Lab, LabHost, LabNode, LabPod, LabService, WireRules } from './lab-file.ts'
import { addFlannel } from './lab-flannel.ts'
import { nftRules, nodeRules } from './lab-rules.ts'
import {
  ANYWHERE,
  becomeRouter,
  LabSite,
  nodeMac,
  POD_CABLE,
  podMac,
  UNDERLAY_CABLE,
  vethMac,
  vethName,
} from './lab-site.ts'
import { impairment } from './lab-wire.ts'

/** From a cable's carrier to the bridge's use of its port. */
const LINKWATCH = 200 * MICROSECOND

export class LabWorld {
  readonly #site: LabSite
  #switch: Bridge
  #cables = new Map<string, [Veth, Veth]>()
  #podCables = new Map<string, Veth>()

  private constructor(lab: Lab, seed: number) {
    this.#site = new LabSite(lab, seed)
    const machine = this.#site.addMachine('sw')
    this.#switch = new Bridge(this.world, 'br0', macOf(0x52, 0x55, 0 as Ipv4))
    machine.netns.adopt(this.#switch)
    machine.netns.setUp(this.#switch)
    if (lab.underlay.ageing !== undefined) this.#switch.fdb.ageing = lab.underlay.ageing * SECOND
  }

  static async build(lab: Lab, seed: number): Promise<LabWorld> {
    const built = new LabWorld(lab, seed)
    for (const host of lab.hosts ?? []) await built.#addHost(host)
    for (const node of lab.nodes) await built.#addNode(node)
    for (const pod of lab.pods ?? []) if (pod.shareNetnsOf === undefined) built.#addPod(pod)
    for (const pod of lab.pods ?? []) if (pod.shareNetnsOf !== undefined) built.#share(pod)
    built.loadRules(lab.services ?? [])
    // Let everything settle. Where the clock stands on the timer wheel is chance on a real machine; here, timers of
    // five seconds that begin with the first step fire soon after five seconds.
    await built.runner.runFor(1.0213 * SECOND)
    return built
  }

  get lab(): Lab {
    return this.#site.lab
  }

  get world(): World {
    return this.#site.world
  }

  get runner(): Runner {
    return this.#site.runner
  }

  /** Where commands run, by name. */
  get places(): ReadonlyMap<string, Place> {
    return this.#site.places
  }

  /** Sets a sysctl in every namespace. */
  setAll(name: string, value: string): void {
    for (const { netns } of this.places.values()) netns.sysctl.set(name, value)
  }

  /** kube-proxy's, flannel's and Docker's rules, written at once; conntrack stays. */
  loadRules(services: readonly LabService[]): void {
    for (const node of this.lab.nodes) {
      const { netfilter, devices } = this.#site.machine(node.name).netns
      for (const [i, text] of nodeRules(this.lab, node, services).entries()) netfilter.restore(text, { noflush: i > 0 })
      const nft = nftRules(this.lab, node, services)
      if (nft === null) continue
      const { code, err } = netfilter.runNft({ name: '/dev/stdin', text: nft }, () => devices.values())
      if (code !== 0) throw new Error(err)
    }
  }

  /** The device that a capture names: `PLACE.DEVICE`; null when there is none. */
  device(name: string): NetDevice | null {
    const dot = name.indexOf('.')
    const place = this.places.get(name.slice(0, dot))
    return place?.netns.devices.get(name.slice(dot + 1)) ?? null
  }

  capture(capture: Capture, names: readonly string[]): void {
    for (const name of names) {
      const device = this.device(name)
      if (device === null) continue
      capture.attach(device, name, name)
      // tcpdump makes what it listens on promiscuous, and on a bridge that shows more frames.
      device.promiscuous = true
    }
  }

  /** CNI DEL: the pod's cable disappears. */
  deletePod(name: string): void {
    const cable = this.#podCables.get(name)
    const pod = this.lab.pods?.find((each) => each.name === name)
    if (cable === undefined || pod === undefined) return
    const { netns } = this.#site.machine(pod.node)
    if (cable.master instanceof Bridge) cable.master.detach(cable)
    const far = cable.peer
    netns.release(cable)
    if (far !== null) this.places.get(name)?.netns.release(far)
    cable.destroy()
  }

  impair(node: string, delayMs: number, rules: WireRules): void {
    const cable = this.#cables.get(node)
    if (cable === undefined) throw new Error(`the lab has no cable of ${node}`)
    const drops = impairment(rules)
    for (const end of cable) {
      end.setNetem({ delay: delayMs * MILLISECOND })
      end.impairment = drops
    }
  }

  /** What CNI ADD does inside the pod: address, link up, routes. */
  startPod(name: string): void {
    const pod = this.lab.pods?.find((each) => each.name === name)
    const netns = this.places.get(name)?.netns
    const eth0 = netns?.devices.get('eth0')
    const subnet = this.lab.nodes.find((node) => node.name === pod?.node)?.podCIDR
    if (pod === undefined || netns === undefined || eth0 === undefined || subnet === undefined) {
      throw new Error(`the lab has no pod ${name} with a network of its own`)
    }
    if (this.lab.cni === 'calico') return startCalicoPod(this.#site, pod, netns, eth0)
    const gateway = nth(parseCidr(subnet), 1)
    if (pod.later) netns.sysctl.set('net.ipv4.conf.eth0.arp_notify', '1')
    netns.addAddress(eth0, parseIpv4(pod.ip), 24)
    netns.setUp(eth0)
    if (pod.later) this.#plugIn(name)
    netns.main.add(route({ destination: ANYWHERE, gateway, device: eth0 }))
    netns.main.add(route({ destination: parseCidr(this.lab.clusterCIDR ?? '10.244.0.0/16'), gateway, device: eth0 }))
  }

  async #addHost(host: LabHost): Promise<void> {
    const machine = this.#plug(host.name, host.ip, host.mac, host.isolated ?? false)
    const { netns } = machine
    if (host.router) becomeRouter(netns)
    for (const address of host.loopback ?? []) await this.#site.type(machine, `ip addr add ${address} dev lo`)
    if (host.behind !== undefined) this.#addBehind(netns, host.behind)
    for (const text of host.routes ?? []) await this.#site.type(machine, `ip route add ${text}`)
  }

  /** Another host on the far side of this router. */
  #addBehind(netns: Netns, behind: NonNullable<LabHost['behind']>): void {
    const far = this.#site.addMachine(behind.name)
    const mac = nodeMac(behind.gw)
    const [near, end] = Veth.pair(this.world, 'eth1', mac, 'eth0', nodeMac(behind.ip), UNDERLAY_CABLE)
    near.mtu = behind.mtu ?? 1500
    end.mtu = near.mtu
    netns.adopt(near)
    far.netns.adopt(end)
    netns.addAddress(near, parseIpv4(behind.gw), 24)
    far.netns.addAddress(end, parseIpv4(behind.ip), 24)
    netns.setUp(near)
    far.netns.setUp(end)
    far.netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4(behind.gw), device: end }))
    if (behind.pathMtu === undefined) return
    const destination = parseCidr(behind.ip)
    netns.main.add(route({ destination, device: near, scope: 'link', mtu: behind.pathMtu, mtuLocked: true }))
  }

  async #addNode(node: LabNode): Promise<void> {
    const machine = this.#plug(node.name, node.ip, node.mac, false)
    const { netns } = machine
    becomeRouter(netns)
    const eth0 = netns.devices.get('eth0') as NetDevice
    netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4(this.lab.underlay.gateway), device: eth0 }))
    if (node.podCIDR !== undefined) {
      const add = this.lab.cni === 'calico' ? addCalico : addFlannel
      add(this.#site, node, node.podCIDR, machine, eth0)
    }
    await addDocker(this.#site, node, machine)
    const timeouts = { tcp_timeout_established: 86_400, tcp_timeout_close_wait: 3600 }
    for (const [name, value] of Object.entries(timeouts)) {
      netns.sysctl.set(`net.netfilter.nf_conntrack_${name}`, String(value))
    }
    for (const [name, value] of Object.entries(node.sysctl ?? {})) netns.sysctl.set(name, String(value))
  }

  #addPod(pod: LabPod): void {
    const machine = this.#site.machine(pod.node)
    if (pod.hostNetwork) return this.#site.addPodPlace(pod, machine.netns)
    const { netns, host } = this.lab.cni === 'calico' ? addCalicoPod(this.#site, pod) : this.#addBridgedPod(pod)
    for (const [name, value] of Object.entries(pod.sysctl ?? {})) netns.sysctl.set(name, String(value))
    this.#site.addPodPlace(pod, netns)
    this.#podCables.set(pod.name, host)
    if (!pod.later) this.startPod(pod.name)
  }

  /** The pod's namespace and its cable to cni0. */
  #addBridgedPod(pod: LabPod): { netns: Netns; host: Veth } {
    const machine = this.#site.machine(pod.node)
    const netns = new Netns(this.world, pod.name, machine.netns)
    const address = parseIpv4(pod.ip)
    const mac = pod.mac === undefined ? podMac(address) : parseMac(pod.mac)
    const [eth0, host] = Veth.pair(this.world, 'eth0', mac, vethName(pod.name), vethMac(address), POD_CABLE)
    eth0.mtu = this.#site.podMtu()
    host.mtu = eth0.mtu
    netns.adopt(eth0)
    machine.netns.adopt(host)
    const bridge = machine.netns.devices.get('cni0') as Bridge
    const port = bridge.attach(host)
    port.hairpin = pod.hairpin ?? true
    port.isolated = pod.isolated ?? false
    port.forwarding = !pod.later
    machine.netns.setUp(host)
    return { netns, host }
  }

  /** arp_notify has spoken at once, before the bridge notices that its port has a carrier. */
  #plugIn(name: string): void {
    const cable = this.#podCables.get(name)
    const port = cable?.master instanceof Bridge ? cable.master.portOf(cable) : null
    this.world.scheduler.call(LINKWATCH, () => {
      if (port !== null) port.forwarding = true
    })
  }

  #share(pod: LabPod): void {
    const shared = this.places.get(pod.shareNetnsOf ?? '')
    if (shared === undefined) throw new Error(`${pod.name} shares the namespace of an unknown pod`)
    this.#site.addPodPlace(pod, shared.netns)
  }

  /** A machine with eth0 on the switch. */
  #plug(name: string, ip: string, mac: string | undefined, isolated: boolean): Machine {
    const machine = this.#site.addMachine(name)
    const { netns } = this.#site.machine('sw')
    const own = mac === undefined ? nodeMac(ip) : parseMac(mac)
    const outside = macOf(0xfe, 0x54, parseIpv4(ip))
    const cable = Veth.pair(this.world, 'eth0', own, `p-${name}`, outside, UNDERLAY_CABLE)
    const [eth0, port] = cable
    eth0.mtu = this.lab.underlay.mtu ?? 1500
    port.mtu = eth0.mtu
    machine.netns.adopt(eth0)
    netns.adopt(port)
    this.#switch.attach(port).isolated = isolated
    netns.setUp(port)
    machine.netns.addAddress(eth0, parseIpv4(ip), 24)
    machine.netns.setUp(eth0)
    this.#cables.set(name, cable)
    return machine
  }
}
