import { expect, test } from 'vitest'
import { NextHops } from '../../src/net/multipath.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { formatIpv4, parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import { join, newWorld, ping, watch } from './network.ts'

/** a 10.0.0.1/24 ── 10.0.0.2/24 b 10.0.1.2/24 ── 10.0.1.3/24 c; what is expected was seen on Linux 6.18. */
function chain() {
  const world = newWorld()
  const a = new Netns(world, 'a')
  const b = new Netns(world, 'b')
  const c = new Netns(world, 'c')
  const [aDevice, bDevice] = join(world, a, '10.0.0.1/24', b, '10.0.0.2/24')
  b.rename(bDevice, 'left')
  const [, cDevice] = join(world, b, '10.0.1.2/24', c, '10.0.1.3/24')
  const set = (netns: Netns, name: string, value: number) => {
    expect(netns.sysctl.set(`net.ipv4.${name}`, String(value)), name).toBe(true)
  }
  /** Does b answer a's question for this address, asked in the name of `from`? Null: never; else after how long. */
  const asks = (target: string, from = '10.0.0.1'): number | null => {
    const seen = { at: null as number | null }
    const began = world.scheduler.now
    aDevice.tap = (frame, _device, direction) => {
      const op = frame.bytes[frame.start + 21]
      if (direction === 'in' && op === 2) seen.at = world.scheduler.now - began
    }
    a.arp.send(
      aDevice,
      1,
      Uint8Array.of(255, 255, 255, 255, 255, 255),
      parseIpv4(from),
      new Uint8Array(6),
      parseIpv4(target),
    )
    world.scheduler.run(began + 2 * SECOND)
    aDevice.tap = null
    expect(world.frames.inUse).toBe(0)
    return seen.at
  }
  return { world, a, b, c, aDevice, bDevice, cDevice, set, asks }
}

test('arp_ignore: which of our addresses are answered for on this device', () => {
  const { b, bDevice, set, asks } = chain()
  const name = `conf.${bDevice.name}.arp_ignore`
  expect(asks('10.0.1.2')).not.toBeNull()
  set(b, name, 1)
  expect(asks('10.0.1.2')).toBeNull()
  expect(asks('10.0.0.2')).not.toBeNull()
  expect(asks('10.0.0.2', '10.7.0.1')).not.toBeNull()
  set(b, name, 2)
  expect(asks('10.0.0.2', '10.7.0.1')).toBeNull()
  expect(asks('10.0.0.2')).not.toBeNull()
  set(b, name, 3)
  expect(asks('10.0.1.2')).not.toBeNull()
  set(b, 'conf.all.arp_ignore', 8)
  expect(asks('10.0.0.2')).toBeNull()
})

test('arp_ignore 2: the network of an address with a peer is the peer’s', () => {
  const { b, bDevice, set, asks } = chain()
  b.addAddress(bDevice, parseIpv4('10.9.0.1'), 24, null, { peer: parseIpv4('10.8.0.2') })
  expect(asks('10.9.0.1', '10.9.0.7')).not.toBeNull()
  set(b, `conf.${bDevice.name}.arp_ignore`, 2)
  expect(asks('10.9.0.1', '10.9.0.7')).toBeNull()
})

test('arp_filter: only by the device that leads back to the asker', () => {
  const { b, bDevice, set, asks } = chain()
  b.main.add(route({ destination: parseCidr('10.7.0.0/16'), gateway: parseIpv4('10.0.1.3'), device: outOf(b) }))
  expect(asks('10.0.0.2', '10.7.0.1')).not.toBeNull()
  set(b, `conf.${bDevice.name}.arp_filter`, 1)
  expect(asks('10.0.0.2', '10.7.0.1')).toBeNull()
  expect(asks('10.0.0.2')).not.toBeNull()
})

function outOf(b: Netns) {
  const found = b.lookup(parseIpv4('10.0.1.3'))?.device
  if (found === undefined || found === null) throw new Error('b has no second device')
  return found
}

test('rp_filter: a sender who is not reached by this device gets no answer and no entry', () => {
  const { b, bDevice, cDevice, set, asks } = chain()
  b.main.add(route({ destination: parseCidr('10.9.0.0/16'), device: cDevice.peer }))
  const told = () => b.neighbours.list().some(({ address }) => formatIpv4(address) === '10.9.0.1')
  set(b, 'conf.all.rp_filter', 1)
  expect(asks('10.0.0.2', '10.9.0.1')).toBeNull()
  expect(asks('10.0.0.2', '172.16.0.1')).toBeNull()
  expect(told()).toBe(false)
  expect(asks('10.0.0.2')).not.toBeNull()
  // It counts IP packets only.
  expect(b.counters.ipReversePathFilter).toBe(0)
  set(b, 'conf.all.rp_filter', 2)
  expect(asks('10.0.0.2', '172.16.0.1')).toBeNull()
  expect(asks('10.0.0.2', '10.9.0.1')).not.toBeNull()
  expect(told()).toBe(true)
  // One hop of several is enough for strict.
  set(b, 'conf.all.rp_filter', 1)
  const hops = [bDevice, cDevice.peer].map((device) => route({ destination: parseCidr('10.8.0.0/16'), device }))
  b.main.add(route({ destination: parseCidr('10.8.0.0/16'), multipath: new NextHops(hops, [1, 1]) }))
  expect(asks('10.0.0.2', '10.8.0.1')).not.toBeNull()
})

test('proxy_arp answers for who is behind a router, within 0.8 s', () => {
  const { b, bDevice, set, asks } = chain()
  expect(asks('10.0.1.3')).toBeNull()
  set(b, `conf.${bDevice.name}.proxy_arp`, 1)
  expect(asks('10.0.1.3')).toBeNull()
  set(b, 'ip_forward', 1)
  const waited = asks('10.0.1.3') ?? Number.NaN
  expect(waited).toBeGreaterThan(0)
  expect(waited).toBeLessThan(0.85 * SECOND)
  set(b, `neigh.${bDevice.name}.proxy_delay`, 0)
  expect(asks('10.0.1.3')).toBeLessThan(0.001 * SECOND)
  // A host on the asker's own side answers for itself.
  expect(asks('10.0.0.77')).toBeNull()
  set(b, `conf.${bDevice.name}.proxy_arp`, 0)
  expect(asks('10.0.1.3')).toBeNull()
  b.neighbours.proxies.add(bDevice, parseIpv4('10.0.1.3'))
  expect(asks('10.0.1.3')).not.toBeNull()
  expect(asks('10.0.1.4')).toBeNull()
})

test('a device that goes down takes the questions with it that wait for an answer', () => {
  const { world, a, aDevice, b, bDevice, set } = chain()
  set(b, 'ip_forward', 1)
  set(b, 'conf.all.proxy_arp', 1)
  a.arp.solicit(aDevice, parseIpv4('10.0.1.3'), null, null)
  world.scheduler.run(0.001 * SECOND)
  b.setDown(bDevice)
  expect(world.frames.inUse).toBe(0)
})

test('arp_announce: whose address a question names', () => {
  const { world, b, bDevice, set } = chain()
  set(b, 'ip_forward', 1)
  const asked = (level: number): string => {
    set(b, `conf.${bDevice.name}.arp_announce`, level)
    const seen = watch(bDevice)
    const target = `10.0.0.${90 + level}`
    const frame = world.frames.take()
    frame.end = frame.start + 40
    expect(b.send(frame, parseIpv4('10.0.1.2'), parseIpv4(target), 17, 64, 0, 1, 0)).toBeNull()
    world.scheduler.run(world.scheduler.now + 0.5 * SECOND)
    bDevice.tap = null
    return seen[0]
  }
  expect(asked(0)).toContain('who-has 10.0.0.90 tell 10.0.1.2')
  expect(asked(1)).toContain('who-has 10.0.0.91 tell 10.0.0.2')
  expect(asked(2)).toContain('who-has 10.0.0.92 tell 10.0.0.2')
})

test('arp_accept makes an entry of what nobody asked for, drop_gratuitous_arp hears nothing', () => {
  const { world, a, aDevice, b, bDevice, set } = chain()
  const known = () => b.neighbours.list().map((each) => `${formatIpv4(each.address)} ${each.state}`)
  const announce = () => {
    a.arp.announce(aDevice, parseIpv4('10.0.0.1'))
    world.scheduler.run(world.scheduler.now + SECOND)
  }
  announce()
  expect(known()).toEqual([])
  set(b, `conf.${bDevice.name}.arp_accept`, 1)
  set(b, `conf.${bDevice.name}.drop_gratuitous_arp`, 1)
  announce()
  expect(known()).toEqual([])
  set(b, `conf.${bDevice.name}.drop_gratuitous_arp`, 0)
  announce()
  expect(known()).toEqual(['10.0.0.1 STALE'])
})

test('arp_notify announces the addresses when the device comes up', () => {
  const { world, a, aDevice, set } = chain()
  a.setDown(aDevice)
  const seen = watch(aDevice)
  a.setUp(aDevice)
  expect(seen).toEqual([])
  a.setDown(aDevice)
  set(a, `conf.${aDevice.name}.arp_notify`, 1)
  a.setUp(aDevice)
  expect(seen).toEqual(['ARP, Request who-has 10.0.0.1 tell 10.0.0.1, length 28'])
  world.scheduler.run(world.scheduler.now + SECOND)
  expect(world.frames.inUse).toBe(0)
})

test('retrans_time_ms, mcast_solicit and unres_qlen_bytes are asked anew for each neighbour', () => {
  const { world, a, aDevice, set } = chain()
  set(a, `neigh.${aDevice.name}.retrans_time_ms`, 100)
  set(a, `neigh.${aDevice.name}.mcast_solicit`, 5)
  set(a, `neigh.${aDevice.name}.unres_qlen_bytes`, 2000)
  const seen = watch(aDevice)
  const reported = watch(a.loopback)
  for (let i = 1; i <= 4; i++) ping(a, '10.0.0.99', i)
  world.scheduler.run(0.9 * SECOND)
  expect(seen).toHaveLength(5)
  // An echo request of 84 bytes counts 832: two may wait.
  expect(reported).toHaveLength(2)
  expect(world.frames.inUse).toBe(0)
})

test('gc_thresh3 is the end, gc_thresh1 the beginning of cleaning', () => {
  const { world, a, set } = chain()
  set(a, 'neigh.default.gc_thresh1', 2)
  set(a, 'neigh.default.gc_thresh2', 3)
  set(a, 'neigh.default.gc_thresh3', 4)
  for (let i = 50; i < 60; i++) ping(a, `10.0.0.${i}`)
  expect(a.neighbours.list()).toHaveLength(4)
  world.scheduler.run(40 * SECOND)
  expect(a.neighbours.list()).toHaveLength(0)
  expect(world.frames.inUse).toBe(0)
})
