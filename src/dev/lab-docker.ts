/** Docker on a lab's node: bridges, overlays and macvlans, and the containers on them. */
import type { Machine } from '../host/machine.ts'
import { Bridge } from '../link/bridge.ts'
import { type Netem, Veth } from '../link/veth.ts'
import { installBridgeFilter } from '../net/br-netfilter.ts'
import { Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'
import { ANY, type Cidr, type Ipv4, nth, parseCidr, parseIpv4 } from '../wire/address.ts'
import type { LabContainer, LabNetwork, LabNode } from './lab-file.ts'
import { ANYWHERE, dockerMac, type LabSite, POD_CABLE, VXLAN_OVERHEAD, vethMac, vethName } from './lab-site.ts'

const OVERLAY_PORT = 4789
const OVERLAY_MTU = 1500 - VXLAN_OVERHEAD
/** The bridge by which containers of an overlay reach the outside. */
const GATEWAY_BRIDGE = 'docker_gwbridge'

export async function addDocker(site: LabSite, node: LabNode, machine: Machine): Promise<void> {
  for (const network of node.docker?.networks ?? []) {
    if (network.driver === 'bridge') addBridge(site, machine, network)
    else if (network.driver === 'overlay') addOverlay(site, node, network, machine)
  }
  for (const container of node.docker?.containers ?? []) await addContainer(site, machine, node, container)
}

function addBridge(site: LabSite, machine: Machine, network: LabNetwork): void {
  const { netns } = machine
  const subnet = parseCidr(network.subnet)
  const bridge = new Bridge(site.world, bridgeName(network), dockerMac(nth(subnet, 1)))
  installBridgeFilter(netns, bridge)
  netns.adopt(bridge)
  netns.addAddress(bridge, nth(subnet, 1), subnet.prefix)
  netns.setUp(bridge)
}

/** As libnetwork does: a namespace with a bridge and a tunnel that rides on the host's own namespace. */
function addOverlay(site: LabSite, node: LabNode, network: LabNetwork, machine: Machine): void {
  const name = overlayName(node, network)
  const netns = new Netns(site.world, name, machine.netns)
  site.addPlace(machine, name, netns)
  const subnet = parseCidr(network.subnet)
  netns.sysctl.set('net.bridge.bridge-nf-call-iptables', '0')
  const bridge = new Bridge(site.world, 'br0', dockerMac(nth(subnet, 1)))
  bridge.mtu = OVERLAY_MTU
  netns.adopt(bridge)
  netns.addAddress(bridge, nth(subnet, 1), subnet.prefix)
  const random = new Uint8Array(6).map(() => site.world.random.below(256))
  random[0] = (random[0] & 0xfe) | 2
  const vni = network.vni ?? 4097
  const options = { netns: machine.netns, vni, local: ANY, device: null, port: OVERLAY_PORT, learning: true }
  const tunnel = new VxlanDevice(site.world, 'vxlan0', random, { ...options, proxy: true, l2miss: true, l3miss: true })
  tunnel.mtu = OVERLAY_MTU
  netns.adopt(tunnel)
  bridge.attach(tunnel)
  netns.setUp(tunnel)
  netns.setUp(bridge)
  for (const other of site.lab.nodes) {
    for (const container of other === node ? [] : (other.docker?.containers ?? [])) {
      if (container.network !== network.name || container.ip === undefined) continue
      const address = parseIpv4(container.ip)
      netns.neighbours.add(tunnel, address, dockerMac(address), 'PERMANENT')
      tunnel.fdb.add(dockerMac(address), parseIpv4(other.ip))
    }
  }
}

async function addContainer(site: LabSite, machine: Machine, node: LabNode, container: LabContainer): Promise<void> {
  if (container.network === 'host') {
    site.addPlace(machine, container.name, machine.netns, node.name)
    return
  }
  if (container.network.startsWith('container:')) {
    const other = site.places.get(container.network.slice('container:'.length))
    if (other === undefined) throw new Error(`${container.name} joins an unknown container`)
    site.addPlace(machine, container.name, other.netns, other.hostname)
    return
  }
  const netns = new Netns(site.world, container.name, machine.netns)
  site.addPlace(machine, container.name, netns)
  const network = node.docker?.networks.find((each) => each.name === container.network)
  if (network === undefined || container.ip === undefined) return
  const address = parseIpv4(container.ip)
  const subnet = parseCidr(network.subnet)
  if (network.driver === 'overlay') return joinOverlay(site, machine, node, container, netns, network)
  if (network.driver === 'macvlan') await addMacvlan(site, machine, container, network)
  else plug(site, netns, 'eth0', machine.netns, bridgeName(network), vethName(container.name), address, 1500)
  const eth0 = configure(netns, 'eth0', address, subnet)
  const gateway = network.gateway === undefined ? nth(subnet, 1) : parseIpv4(network.gateway)
  netns.main.add(route({ destination: ANYWHERE, gateway, device: eth0 }))
}

/** eth0 in the overlay's namespace, eth1 with the default route on docker_gwbridge. */
function joinOverlay(
  site: LabSite,
  machine: Machine,
  node: LabNode,
  container: LabContainer,
  netns: Netns,
  network: LabNetwork,
): void {
  const overlay = site.places.get(overlayName(node, network))
  const outside = node.docker?.networks.find((each) => each.driver === 'bridge' && bridgeName(each) === GATEWAY_BRIDGE)
  if (overlay === undefined || outside === undefined || container.gwip === undefined) {
    throw new Error(`${container.name} is on an overlay without ${GATEWAY_BRIDGE}`)
  }
  const address = parseIpv4(container.ip ?? '')
  const gwip = parseIpv4(container.gwip)
  plug(site, netns, 'eth0', overlay.netns, 'br0', vethName(container.name), address, OVERLAY_MTU)
  plug(site, netns, 'eth1', machine.netns, GATEWAY_BRIDGE, vethName(`${container.name}/gw`), gwip, 1500)
  configure(netns, 'eth0', address, parseCidr(network.subnet))
  const subnet = parseCidr(outside.subnet)
  const eth1 = configure(netns, 'eth1', gwip, subnet)
  netns.main.add(route({ destination: ANYWHERE, gateway: nth(subnet, 1), device: eth1 }))
}

/** A virtual MAC of its own on the parent's network. */
async function addMacvlan(
  site: LabSite,
  machine: Machine,
  container: LabContainer,
  network: LabNetwork,
): Promise<void> {
  const mac = `02:42:${[...dockerMac(parseIpv4(container.ip ?? ''))].slice(2).map(hex).join(':')}`
  const { name } = container
  machine.namespaces.set(name, site.places.get(name)?.netns as Netns)
  const what = `link ${network.parent} name eth0 netns ${name} address ${mac}`
  await site.type(machine, `ip link add ${what} type macvlan mode bridge`)
  machine.namespaces.delete(name)
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

/** A cable from a container to a bridge. */
function plug(
  site: LabSite,
  inside: Netns,
  device: string,
  outside: Netns,
  bridge: string,
  port: string,
  address: Ipv4,
  mtu: number,
): void {
  const cable: Netem = POD_CABLE
  const [near, far] = Veth.pair(site.world, device, dockerMac(address), port, vethMac(address), cable)
  near.mtu = mtu
  far.mtu = mtu
  inside.adopt(near)
  outside.adopt(far)
  ;(outside.devices.get(bridge) as Bridge).attach(far)
  outside.setUp(far)
}

function configure(netns: Netns, name: string, address: Ipv4, subnet: Cidr) {
  const device = netns.devices.get(name)
  if (device === undefined) throw new Error(`${netns.name} has no ${name}`)
  netns.addAddress(device, address, subnet.prefix)
  netns.setUp(device)
  return device
}

function bridgeName(network: LabNetwork): string {
  return network.bridge ?? network.name
}

function overlayName(node: LabNode, network: LabNetwork): string {
  return `${node.name}-${network.name}`
}
