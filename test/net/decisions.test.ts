/** What IPv4, ARP, the neighbour table and br_netfilter tell of their decisions. Every entry stands in its command's output. */
import { afterEach, expect, test } from 'vitest'
import { Bridge } from '../../src/link/bridge.ts'
import { journal } from '../../src/link/flow-cache.ts'
import { Veth } from '../../src/link/veth.ts'
import type { World } from '../../src/link/world.ts'
import { installBridgeFilter } from '../../src/net/br-netfilter.ts'
import { NextHops } from '../../src/net/multipath.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { rule } from '../../src/net/rules.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { formatMac, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { listen } from '../support/decisions.ts'
import { misspelt } from '../support/printed.ts'
import { defaultRoute, join, mac, newWorld, ping } from './network.ts'

let traced: World | null = null

afterEach(() => {
  traced?.untrace()
  expect(traced?.frames.inUse).toBe(0)
  expect(journal.open).toBe(false)
})

/** Tells by namespace, and checks every entry while its decision is taken. */
function watched(world: World, ...all: Netns[]) {
  traced = world
  const told = listen(world)
  const faults: (string | null)[] = []
  told.onDecision = (where, decision) => {
    const netns = all.find(({ name }) => where === name || where.startsWith(`${name}/`)) ?? null
    const fault = misspelt(netns, where, decision)
    if (fault !== null) faults.push(fault)
  }
  /** What was told at the place since the last call. */
  return (place: string, seconds = 1) => {
    world.scheduler.run(world.scheduler.now + seconds * SECOND)
    expect(faults).toEqual([])
    return told
      .take()
      .filter((line) => line.startsWith(place))
      .map((line) => line.slice(line.indexOf(': ') + 2))
  }
}

/** a 10.1.0.1 ── 10.1.0.254 router 10.2.0.254 ── 10.2.0.1 b */
function routed() {
  const world = newWorld()
  const [a, router, b] = ['a', 'router', 'b'].map((name) => new Netns(world, name))
  router.sysctl.set('net.ipv4.ip_forward', '1')
  join(world, a, '10.1.0.1/24', router, '10.1.0.254/24')
  const [bDevice, far] = join(world, b, '10.2.0.1/24', router, '10.2.0.254/24', ['eth0', 'eth1'])
  defaultRoute(a, '10.1.0.254')
  defaultRoute(b, '10.2.0.254')
  return { world, a, b, router, bDevice, far, at: watched(world, a, router, b) }
}

test('a router: the route, those that lost, the TTL, and ARP for what waits', () => {
  const { a, router, at, far, bDevice } = routed()
  router.main.add(route({ destination: parseCidr('10.2.0.0/16'), device: far, scope: 'link' }))
  router.main.add(route({ destination: parseCidr('10.2.0.0/24'), device: far, scope: 'link', metric: 50 }))
  defaultRoute(router, '10.2.0.1')
  ping(a, '10.2.0.1')
  const lines = at('router')
  expect(lines).toContain(
    'to 10.2.0.1 by the best route of table main, rather than ' +
      '10.2.0.0/24 dev eth1 scope link metric 50 (metric 50, not 0), ' +
      '10.2.0.0/16 dev eth1 scope link (shorter prefix), default via 10.2.0.1 dev eth1 (shorter prefix): ' +
      '10.2.0.0/24 dev eth1 proto kernel scope link src 10.2.0.254',
  )
  expect(lines).toContain('forwarded: TTL 64 → 63')
  expect(lines).toContain('asks who has 10.2.0.1, for packet 1, which waits: 10.2.0.1 dev eth1 INCOMPLETE')
  expect(lines).toContain('waits for ARP to find 10.2.0.1: 10.2.0.1 dev eth1 INCOMPLETE')
  expect(lines).toContain(`the next hop is known: 10.2.0.1 dev eth1 lladdr ${formatMac(bDevice.mac)} REACHABLE`)
})

test('an expired TTL, and the answer that names the packet', () => {
  const { a, at } = routed()
  ping(a, '10.2.0.1', 1, 1)
  const lines = at('router')
  expect(lines).toContain('TTL 1: not to be forwarded any more')
  expect(lines).toContain('answers packet 1: time exceeded in transit')
  expect(lines).toContain("the source address is chosen: the route's own (src): src 10.1.0.254")
})

test('no route, no forwarding, and routes that refuse', () => {
  const { a, router, at } = routed()
  ping(a, '203.0.113.1')
  expect(at('router')).toContain('no route leads to 203.0.113.1')
  router.main.add(route({ type: 'blackhole', destination: parseCidr('203.0.113.0/24') }))
  ping(a, '203.0.113.1', 2)
  expect(at('router')).toContain('a blackhole route of table main refuses 203.0.113.1: blackhole 203.0.113.0/24')
  router.sysctl.set('net.ipv4.ip_forward', '0')
  ping(a, '10.2.0.1', 3)
  expect(at('router')).toContain(
    '10.2.0.1 is not an address of this host, and what comes in by eth0 is not forwarded: net.ipv4.ip_forward = 0',
  )
})

test('rp_filter says which way the answers would go', () => {
  const { a, router, at, far } = routed()
  router.sysctl.set('net.ipv4.conf.all.rp_filter', '1')
  router.main.add(route({ destination: parseCidr('10.1.0.1/32'), device: far, scope: 'link' }))
  ping(a, '10.2.0.1')
  expect(at('router', 5)).toContain('asks for 10.1.0.254, but cannot be by whom it says: not answered')
  const [, near] = router.devices.values()
  a.neighbours.add(a.devices.get('eth0') as Veth, parseIpv4('10.1.0.254'), near.mac, 'PERMANENT')
  ping(a, '10.2.0.1', 2)
  expect(at('router')).toContain(
    '10.1.0.1 came in by eth0, but answers go by 10.1.0.1 dev eth1 scope link: rp_filter (strict) refuses it: ' +
      'net.ipv4.conf.all.rp_filter = 1',
  )
})

test('too long with DF: said, answered, and learnt', () => {
  const { a, far, at } = routed()
  far.mtu = 1400
  ping(a, '10.2.0.1', 1, 64, 1472)
  const lines = at('')
  expect(lines).toContain(
    '1500 bytes are more than the 1400 that may leave by eth1, and DF forbids to cut them: mtu 1400',
  )
  expect(lines).toContain('answers packet 1: fragmentation needed, to fit 1400 bytes')
  expect(lines).toContain('learnt: the path to 10.2.0.1 takes so much: mtu 1400')
  ping(a, '10.2.0.1', 2, 64, 100)
  expect(at('a')).toContain('ICMP taught how much the path takes: mtu 1400')
})

test('fragments: cut, each a piece of the packet, and put together', () => {
  const { a, at } = routed()
  ping(a, '10.2.0.1', 1, 64, 4000, 0)
  const lines = at('')
  expect(lines).toContain('cut into 3 fragments: 4028 bytes are more than the 1500 that may leave at once')
  expect(lines).toContain('fragment 3 of 3 of packet 1')
  expect(lines.filter((line) => line.startsWith('fragment: bytes'))).toEqual([
    'fragment: bytes 0 to 1479 of datagram 1 wait for the rest (1 fragment so far)',
    'fragment: bytes 1480 to 2959 of datagram 1 wait for the rest (2 fragments so far)',
    'fragment: bytes 2960 to 4007 of datagram 1, the last that was missing',
    ...[0, 1, 2].map(() => expect.stringContaining('fragment: bytes')),
  ])
  expect(lines.some((line) => /^put together of 3 fragments of packet \d+$/.test(line))).toBe(true)
})

test('a neighbour that does not answer', () => {
  const { a, at } = routed()
  ping(a, '10.1.0.77')
  const lines = at('a', 5)
  expect(lines).toContain('10.1.0.77 did not answer ARP on eth0, asked 6 times: 10.1.0.77 dev eth0 FAILED')
  expect(lines).toContain('answers packet 1: host unreachable')
})

test('questions: ignored, for others, answered for others', () => {
  const { a, router, at } = routed()
  router.sysctl.set('net.ipv4.conf.eth0.arp_ignore', '8')
  ping(a, '10.1.0.254')
  expect(at('router', 5)).toContain(
    'asks for 10.1.0.254, which is ours but not to be told on eth0: net.ipv4.conf.eth0.arp_ignore = 8',
  )
  router.sysctl.set('net.ipv4.conf.eth0.arp_ignore', '0')
  ping(a, '10.1.0.77')
  expect(at('router', 5)).toContain('asks for 10.1.0.77, which is no address of this host')
  router.sysctl.set('net.ipv4.conf.all.proxy_arp', '1')
  a.main.add(route({ destination: parseCidr('10.2.0.0/16'), device: a.devices.get('eth0') as Veth, scope: 'link' }))
  ping(a, '10.2.0.1')
  const lines = at('router', 5)
  expect(lines).toContain('asks for 10.2.0.1, for which this host answers, a random while later')
  const answer = /^answers packet \d+ for 10.2.0.1, which lies behind eth1: net.ipv4.conf.all.proxy_arp = 1$/
  expect(lines.some((line) => answer.test(line))).toBe(true)
})

test('rules of one’s own are told, and the hop of a multipath route', () => {
  const { a, router, far, at } = routed()
  router.fib.rules.add(rule({ priority: 10, from: parseCidr('10.1.0.0/24'), table: 100 }))
  const hops = ['10.2.0.1', '10.2.0.2'].map((gateway) =>
    route({ destination: parseCidr('0.0.0.0/0'), gateway: parseIpv4(gateway), device: far }),
  )
  const multipath = new NextHops(hops, [1, 1])
  router.fib.table(100).add(route({ destination: parseCidr('0.0.0.0/0'), multipath }))
  ping(a, '10.2.0.1')
  const lines = at('router', 5)
  expect(lines).toContain('the rule names table 100: 10:\tfrom 10.1.0.0/24 lookup 100')
  expect(lines).toContain('to 10.2.0.1 by the only route of table 100 that fits: default')
  const hop = /^next hop [12] of 2, by the hash of the flow: nexthop via 10.2.0.[12] dev eth1 weight 1$/
  expect(lines.some((line) => hop.test(line))).toBe(true)
})

test('what this host says to itself, and to all', () => {
  const { a, at } = routed()
  Sockets.of(a)
  ping(a, '10.1.0.1')
  expect(at('a')).toEqual([
    '10.1.0.1 is an address of this host (table local): local 10.1.0.1 dev eth0 proto kernel scope host src 10.1.0.1',
    'it stays on this host: sent by lo, and received by it',
    '10.1.0.1 is an address of this host (table local): local 10.1.0.1 dev eth0 proto kernel scope host src 10.1.0.1',
    expect.stringMatching(/^answers packet \d+: echo reply$/),
    '10.1.0.1 is an address of this host (table local): local 10.1.0.1 dev eth0 proto kernel scope host src 10.1.0.1',
    'it stays on this host: sent by lo, and received by it',
    '10.1.0.1 is an address of this host (table local): local 10.1.0.1 dev eth0 proto kernel scope host src 10.1.0.1',
    'dropped: NoSocket',
  ])
  ping(a, '10.1.0.255')
  const lines = at('')
  expect(lines).toContain('10.1.0.255 is for many: no neighbour is asked, it goes to ff:ff:ff:ff:ff:ff')
  expect(lines).toContain('the echo is not answered: net.ipv4.icmp_echo_ignore_broadcasts = 1')
})

/** Two stations on br0 of a host with br_netfilter and a DNAT of 10.5.0.9 to the second station, 10.1.0.2. */
function bridged(call: string) {
  const world = newWorld()
  const host = new Netns(world, 'host')
  host.sysctl.set('net.ipv4.ip_forward', '1')
  host.sysctl.set('net.bridge.bridge-nf-call-iptables', call)
  const br0 = new Bridge(world, 'br0', mac(100))
  installBridgeFilter(host, br0)
  host.adopt(br0)
  host.addAddress(br0, parseIpv4('10.1.0.254'), 24)
  host.setUp(br0)
  const stations = [1, 2].map((n) => {
    const netns = new Netns(world, `s${n}`)
    const [eth0, port] = Veth.pair(world, 'eth0', mac(n), `veth${n}`, mac(n + 50))
    netns.adopt(eth0)
    netns.addAddress(eth0, parseIpv4(`10.1.0.${n}`), 24)
    netns.setUp(eth0)
    host.adopt(port)
    br0.attach(port)
    host.setUp(port)
    defaultRoute(netns, '10.1.0.254')
    return netns
  })
  host.netfilter.restore('*nat\n-A PREROUTING -d 10.5.0.9 -j DNAT --to-destination 10.1.0.2\nCOMMIT\n')
  return { stations, at: watched(world, host, ...stations) }
}

test('br_netfilter: at the port, waiting for ARP, resumed, and between the ports', () => {
  const { stations, at } = bridged('1')
  ping(stations[0], '10.5.0.9')
  const first = at('host')
  expect(first).toContain(
    'br_netfilter: PREROUTING runs at port veth1, before br0 decides where the frame goes: ' +
      'net.bridge.bridge-nf-call-iptables = 1',
  )
  expect(first).toContain('the new destination is a station on br0 itself, whose MAC must be sure first')
  expect(first).toContain('with the MAC of its new destination it goes on at port veth1, where it came in')
  expect(first).toContain('br_netfilter: FORWARD and POSTROUTING run between the ports veth1 and veth2')
  ping(stations[0], '10.5.0.9', 2)
  expect(at('host')).toContain(
    'the new destination is a station on br0 itself: the frame gets its MAC and stays on the bridge: ' +
      '10.1.0.2 dev br0 lladdr 02:00:00:00:00:02 REACHABLE',
  )
})

test('br_netfilter switched off', () => {
  const { stations, at } = bridged('0')
  ping(stations[0], '10.1.0.2')
  expect(at('host')).toContain('iptables do not see what br0 forwards: net.bridge.bridge-nf-call-iptables = 0')
})

test('frames for another host are for another host', () => {
  const { a, router, at } = routed()
  a.neighbours.add(a.devices.get('eth0') as Veth, parseIpv4('10.1.0.254'), mac(99), 'PERMANENT')
  ping(a, '10.1.0.254')
  expect(at('router')[0]).toMatch(
    /^sent to 02:00:00:00:00:63, which is not eth0's address: for another host: link\/ether/,
  )
  expect(router.counters.ipInReceives).toBe(0)
})

test('what happens in another world is not told', () => {
  const { a, at } = routed()
  const other = newWorld()
  const lonely = new Netns(other, 'lonely')
  ping(lonely, '127.0.0.1')
  other.scheduler.run(SECOND)
  ping(a, '10.2.0.1')
  expect(at('lonely')).toEqual([])
  expect(other.frames.inUse).toBe(0)
})
