/** Builds the network that a lab.json describes, out of the same devices and namespaces as every podwire world. */
import { createHash } from 'node:crypto'
import type { Capture } from '../capture/capture.ts'
import { linuxCommands } from '../host/commands/table.ts'
import { Machine } from '../host/machine.ts'
import type { Place } from '../host/place.ts'
import { Runner } from '../host/run.ts'
import { Bridge } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { type Netem, Veth } from '../link/veth.ts'
import { World } from '../link/world.ts'
import { installBridgeFilter } from '../net/br-netfilter.ts'
import { Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { MICROSECOND, MILLISECOND, SECOND } from '../sim/scheduler.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'
import { type Ipv4, type Mac, macOf, nth, parseCidr, parseIpv4, parseMac } from '../wire/address.ts'
import type { Lab, LabContainer, LabHost, LabNetwork, LabNode, LabPod, LabService, WireRules } from './lab-file.ts'
import { nodeRules } from './lab-rules.ts'
import { impairment } from './lab-wire.ts'

const POD_CABLE: Netem = { delay: 10 * MICROSECOND }
const UNDERLAY_CABLE: Netem = { delay: 20 * MICROSECOND }
const ANYWHERE = parseCidr('0.0.0.0/0')
const VXLAN_OVERHEAD = 50
/** From a cable's carrier to the bridge's use of its port. */
const LINKWATCH = 200 * MICROSECOND

/** The host-side device of a pod or container. */
export function vethName(name: string): string {
  return `veth${createHash('sha1').update(name).digest('hex').slice(0, 8)}`
}

export class LabWorld {
  readonly lab: Lab
  readonly world: World
  readonly runner: Runner
  /** Where commands run, by name: pods, containers, nodes, hosts, and `sw`. */
  readonly places = new Map<string, Place>()
  readonly machines = new Map<string, Machine>()
  #switch: Bridge
  #switchMachine: Machine
  #cables = new Map<string, [Veth, Veth]>()
  #podCables = new Map<string, Veth>()

  private constructor(lab: Lab, seed: number) {
    this.lab = lab
    this.world = new World(seed)
    this.runner = new Runner(this.world)
    this.#switchMachine = new Machine(this.runner, 'sw', linuxCommands())
    this.#switch = new Bridge(this.world, 'br0', macOf(0x52, 0x55, 0 as Ipv4))
    this.#switchMachine.netns.adopt(this.#switch)
    this.#switchMachine.netns.setUp(this.#switch)
    this.places.set('sw', this.#switchMachine.place)
    if (lab.underlay.ageing !== undefined) this.#switch.fdb.ageing = lab.underlay.ageing * SECOND
  }

  static async build(lab: Lab, seed: number): Promise<LabWorld> {
    const built = new LabWorld(lab, seed)
    for (const host of lab.hosts ?? []) await built.#addHost(host)
    for (const node of lab.nodes) built.#addNode(node)
    for (const pod of lab.pods ?? []) if (pod.shareNetnsOf === undefined) built.#addPod(pod)
    for (const pod of lab.pods ?? []) if (pod.shareNetnsOf !== undefined) built.#share(pod)
    built.loadRules(lab.services ?? [])
    // Let everything settle. Where the clock stands on the timer wheel is chance on a real machine; here, timers of
    // five seconds that begin with the first step fire soon after five seconds.
    await built.runner.runFor(1.0213 * SECOND)
    return built
  }

  /** kube-proxy's, flannel's and Docker's rules, written at once; conntrack stays. */
  loadRules(services: readonly LabService[]): void {
    for (const node of this.lab.nodes) {
      const { netfilter } = this.#machine(node.name).netns
      for (const [i, text] of nodeRules(this.lab, node, services).entries()) netfilter.restore(text, { noflush: i > 0 })
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
    const { netns } = this.#machine(pod.node)
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

  async #addHost(host: LabHost): Promise<void> {
    const machine = this.#plug(host.name, host.ip, host.mac, host.isolated ?? false)
    const { netns } = machine
    if (host.router) becomeRouter(netns)
    for (const address of host.loopback ?? []) await this.#shell(machine, `ip addr add ${address} dev lo`)
    if (host.behind !== undefined) {
      const { behind } = host
      const far = this.#machineOf(behind.name)
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
      if (behind.pathMtu !== undefined) {
        const destination = parseCidr(behind.ip)
        netns.main.add(route({ destination, device: near, scope: 'link', mtu: behind.pathMtu, mtuLocked: true }))
      }
    }
    for (const text of host.routes ?? []) await this.#shell(machine, `ip route add ${text}`)
  }

  #addNode(node: LabNode): void {
    const { underlay } = this.lab
    const machine = this.#plug(node.name, node.ip, node.mac, false)
    const { netns } = machine
    becomeRouter(netns)
    const eth0 = netns.devices.get('eth0') as NetDevice
    netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4(underlay.gateway), device: eth0 }))
    if (node.podCIDR !== undefined) this.#addFlannel(node, node.podCIDR, machine, eth0)
    for (const network of node.docker?.networks ?? []) this.#addDockerBridge(machine, network)
    for (const container of node.docker?.containers ?? []) this.#addContainer(machine, node, container)
    const timeouts = { tcp_timeout_established: 86_400, tcp_timeout_close_wait: 3600 }
    for (const [name, value] of Object.entries(timeouts)) {
      netns.sysctl.set(`net.netfilter.nf_conntrack_${name}`, String(value))
    }
    for (const [name, value] of Object.entries(node.sysctl ?? {})) netns.sysctl.set(name, String(value))
  }

  #addFlannel(node: LabNode, podCidr: string, machine: Machine, eth0: NetDevice): void {
    const { netns } = machine
    const subnet = parseCidr(podCidr)
    const local = parseIpv4(node.ip)
    const tunnel = this.lab.backend !== 'host-gw'
    if (tunnel) {
      const mac = vtepMac(subnet.network)
      const options = { netns, vni: 1, local, device: eth0, port: 8472, learning: false }
      const flannel = new VxlanDevice(this.world, 'flannel.1', mac, options)
      netns.adopt(flannel)
      netns.addAddress(flannel, subnet.network, 32, null)
      netns.setUp(flannel)
      for (const peer of this.lab.nodes) {
        if (peer === node || peer.podCIDR === undefined) continue
        const remote = parseCidr(peer.podCIDR)
        netns.neighbours.add(flannel, remote.network, vtepMac(remote.network), 'PERMANENT')
        flannel.fdb.add(vtepMac(remote.network), parseIpv4(peer.ip))
        netns.main.add(route({ destination: remote, gateway: remote.network, device: flannel, onlink: true }))
      }
    } else {
      for (const peer of this.lab.nodes) {
        if (peer === node || peer.podCIDR === undefined) continue
        netns.main.add(route({ destination: parseCidr(peer.podCIDR), gateway: parseIpv4(peer.ip), device: eth0 }))
      }
    }
    const bridge = new Bridge(this.world, 'cni0', podMac(nth(subnet, 1)))
    bridge.mtu = this.#podMtu()
    installBridgeFilter(netns, bridge)
    netns.adopt(bridge)
    netns.addAddress(bridge, nth(subnet, 1), 24)
    netns.setUp(bridge)
  }

  #addPod(pod: LabPod): void {
    const machine = this.#machine(pod.node)
    if (pod.hostNetwork) return void this.places.set(pod.name, this.#podPlace(pod, machine.netns))
    const netns = new Netns(this.world, pod.name)
    const address = parseIpv4(pod.ip)
    const mac = pod.mac === undefined ? podMac(address) : parseMac(pod.mac)
    const outside = vethName(pod.name)
    const [eth0, host] = Veth.pair(this.world, 'eth0', mac, outside, macOf(0xfe, 0x58, address), POD_CABLE)
    eth0.mtu = this.#podMtu()
    host.mtu = eth0.mtu
    netns.adopt(eth0)
    machine.netns.adopt(host)
    const bridge = machine.netns.devices.get('cni0') as Bridge
    const port = bridge.attach(host)
    port.hairpin = pod.hairpin ?? true
    port.isolated = pod.isolated ?? false
    port.forwarding = !pod.later
    machine.netns.setUp(host)
    for (const [name, value] of Object.entries(pod.sysctl ?? {})) netns.sysctl.set(name, String(value))
    this.places.set(pod.name, this.#podPlace(pod, netns))
    this.#podCables.set(pod.name, host)
    if (!pod.later) this.startPod(pod.name)
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
    const gateway = nth(parseCidr(subnet), 1)
    netns.addAddress(eth0, parseIpv4(pod.ip), 24)
    netns.setUp(eth0)
    if (pod.later) this.#plugIn(name, eth0, parseIpv4(pod.ip))
    netns.main.add(route({ destination: ANYWHERE, gateway, device: eth0 }))
    netns.main.add(route({ destination: parseCidr(this.lab.clusterCIDR ?? '10.244.0.0/16'), gateway, device: eth0 }))
  }

  /** arp_notify speaks at once, before the bridge has noticed that its port has a carrier. */
  #plugIn(name: string, eth0: NetDevice, address: Ipv4): void {
    const cable = this.#podCables.get(name)
    const port = cable?.master instanceof Bridge ? cable.master.portOf(cable) : null
    this.places.get(name)?.netns.arp.announce(eth0, address)
    this.world.scheduler.call(LINKWATCH, () => {
      if (port !== null) port.forwarding = true
    })
  }

  #share(pod: LabPod): void {
    const shared = this.places.get(pod.shareNetnsOf ?? '')
    if (shared === undefined) throw new Error(`${pod.name} shares the namespace of an unknown pod`)
    this.places.set(pod.name, this.#podPlace(pod, shared.netns))
  }

  #podPlace(pod: LabPod, netns: Netns): Place {
    const machine = this.#machine(pod.node)
    const place = machine.addPlace(pod.name, netns, { hostname: pod.name, programs: linuxCommands() })
    place.files.set('/etc/hosts', '127.0.0.1\tlocalhost\n')
    const { dns } = this.lab
    if (dns !== undefined && !pod.hostNetwork) {
      const search = dns.search ?? 'default.svc.cluster.local svc.cluster.local cluster.local'
      place.files.set('/etc/resolv.conf', `search ${search}\nnameserver ${dns.server}\noptions ndots:5\n`)
    }
    return place
  }

  #addDockerBridge(machine: Machine, network: LabNetwork): void {
    const { netns } = machine
    const subnet = parseCidr(network.subnet)
    const gateway = nth(subnet, 1)
    const bridge = new Bridge(this.world, network.bridge ?? network.name, macOf(0x02, 0x42, gateway))
    installBridgeFilter(netns, bridge)
    netns.adopt(bridge)
    netns.addAddress(bridge, gateway, subnet.prefix)
    netns.setUp(bridge)
  }

  #addContainer(machine: Machine, node: LabNode, container: LabContainer): void {
    const programs = linuxCommands()
    const network = node.docker?.networks.find((each) => each.name === container.network)
    const { netns: host } = machine
    if (container.network === 'host') {
      this.places.set(container.name, machine.addPlace(container.name, host, { hostname: node.name, programs }))
      return
    }
    if (container.network.startsWith('container:')) {
      const other = this.places.get(container.network.slice('container:'.length))
      if (other === undefined) throw new Error(`${container.name} joins an unknown container`)
      const options = { hostname: other.hostname, programs }
      this.places.set(container.name, machine.addPlace(container.name, other.netns, options))
      return
    }
    const netns = new Netns(this.world, container.name)
    this.places.set(container.name, machine.addPlace(container.name, netns, { hostname: container.name, programs }))
    if (network === undefined || container.ip === undefined) return
    const subnet = parseCidr(network.subnet)
    const address = parseIpv4(container.ip)
    const outside = vethName(container.name)
    const mac = macOf(0x02, 0x42, address)
    const [eth0, port] = Veth.pair(this.world, 'eth0', mac, outside, macOf(0xfe, 0x58, address), POD_CABLE)
    netns.adopt(eth0)
    host.adopt(port)
    ;(host.devices.get(network.bridge ?? network.name) as Bridge).attach(port)
    host.setUp(port)
    netns.addAddress(eth0, address, subnet.prefix)
    netns.setUp(eth0)
    const gateway = network.gateway === undefined ? nth(subnet, 1) : parseIpv4(network.gateway)
    netns.main.add(route({ destination: ANYWHERE, gateway, device: eth0 }))
  }

  /** A machine with eth0 on the switch. */
  #plug(name: string, ip: string, mac: string | undefined, isolated: boolean): Machine {
    const machine = this.#machineOf(name)
    const { netns } = this.#switchMachine
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

  #machineOf(name: string): Machine {
    const machine = new Machine(this.runner, name, linuxCommands())
    this.machines.set(name, machine)
    this.places.set(name, machine.place)
    return machine
  }

  #machine(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`the lab has no machine ${name}`)
    return machine
  }

  #podMtu(): number {
    const { backend, underlay } = this.lab
    return (underlay.mtu ?? 1500) - (backend === 'host-gw' ? 0 : VXLAN_OVERHEAD)
  }

  async #shell(machine: Machine, line: string): Promise<void> {
    let said = ''
    const keep = (text: string) => {
      said += text
    }
    const code = await this.runner.until(machine.place.shell(line, { out: keep, err: keep }).exit)
    if (code !== 0) throw new Error(`${machine.name}: ${line}: ${said}`)
  }
}

function becomeRouter(netns: Netns): void {
  netns.sysctl.set('net.ipv4.ip_forward', '1')
  netns.sysctl.set('net.ipv4.conf.all.route_localnet', '1')
}

function podMac(address: Ipv4): Mac {
  return macOf(0x0a, 0x58, address)
}

function nodeMac(address: string): Mac {
  return macOf(0x52, 0x54, parseIpv4(address))
}

function vtepMac(subnet: Ipv4): Mac {
  return macOf(0x06, 0xf1, subnet)
}
