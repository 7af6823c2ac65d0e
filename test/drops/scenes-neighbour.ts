/** Drops of ARP and of what waits for it. */
import { MAC_BROADCAST, MAC_ZERO, parseIpv4 } from '../../src/wire/address.ts'
import * as arp from '../../src/wire/arp.ts'
import { arpFrame, inIpv4, payload } from '../support/packets.ts'
import { FAR_MAC, HOST, PEER, type Scenes, type Site, scene } from './site.ts'

function question(operation: number = arp.REQUEST, target = HOST, sender = PEER): Uint8Array {
  return arpFrame(MAC_BROADCAST, { mac: FAR_MAC, address: sender }, operation, MAC_ZERO, target)
}

/** Packets for neighbours of eth1 that do not answer. */
function forOthers(site: Site, count: number, length = 20): void {
  site.forwards()
  for (let i = 0; i < count; i++) site.packet(inIpv4(PEER, parseIpv4('10.9.1.77'), 99, payload(length)))
}

export const neighbour: Scenes = {
  ArpTooShort: scene('host/eth0', (site) => site.arrives(question().subarray(0, 28))),
  ArpHeader: scene('host/eth0', (site) => {
    const bytes = question()
    bytes[18] = 5
    site.arrives(bytes)
  }),
  ArpOperation: scene('host/eth0', (site) => site.arrives(question(9))),
  ArpTarget: scene('host/eth0', (site) => site.arrives(question(arp.REQUEST, parseIpv4('224.0.0.1')))),
  ArpGratuitous: scene('host/eth0', (site) => {
    site.set('net.ipv4.conf.eth0.drop_gratuitous_arp', 1)
    site.arrives(question(arp.REQUEST, PEER))
  }),
  ArpOff: scene('host/eth0', (site) => {
    site.eth0.noArp = true
    site.arrives(question())
  }),
  ArpProxyFull: scene('host/eth0', (site) => {
    site.forwards()
    site.set('net.ipv4.conf.eth0.proxy_arp', 1)
    site.set('net.ipv4.neigh.eth0.proxy_qlen', 0)
    for (let i = 0; i < 3; i++) site.far.send(frame(site, question(arp.REQUEST, parseIpv4('10.9.1.9'))))
    site.run(5)
  }),
  NeighbourTableFull: scene('host/eth1', (site) => {
    for (const limit of [1, 2, 3]) site.set(`net.ipv4.neigh.default.gc_thresh${limit}`, 1)
    forOthers(site, 1)
  }),
  NeighbourFailed: scene('host/eth1', (site) => {
    forOthers(site, 1)
    site.run(5)
  }),
  NeighbourQueueFull: scene('host/eth1', (site) => {
    site.set('net.ipv4.neigh.eth1.unres_qlen_bytes', 2000)
    forOthers(site, 5, 500)
  }),
  NeighbourGone: scene('host/eth1', (site) => {
    forOthers(site, 2)
    site.host.neighbours.flush(site.eth1)
  }),
}

function frame(site: Site, bytes: Uint8Array) {
  const made = site.world.frames.take(bytes.length)
  made.bytes.set(bytes, made.start)
  made.end = made.start + bytes.length
  return made
}
