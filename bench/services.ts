/**
 * `npm run bench -- services`: what a packet costs on a node with so many Services, by kube-proxy's mode: the first one
 * of a flow, which asks the mode's tables, and those after it, which conntrack (and IPVS) know.
 *
 *   client ── node (kube-proxy) ── server; UDP to Services chosen all over the list, every one of them with this server
 */
import { IptablesMode } from '../src/kube/proxy-iptables.ts'
import { IpvsMode } from '../src/kube/proxy-ipvs.ts'
import type { ProxyMode, ProxyModeOptions } from '../src/kube/proxy-mode.ts'
import { NftablesMode } from '../src/kube/proxy-nftables.ts'
import type { ProxyService } from '../src/kube/proxy-services.ts'
import { Veth } from '../src/link/veth.ts'
import { World } from '../src/link/world.ts'
import { Netns } from '../src/net/netns.ts'
import { route } from '../src/net/route.ts'
import { MILLISECOND } from '../src/sim/scheduler.ts'
import { Sockets } from '../src/socket/sockets.ts'
import type { UdpSocket } from '../src/socket/udp.ts'
import { formatIpv4, type Ipv4, macOf, parseCidr, parseIpv4 } from '../src/wire/address.ts'

const modes: Readonly<Record<string, (netns: Netns, options: ProxyModeOptions) => ProxyMode>> = {
  iptables: (netns, options) => new IptablesMode(netns, options),
  ipvs: (netns, options) => new IpvsMode(netns, options),
  nftables: (netns, options) => new NftablesMode(netns, options),
}
const counts = [1, 100, 1000, 10_000]
const FLOWS = 2000
const ROUNDS = 5
/** So many flows are spent before the clock is looked at. */
const WARM = 500
const FIRST_IP = parseIpv4('10.96.0.1')

function join(world: World, a: Netns, aAddress: string, b: Netns, bAddress: string): void {
  const [left, right] = [parseIpv4(aAddress), parseIpv4(bAddress)]
  const ends = Veth.pair(world, `to-${b.name}`, macOf(2, 1, left), `to-${a.name}`, macOf(2, 2, right))
  for (const [netns, device, address] of [
    [a, ends[0], left],
    [b, ends[1], right],
  ] as const) {
    netns.adopt(device)
    netns.addAddress(device, address, 24)
    netns.setUp(device)
  }
  a.main.add(route({ destination: parseCidr('0.0.0.0/0'), gateway: right, device: ends[0] }))
}

function address(service: number): Ipv4 {
  return (FIRST_IP + service) as Ipv4
}

function services(count: number): ProxyService[] {
  return Array.from({ length: count }, (_, i) => ({
    namespace: 'default',
    name: `web-${i}`,
    protocol: 'UDP',
    clusterIP: formatIpv4(address(i)),
    port: 80,
    endpoints: [{ address: '10.1.0.2', port: 8080, local: false }],
  }))
}

interface Row {
  readonly sync: number
  readonly first: number
  readonly later: number
}

/** Milliseconds for all rules, microseconds for a packet. */
function measure(mode: string, count: number): Row {
  const world = new World(1)
  const [client, node, server] = ['client', 'node', 'server'].map((name) => new Netns(world, name))
  join(world, client, '10.0.0.2', node, '10.0.0.1')
  join(world, server, '10.1.0.2', node, '10.1.0.1')
  node.sysctl.set('net.ipv4.ip_forward', '1')
  const proxy = modes[mode](node, {
    node: 'node',
    nodeIP: '10.0.0.1',
    clusterCIDR: '10.244.0.0/16',
    serviceCIDR: '10.96.0.0/12',
  })
  proxy.start()
  const all = services(count)
  const began = performance.now()
  proxy.sync(all, { node: 'node', zone: null })
  const sync = performance.now() - began
  let heard = 0
  const listener = Sockets.of(server).udp()
  listener.bind(0 as Ipv4, 8080)
  listener.onDatagram = () => {
    heard++
  }
  const payload = new Uint8Array(20)
  const send = (sockets: readonly UdpSocket[]) => {
    const start = performance.now()
    for (const socket of sockets) {
      socket.send(payload)
      world.scheduler.run(world.scheduler.now + MILLISECOND)
    }
    return ((performance.now() - start) * 1000) / sockets.length
  }
  const flows = (number: number) =>
    Array.from({ length: number }, (_, i) => {
      const socket = Sockets.of(client).udp()
      socket.connect(address((i * 7919) % count), 80)
      return socket
    })
  const warm = flows(WARM)
  for (let round = 0; round < ROUNDS; round++) send(warm)
  const sockets = flows(FLOWS)
  const first = send(sockets)
  let later = 0
  for (let round = 0; round < ROUNDS; round++) later += send(sockets) / ROUNDS
  if (heard !== ROUNDS * WARM + (ROUNDS + 1) * FLOWS) throw new Error(`${mode}: ${heard} packets came`)
  return { sync, first, later }
}

export function serviceTable(): void {
  const line = (cells: readonly (string | number)[]) => `${cells.map((cell) => String(cell).padStart(14)).join('')}\n`
  process.stdout.write(line(['mode', 'Services', 'all rules, ms', 'first, us', 'later, us']))
  for (const mode of Object.keys(modes)) {
    for (const count of counts) {
      const { sync, first, later } = measure(mode, count)
      process.stdout.write(line([mode, count, Math.round(sync), first.toFixed(1), later.toFixed(1)]))
    }
  }
}
