/**
 * The networks of the workloads, out of the same devices, namespaces and rules as every podwire world. Every cable
 * has a delay, so that every hop is an event; ARP is warm.
 *
 *   W1 bridge    A ── br0 ── B
 *   W2 route     A ── router ── B
 *   W3 service   A ── cni0 (br_netfilter, kube-proxy) ── B        A calls 10.96.0.10:53, B serves 8053
 *   W4 overlay   A ── cni0/flannel.1 ── switch ── flannel.1/cni0 ── B   the same call, through VXLAN
 */
import { NftablesMode } from '../kube/proxy-nftables.ts'
import { kubeProxyRules } from '../kube/proxy-rules.ts'
import type { ProxyService } from '../kube/proxy-services.ts'
import { Bridge } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { Veth } from '../link/veth.ts'
import { World } from '../link/world.ts'
import { installBridgeFilter } from '../net/br-netfilter.ts'
import { Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { MICROSECOND } from '../sim/scheduler.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'
import { formatIpv4, type Ipv4, type Mac, parseCidr, parseIpv4 } from '../wire/address.ts'

export const VIP = '10.96.0.10'
export const SERVICE_PORT = 53
export const BACKEND_PORT = 8053

/** Delays of every cable. */
export const CABLE = { delay: MICROSECOND }
export const ANYWHERE = parseCidr('0.0.0.0/0')

/** What kube-proxy has to serve on the nodes: so many Services, each with the same backend. */
export interface Services {
  readonly count: number
  readonly mode: 'iptables' | 'nftables'
}

const ONE: Services = { count: 1, mode: 'iptables' }

/** Two end points and what lies between them. */
export interface Network {
  readonly world: World
  readonly a: Netns
  readonly b: Netns
  /** Where frames pass: the bridge's or router's namespace, or the nodes', in the order of the way there. */
  readonly between: readonly Netns[]
  readonly aDevice: NetDevice
  readonly bDevice: NetDevice
  /** The MAC that A's and B's frames are sent to. */
  readonly aNextHop: Mac
  readonly bNextHop: Mac
  /** Whom A calls, and at which port; the answer comes from B. */
  readonly target: string
  readonly targetPort: number
  readonly backend: string
}

function mac(last: number): Mac {
  return Uint8Array.of(2, 0, 0, 0, 0, last)
}

/** A namespace with eth0; the cable's far end is free. */
function station(world: World, name: string, address: string, own: Mac, far: string, farMac: Mac, mtu = 1500) {
  const netns = new Netns(world, name)
  const [eth0, other] = Veth.pair(world, 'eth0', own, far, farMac, CABLE)
  eth0.mtu = mtu
  other.mtu = mtu
  netns.adopt(eth0)
  netns.addAddress(eth0, parseIpv4(address), 24)
  netns.setUp(eth0)
  return { netns, eth0, other }
}

export function bridge(flowCache = false): Network {
  const world = new World(1)
  world.flowCache = flowCache
  const a = station(world, 'a', '10.1.0.1', mac(1), 'va', mac(17))
  const b = station(world, 'b', '10.1.0.2', mac(2), 'vb', mac(18))
  const middle = new Netns(world, 'br')
  const br0 = new Bridge(world, 'br0', mac(33))
  middle.adopt(br0)
  middle.setUp(br0)
  for (const port of [a.other, b.other]) {
    middle.adopt(port)
    br0.attach(port)
    middle.setUp(port)
  }
  const ends = { world, a: a.netns, b: b.netns, between: [middle], aDevice: a.eth0, bDevice: b.eth0 }
  return { ...ends, aNextHop: mac(2), bNextHop: mac(1), target: '10.1.0.2', targetPort: 9, backend: '10.1.0.2' }
}

/** `rules`: so many of the router's FORWARD chain, none of which is for this traffic. */
export function routed(flowCache = false, rules = 0): Network {
  const world = new World(1)
  world.flowCache = flowCache
  const a = station(world, 'a', '10.1.0.1', mac(1), 'va', mac(17))
  const b = station(world, 'b', '10.2.0.1', mac(2), 'vb', mac(18))
  const router = new Netns(world, 'r')
  router.sysctl.set('net.ipv4.ip_forward', '1')
  if (rules > 0) router.netfilter.restore(strangersRules(rules))
  for (const [port, address] of [
    [a.other, '10.1.0.254'],
    [b.other, '10.2.0.254'],
  ] as const) {
    router.adopt(port)
    router.addAddress(port, parseIpv4(address), 24)
    router.setUp(port)
  }
  a.netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4('10.1.0.254'), device: a.eth0 }))
  b.netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4('10.2.0.254'), device: b.eth0 }))
  const ends = { world, a: a.netns, b: b.netns, between: [router], aDevice: a.eth0, bDevice: b.eth0 }
  return { ...ends, aNextHop: mac(17), bNextHop: mac(18), target: '10.2.0.1', targetPort: 9, backend: '10.2.0.1' }
}

function strangersRules(count: number): string {
  const first = parseIpv4('172.16.0.1')
  const rule = (i: number) => `-A FORWARD -s ${formatIpv4((first + i) as Ipv4)}/32 -p tcp -m tcp --dport 80 -j DROP`
  return ['*filter', ':FORWARD ACCEPT [0:0]', ...Array.from({ length: count }, (_, i) => rule(i)), 'COMMIT', ''].join(
    '\n',
  )
}

/** A Kubernetes node with cni0 and kube-proxy's rules. */
export function node(world: World, name: string, cidr: string, own: Mac, mtu: number) {
  const { network, prefix } = parseCidr(cidr)
  const netns = new Netns(world, name)
  netns.sysctl.set('net.ipv4.ip_forward', '1')
  const cni0 = new Bridge(world, 'cni0', own)
  cni0.mtu = mtu
  installBridgeFilter(netns, cni0)
  netns.adopt(cni0)
  netns.addAddress(cni0, (network + 1) as Ipv4, prefix)
  netns.setUp(cni0)
  return { netns, cni0 }
}

function flannelNode(world: World, number: number, backend: string, mtu: number, services: Services) {
  const made = node(world, `n${number}`, `10.244.${number}.0/24`, mac(32 + number), mtu)
  serve(made.netns, backend, services)
  return made
}

/** The address of a Service, counted from 0. */
export function serviceAddress(index: number): Ipv4 {
  return (parseIpv4(VIP) + index) as Ipv4
}

function proxyServices(backend: string, count: number): ProxyService[] {
  const endpoints = [{ address: backend, port: BACKEND_PORT, local: true }]
  return Array.from({ length: count }, (_, i) => {
    const clusterIP = formatIpv4(serviceAddress(i))
    const common = { namespace: 'ns', name: `svc${i}`, portName: 'p', clusterIP, port: SERVICE_PORT, endpoints }
    const udp = { ...common, protocol: 'UDP' as const }
    // TCP for the first one only: W5 calls it.
    return i > 0 ? [udp] : [udp, { ...common, portName: 'q', protocol: 'TCP' as const }]
  }).flat()
}

const CLUSTER_CIDR = '10.244.0.0/16'

/** What kube-proxy's iptables mode writes for so many Services; the kernel's node gets the same text. */
export function serviceRules(backend: string, count: number): string {
  return kubeProxyRules(proxyServices(backend, count), { clusterCIDR: CLUSTER_CIDR })
}

export function serve(netns: Netns, backend: string, { count, mode }: Services): void {
  if (mode === 'iptables') {
    netns.netfilter.restore(serviceRules(backend, count))
    return
  }
  const options = { node: 'node', nodeIP: '192.168.50.1', clusterCIDR: CLUSTER_CIDR, serviceCIDR: '10.96.0.0/12' }
  const proxy = new NftablesMode(netns, options)
  proxy.start()
  proxy.sync(proxyServices(backend, count), { node: 'node', zone: null })
}

export function plug(at: { netns: Netns; cni0: Bridge }, port: Veth): void {
  at.netns.adopt(port)
  at.cni0.attach(port).hairpin = true
  at.netns.setUp(port)
}

export function service(flowCache = false, services = ONE): Network {
  const world = new World(1)
  world.flowCache = flowCache
  const a = station(world, 'a', '10.244.1.2', mac(1), 'va', mac(17))
  const b = station(world, 'b', '10.244.1.3', mac(2), 'vb', mac(18))
  const n1 = flannelNode(world, 1, '10.244.1.3', 1500, services)
  for (const end of [a, b]) {
    plug(n1, end.other)
    end.netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4('10.244.1.1'), device: end.eth0 }))
  }
  const ends = { world, a: a.netns, b: b.netns, between: [n1.netns], aDevice: a.eth0, bDevice: b.eth0 }
  // B answers the client itself: they share the bridge.
  const called = { target: VIP, targetPort: SERVICE_PORT, backend: '10.244.1.3' }
  return { ...ends, aNextHop: mac(33), bNextHop: mac(1), ...called }
}

export function overlay(flowCache = false): Network {
  const world = new World(1)
  world.flowCache = flowCache
  const underlay = new Netns(world, 'ul')
  const br0 = new Bridge(world, 'br0', mac(60))
  underlay.adopt(br0)
  underlay.setUp(br0)
  const pods = [
    station(world, 'a', '10.244.1.2', mac(1), 'va', mac(17), 1450),
    station(world, 'b', '10.244.2.2', mac(2), 'vb', mac(18), 1450),
  ]
  const nodes: Netns[] = []
  for (const [i, pod] of pods.entries()) {
    const number = i + 1
    const peer = 2 - i
    const { netns, cni0 } = flannelNode(world, number, '10.244.2.2', 1450, ONE)
    nodes.push(netns)
    plug({ netns, cni0 }, pod.other)
    pod.netns.main.add(route({ destination: ANYWHERE, gateway: parseIpv4(`10.244.${number}.1`), device: pod.eth0 }))
    const [eth0, port] = Veth.pair(world, 'eth0', mac(48 + number), `u${number}`, mac(64 + number), CABLE)
    netns.adopt(eth0)
    underlay.adopt(port)
    br0.attach(port)
    underlay.setUp(port)
    const local = parseIpv4(`192.168.50.${number}`)
    netns.addAddress(eth0, local, 24)
    netns.setUp(eth0)
    const options = { netns, vni: 1, local, device: eth0, port: 8472, learning: false }
    const flannel = new VxlanDevice(world, 'flannel.1', mac(80 + number), options)
    netns.adopt(flannel)
    netns.addAddress(flannel, parseIpv4(`10.244.${number}.0`), 32, null)
    netns.setUp(flannel)
    const remote = parseCidr(`10.244.${peer}.0/24`)
    netns.main.add(route({ destination: remote, gateway: remote.network, device: flannel, onlink: true }))
    netns.neighbours.add(flannel, remote.network, mac(80 + peer), 'PERMANENT')
    flannel.fdb.add(mac(80 + peer), parseIpv4(`192.168.50.${peer}`))
  }
  const [a, b] = pods
  const between = [nodes[0], underlay, nodes[1]]
  const ends = { world, a: a.netns, b: b.netns, between, aDevice: a.eth0, bDevice: b.eth0 }
  const called = { target: VIP, targetPort: SERVICE_PORT, backend: '10.244.2.2' }
  return { ...ends, aNextHop: mac(33), bNextHop: mac(34), ...called }
}
