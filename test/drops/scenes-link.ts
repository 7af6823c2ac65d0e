/** Drops of devices, cables, queues and bridges. */
import { Bridge } from '../../src/link/bridge.ts'
import { PortState } from '../../src/link/bridge-state.ts'
import { Tbf } from '../../src/link/qdisc-tbf.ts'
import { installBridgeFilter } from '../../src/net/br-netfilter.ts'
import { MAC_BROADCAST, type Mac, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import { inEthernet, inIpv4, payload } from '../support/packets.ts'
import { frameOf } from '../support/world.ts'
import { FAR_MAC, HOST_MAC, PEER, type Scenes, type Site, scene } from './site.ts'

const SOMEBODY = parseMac('02:00:00:00:00:77')
const BRIDGE_MAC = parseMac('02:00:00:00:00:bb')

function raw(to: Mac, from: Mac = FAR_MAC, length = 46, type = 0x9999): Uint8Array {
  return inEthernet(to, from, type, payload(length))
}

function tbf(site: Site): void {
  site.eth0.qdisc = new Tbf(site.eth0, site.world.scheduler, { rate: 1000, burst: 1600, limit: 3000 })
}

function sends(site: Site, count = 1, length = 1000): void {
  for (let i = 0; i < count; i++) site.eth0.send(frameOf(site.world, raw(FAR_MAC, HOST_MAC, length)))
}

/** eth0 and eth1 become ports of br0. */
function bridged(site: Site): Bridge {
  const { host, world, eth0, eth1 } = site
  const bridge = new Bridge(world, 'br0', BRIDGE_MAC)
  host.adopt(bridge)
  host.setUp(bridge)
  for (const device of [eth0, eth1]) bridge.attach(device)
  site.run(2)
  return bridge
}

/** DNAT at the port, to where no route leads: the host itself is to say so (measured: IP_INNOROUTES at ip_error). */
export const unroutable = scene('host', (site) => {
  installBridgeFilter(site.host, bridged(site))
  site.forwards()
  site.rule('-t nat -A PREROUTING -d 10.9.0.3 -j DNAT --to-destination 66.6.6.6')
  const packet = inIpv4(PEER, parseIpv4('10.9.0.3'), 99, payload(20))
  site.arrives(inEthernet(SOMEBODY, FAR_MAC, ethernet.ETH_P_IP, packet))
})

export const link: Scenes = {
  FrameTooShort: scene('host', (site) => site.arrives(new Uint8Array(9))),
  DeviceDown: scene('host/eth0', (site) => {
    site.host.setDown(site.eth0)
    sends(site)
  }),
  NoCarrier: scene('host/eth0', (site) => {
    site.eth0.plugged = false
    sends(site)
  }),
  ReceiverDown: scene('far', (site) => {
    site.host.setDown(site.eth0)
    site.arrives(raw(HOST_MAC))
  }),
  Unplugged: scene('host/eth0', (site) => {
    site.far.send(frameOf(site.world, raw(HOST_MAC)))
    site.far.plugged = false
  }),
  Teardown: scene('host/eth0', (site) => {
    site.far.send(frameOf(site.world, raw(HOST_MAC)))
    site.far.destroy()
  }),
  FrameTooLong: scene('host/eth0', (site) => {
    site.eth0.mtu = 500
    site.arrives(raw(HOST_MAC, FAR_MAC, 900))
  }),
  Impaired: scene('far', (site) => {
    site.far.setNetem({ loss: 1 })
    site.arrives(raw(HOST_MAC))
  }),
  QueueFull: scene('host/eth0', (site) => {
    tbf(site)
    sends(site, 5)
  }),
  QueueReset: scene('host/eth0', (site) => {
    tbf(site)
    sends(site, 3)
    site.eth0.qdisc?.reset()
  }),
  SourceMac: scene('host/eth0', (site) => {
    bridged(site)
    site.arrives(raw(SOMEBODY, MAC_BROADCAST))
  }),
  MacControl: scene('host/eth0', (site) => {
    bridged(site)
    site.arrives(raw(parseMac('01:80:c2:00:00:01')))
  }),
  PortState: scene('host/eth0', (site) => {
    bridged(site).ports[0].state = PortState.learning
    site.arrives(raw(SOMEBODY))
  }),
  NoPort: scene('host/br0', (site) => {
    bridged(site).ports[1].flooding = false
    site.arrives(raw(SOMEBODY))
  }),
  SamePort: scene('host/eth0', (site) => {
    const bridge = bridged(site)
    bridge.fdb.add(SOMEBODY, bridge.ports[0])
    site.arrives(raw(SOMEBODY))
  }),
  Isolated: scene('host/eth1', (site) => {
    const bridge = bridged(site)
    bridge.fdb.add(SOMEBODY, bridge.ports[1])
    for (const port of bridge.ports) port.isolated = true
    site.arrives(raw(SOMEBODY))
  }),
  PortDown: scene('host/eth1', (site) => {
    const bridge = bridged(site)
    bridge.fdb.add(SOMEBODY, bridge.ports[1])
    bridge.ports[1].state = PortState.disabled
    site.arrives(raw(SOMEBODY))
  }),
  Vlan: scene('host/eth0', (site) => {
    const bridge = bridged(site)
    bridge.vlanFiltering = true
    bridge.ports[0].vlans.remove(1)
    site.arrives(raw(SOMEBODY))
  }),
  LockedPort: scene('host/eth0', (site) => {
    bridged(site).ports[0].locked = true
    site.arrives(raw(SOMEBODY))
  }),
  BridgedHeader: scene('host/br0', (site) => {
    installBridgeFilter(site.host, bridged(site))
    site.rule('-A FORWARD -j ACCEPT')
    site.arrives(raw(SOMEBODY, FAR_MAC, 46, ethernet.ETH_P_IP))
  }),
  BridgedMartian: scene('host/br0', (site) => {
    installBridgeFilter(site.host, bridged(site))
    site.forwards()
    site.rule('-t nat -A PREROUTING -d 10.9.0.3 -j DNAT --to-destination 127.0.0.1')
    const packet = inIpv4(PEER, parseIpv4('10.9.0.3'), 99, payload(20))
    site.arrives(inEthernet(SOMEBODY, FAR_MAC, ethernet.ETH_P_IP, packet))
  }),
}
