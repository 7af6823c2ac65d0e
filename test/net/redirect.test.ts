/** Redirects and reverse paths. Measured on a Linux 6.18 kernel: two routers and a host on one bridge. */
import { expect, test } from 'vitest'
import { Bridge } from '../../src/link/bridge.ts'
import { Veth } from '../../src/link/veth.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { MICROSECOND, SECOND } from '../../src/sim/scheduler.ts'
import { parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { defaultRoute, join, mac, newWorld, ping, watch } from './network.ts'

/** a 10.0.0.1, its gateway r 10.0.0.254, and b 10.0.0.253 with 10.2.0.1 behind it, all on one switch. */
function oneLink() {
  const world = newWorld()
  const middle = new Bridge(world, 'switch', mac(99))
  middle.up = true
  const host = (name: string, address: string, n: number) => {
    const netns = new Netns(world, name)
    const [eth0, port] = Veth.pair(world, 'eth0', mac(n), `p-${name}`, mac(n + 50), { delay: 10 * MICROSECOND })
    netns.adopt(eth0)
    netns.addAddress(eth0, parseIpv4(address), 24)
    netns.setUp(eth0)
    port.up = true
    middle.attach(port)
    return { netns, eth0 }
  }
  const a = host('a', '10.0.0.1', 1)
  const r = host('r', '10.0.0.254', 2)
  const b = host('b', '10.0.0.253', 3)
  r.netns.sysctl.set('net.ipv4.ip_forward', '1')
  b.netns.addAddress(b.netns.loopback, parseIpv4('10.2.0.1'), 32, null)
  const destination = parseCidr('10.2.0.0/16')
  r.netns.main.add(route({ destination, gateway: parseIpv4('10.0.0.253'), device: r.eth0 }))
  defaultRoute(a.netns, '10.0.0.254')
  return { world, a: a.netns, r: r.netns, seen: watch(a.eth0) }
}

test('the first redirect has the better gateway looked for, the second is obeyed, and it is forgotten', () => {
  const { world, a, seen } = oneLink()
  const target = parseIpv4('10.2.0.1')
  const via = () => a.lookup(target)?.gateway
  world.scheduler.run(40 * SECOND)
  ping(a, '10.2.0.1')
  world.scheduler.run(41 * SECOND)
  const redirects = seen.filter((line) => line.includes('redirect'))
  expect(redirects).toEqual(['IP 10.0.0.254 > 10.0.0.1: ICMP redirect 10.2.0.1 to host 10.0.0.253, length 92'])
  expect(via()).toBe(parseIpv4('10.0.0.254'))
  ping(a, '10.2.0.1', 2)
  world.scheduler.run(42 * SECOND)
  expect(via()).toBe(parseIpv4('10.0.0.253'))
  world.scheduler.run(400 * SECOND)
  expect(via()).toBe(parseIpv4('10.0.0.254'))
  expect(world.frames.inUse).toBe(0)
})

test('whoever does not listen is told nine times, at growing distances', () => {
  const { world, a, seen } = oneLink()
  a.sysctl.set('net.ipv4.conf.all.accept_redirects', '0')
  a.sysctl.set('net.ipv4.conf.eth0.accept_redirects', '0')
  world.scheduler.run(40 * SECOND)
  for (let i = 0; i < 40; i++) {
    ping(a, '10.2.0.1', i)
    world.scheduler.run((41 + i) * SECOND)
  }
  expect(seen.filter((line) => line.includes('redirect'))).toHaveLength(9)
  expect(a.exceptions.empty).toBe(true)
})

test('a router that must not tell does not', () => {
  const { world, a, r, seen } = oneLink()
  r.sysctl.set('net.ipv4.conf.all.send_redirects', '0')
  r.sysctl.set('net.ipv4.conf.eth0.send_redirects', '0')
  world.scheduler.run(40 * SECOND)
  ping(a, '10.2.0.1')
  world.scheduler.run(41 * SECOND)
  expect(seen.filter((line) => line.includes('redirect'))).toEqual([])
})

test.each([
  ['0', '0', 1],
  ['strict', '1', 0],
  ['loose', '2', 1],
])('rp_filter %s', (_name, value, arrived) => {
  const world = newWorld()
  const [a, b] = [new Netns(world, 'a'), new Netns(world, 'b')]
  const [, far] = join(world, a, '10.1.0.1/24', b, '10.1.0.2/24', ['eth0', 'eth0'])
  const [, other] = join(world, a, '10.3.0.1/24', b, '10.3.0.2/24', ['eth1', 'eth1'])
  b.sysctl.set('net.ipv4.conf.all.rp_filter', value)
  // b would answer 10.9.0.1 by its other device.
  b.main.add(route({ destination: parseCidr('10.9.0.0/16'), device: other }))
  a.addAddress(a.loopback, parseIpv4('10.9.0.1'), 32, null)
  const eth0 = a.devices.get('eth0') ?? null
  a.main.replace(
    route({ destination: parseCidr('10.1.0.2/32'), device: eth0, source: parseIpv4('10.9.0.1'), scope: 'link' }),
  )
  // A strict b would not even answer the question for its MAC.
  if (eth0 !== null) a.neighbours.add(eth0, parseIpv4('10.1.0.2'), far.mac, 'PERMANENT')
  ping(a, '10.1.0.2')
  world.scheduler.run(SECOND)
  expect(b.counters.icmpIn[8]).toBe(arrived)
  expect(b.counters.ipReversePathFilter).toBe(1 - arrived)
})
