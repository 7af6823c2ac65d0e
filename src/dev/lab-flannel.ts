/** Flannel on a lab's node: flannel.1 or routes to the nodes, and cni0. */
import type { Machine } from '../host/machine.ts'
import { Bridge } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { installBridgeFilter } from '../net/br-netfilter.ts'
import { route } from '../net/route.ts'
import { VxlanDevice } from '../tunnel/vxlan.ts'
import { type Ipv4, type Mac, macOf, nth, parseCidr, parseIpv4 } from '../wire/address.ts'
import type { LabNode } from './lab-file.ts'
import { type LabSite, podMac } from './lab-site.ts'

export function addFlannel(site: LabSite, node: LabNode, podCidr: string, machine: Machine, eth0: NetDevice): void {
  const { netns } = machine
  const subnet = parseCidr(podCidr)
  const peers = site.lab.nodes.filter((peer) => peer !== node)
  if (site.lab.backend !== 'host-gw') {
    const local = parseIpv4(node.ip)
    const options = { netns, vni: 1, local, device: eth0, port: 8472, learning: false }
    const flannel = new VxlanDevice(site.world, 'flannel.1', vtepMac(subnet.network), options)
    flannel.mtu = site.tunnelMtu(eth0)
    netns.adopt(flannel)
    netns.addAddress(flannel, subnet.network, 32, null)
    netns.setUp(flannel)
    for (const peer of peers) {
      if (peer.podCIDR === undefined) continue
      const remote = parseCidr(peer.podCIDR)
      netns.neighbours.add(flannel, remote.network, vtepMac(remote.network), 'PERMANENT')
      flannel.fdb.add(vtepMac(remote.network), parseIpv4(peer.ip))
      netns.main.add(route({ destination: remote, gateway: remote.network, device: flannel, onlink: true }))
    }
  } else {
    for (const peer of peers) {
      if (peer.podCIDR === undefined) continue
      netns.main.add(route({ destination: parseCidr(peer.podCIDR), gateway: parseIpv4(peer.ip), device: eth0 }))
    }
  }
  const bridge = new Bridge(site.world, 'cni0', podMac(nth(subnet, 1)))
  bridge.mtu = site.podMtu()
  installBridgeFilter(netns, bridge)
  netns.adopt(bridge)
  netns.addAddress(bridge, nth(subnet, 1), 24)
  netns.setUp(bridge)
}

function vtepMac(subnet: Ipv4): Mac {
  return macOf(0x06, 0xf1, subnet)
}
