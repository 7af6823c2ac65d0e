/** Calico on a lab's node: no bridge; a /32 route per pod, and a next hop that proxy ARP answers for. */
import type { Machine } from '../host/machine.ts'
import type { NetDevice } from '../link/device.ts'
import { Veth } from '../link/veth.ts'
import { Netns } from '../net/netns.ts'
import { route } from '../net/route.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'
import { cidrOf, type Ipv4, type Mac, macOf, parseCidr, parseIpv4, parseMac } from '../wire/address.ts'
import type { LabNode, LabPod } from './lab-file.ts'
import { ANYWHERE, type LabSite, POD_CABLE, podMac, sha1 } from './lab-site.ts'

/** What every pod has as its gateway; no interface has it. */
const GATEWAY = parseIpv4('169.254.1.1')
const WORKLOAD_MAC = parseMac('ee:ee:ee:ee:ee:ee')
/** Calico's IPAM gives a node blocks of this size. */
const BLOCK = 26
/** Felix's route protocol in VXLAN mode, and BIRD's. */
const FELIX = 80
const BIRD = 12

export function caliName(pod: string): string {
  return `cali${sha1(`default.${pod}`).slice(0, 11)}`
}

export function addCalico(site: LabSite, node: LabNode, podCidr: string, machine: Machine, eth0: NetDevice): void {
  const { netns } = machine
  const tunnel = site.lab.backend !== 'host-gw'
  const own = parseCidr(podCidr).network
  const protocol = tunnel ? FELIX : BIRD
  let vxlan: VxlanDevice | null = null
  if (tunnel) {
    const options = { netns, vni: 4096, local: parseIpv4(node.ip), device: eth0, port: 4789, learning: false }
    vxlan = new VxlanDevice(site.world, 'vxlan.calico', vtepMac(own), options)
    vxlan.mtu = site.tunnelMtu(eth0)
    netns.adopt(vxlan)
    netns.addAddress(vxlan, own, 32, null)
    netns.setUp(vxlan)
  }
  netns.main.add(route({ type: 'blackhole', destination: cidrOf(own, BLOCK), protocol }))
  for (const peer of site.lab.nodes) {
    if (peer === node || peer.podCIDR === undefined) continue
    const remote = parseCidr(peer.podCIDR).network
    const destination = cidrOf(remote, BLOCK)
    if (vxlan === null) {
      netns.main.add(route({ destination, gateway: parseIpv4(peer.ip), device: eth0, protocol }))
      continue
    }
    netns.neighbours.add(vxlan, remote, vtepMac(remote), 'PERMANENT')
    vxlan.fdb.add(vtepMac(remote), parseIpv4(peer.ip))
    netns.main.add(route({ destination, gateway: remote, device: vxlan, onlink: true, protocol }))
  }
}

/** The pod's namespace and cable; returns the host's end. */
export function addCalicoPod(site: LabSite, pod: LabPod): { netns: Netns; host: Veth } {
  const machine = site.machine(pod.node)
  const netns = new Netns(site.world, pod.name, machine.netns)
  const mac = pod.mac === undefined ? podMac(parseIpv4(pod.ip)) : parseMac(pod.mac)
  const name = caliName(pod.name)
  const [eth0, host] = Veth.pair(site.world, 'eth0', mac, name, WORKLOAD_MAC, POD_CABLE)
  eth0.mtu = site.podMtu()
  host.mtu = eth0.mtu
  netns.adopt(eth0)
  machine.netns.adopt(host)
  for (const [key, value] of Object.entries({ route_localnet: 1, rp_filter: 1, proxy_arp: 1, forwarding: 1 })) {
    machine.netns.sysctl.set(`net.ipv4.conf.${name}.${key}`, String(value))
  }
  machine.netns.sysctl.set(`net.ipv4.neigh.${name}.proxy_delay`, '0')
  machine.netns.setUp(host)
  return { netns, host }
}

/** What CNI ADD does: a /32, the gateway as a neighbour, and the node's route to the pod. */
export function startCalicoPod(site: LabSite, pod: LabPod, netns: Netns, eth0: NetDevice): void {
  const address = parseIpv4(pod.ip)
  netns.addAddress(eth0, address, 32, null)
  netns.setUp(eth0)
  netns.main.add(route({ destination: cidrOf(GATEWAY, 32), device: eth0, scope: 'link' }))
  netns.main.add(route({ destination: ANYWHERE, gateway: GATEWAY, device: eth0 }))
  const node = site.machine(pod.node).netns
  const device = node.devices.get(caliName(pod.name)) ?? null
  node.main.add(route({ destination: cidrOf(address, 32), device, scope: 'link' }))
}

function vtepMac(subnet: Ipv4): Mac {
  return macOf(0x66, 0xca, subnet)
}
