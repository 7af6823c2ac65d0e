/** What is shared or made late must not show: each namespace behaves as if it had everything of its own from the beginning. */
import { expect, test } from 'vitest'
import { Bridge } from '../../src/link/bridge.ts'
import { Netns } from '../../src/net/netns.ts'
import { Random } from '../../src/sim/random.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { join, newWorld, ping } from './network.ts'

/** A bridge of this name, as a device without an address. */
function device(netns: Netns, name: string): Bridge {
  const made = new Bridge(netns.world, name, new Uint8Array([2, 0, 0, 0, 0, name.charCodeAt(1)]))
  netns.adopt(made)
  return made
}

// The first two numbers are a kernel's own, by the same commands in a namespace whose lo is up; further namespaces have no
// neigh.default there, and what it reaches follows neigh_copy_dflt_parms.
test('devices follow default until they have an address, and begin with what default has', () => {
  const netns = new Netns(newWorld(), 'a')
  const set = (name: string, value: number) => netns.sysctl.set(`net.ipv4.${name}`, String(value))
  device(netns, 'v0')
  netns.addAddress(device(netns, 'v1'), parseIpv4('10.0.0.1'), 24)
  set('conf.default.rp_filter', 2)
  set('conf.default.disable_policy', 1)
  set('neigh.default.gc_stale_time', 61)
  set('neigh.default.unres_qlen', 3)
  device(netns, 'v2')
  set('conf.default.disable_policy', 0)
  device(netns, 'v4')
  const seen = ['lo', 'v0', 'v1', 'v2', 'v4'].map((each) => [
    each,
    ...[`conf.${each}.rp_filter`, `conf.${each}.disable_policy`].map((name) => netns.sysctl.get(`net.ipv4.${name}`)),
    ...['gc_stale_time', 'unres_qlen_bytes'].map((name) => netns.sysctl.get(`net.ipv4.neigh.${each}.${name}`)),
  ])
  expect(seen).toEqual(KERNEL)
  expect(new Netns(newWorld(), 'b').sysctl.get('net.ipv4.conf.default.rp_filter')).toBe('0')
})

const KERNEL = [
  ['lo', '0', '1', '60', '212992'],
  ['v0', '2', '0', '61', '6270'],
  ['v1', '0', '0', '60', '212992'],
  ['v2', '2', '1', '61', '6270'],
  ['v4', '2', '0', '61', '6270'],
]

test('a name that no object of ours may answer for is unknown', () => {
  const { sysctl } = new Netns(newWorld(), 'a')
  for (const name of ['constructor', '__proto__', 'toString']) {
    expect(sysctl.get(`net.ipv4.conf.lo.${name}`)).toBeNull()
    expect(sysctl.get(`net.ipv4.neigh.lo.${name}`)).toBeNull()
    expect(sysctl.set(`net.ipv4.conf.default.${name}`, '1')).toBe(false)
  }
})

test('routes, neighbours and counts of one namespace are not those of another', () => {
  const world = newWorld()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Netns(world, name))
  join(world, a, '10.1.0.1/24', b, '10.1.0.2/24', ['eth0', 'eth0'])
  const [far] = join(world, c, '10.9.0.1/24', d, '10.9.0.2/24', ['eth0', 'eth0'])
  ping(a, '10.1.0.2')
  world.scheduler.run(SECOND)
  const asked = parseIpv4('10.1.0.2')
  expect(a.lookup(asked)?.type).toBe('unicast')
  expect([c.lookup(asked), c.neighbours.find(far, asked), c.neighbours.size]).toEqual([null, null, 0])
  expect([b.counters.icmpIn[8], d.counters.icmpIn[8]]).toEqual([1, 0])
  expect(world.frames.inUse).toBe(0)
})

test('netfilter that nobody configured is not asked, and a rule makes it so', () => {
  const world = newWorld()
  const [a, b] = ['a', 'b'].map((name) => new Netns(world, name))
  join(world, a, '10.1.0.1/24', b, '10.1.0.2/24', ['eth0', 'eth0'])
  expect([b.filters, b.netfilter.conntrack.count, b.filters]).toEqual([false, 0, false])
  b.netfilter.iptables(['-A', 'INPUT', '-p', 'icmp', '-j', 'DROP'])
  expect(b.filters).toBe(true)
  ping(a, '10.1.0.2')
  world.scheduler.run(SECOND)
  expect([a.counters.icmpIn[0], b.counters.icmpIn[8]]).toEqual([0, 0])
  expect(b.netfilter.iptables(['-S', 'INPUT', '-v'])).toContain('-A INPUT -p icmp -c 1 ')
  expect(a.filters).toBe(false)
})

test('a fork gives the numbers that its origin gives from then on', () => {
  const origin = new Random(7)
  origin.int32()
  const fork = origin.fork()
  const first = Array.from({ length: 5 }, () => origin.int32())
  expect(Array.from({ length: 5 }, () => fork.int32())).toEqual(first)
})
