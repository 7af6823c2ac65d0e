import { expect, test } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseCidr, parseIpv4 } from '../../src/wire/address.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { defaultRoute, join, newWorld, ping, watch } from './network.ts'

/** a 10.1.0.1 ── 10.1.0.254 router 10.2.0.254 ── 10.2.0.1 b */
function routed() {
  const world = newWorld()
  const a = new Netns(world, 'a')
  const router = new Netns(world, 'router')
  const b = new Netns(world, 'b')
  router.sysctl.set('net.ipv4.ip_forward', '1')
  const [aDevice] = join(world, a, '10.1.0.1/24', router, '10.1.0.254/24', ['eth0', 'eth0'])
  const [bDevice, far] = join(world, b, '10.2.0.1/24', router, '10.2.0.254/24', ['eth0', 'eth1'])
  defaultRoute(a, '10.1.0.254')
  defaultRoute(b, '10.2.0.254')
  return { world, a, b, router, aDevice, bDevice, far }
}

test('each routed hop takes one from the TTL', () => {
  const { world, a, bDevice } = routed()
  const ttls: number[] = []
  bDevice.tap = (frame) =>
    void (
      frame.bytes[frame.start + 12] === 8 &&
      frame.bytes[frame.start + 13] === 0 &&
      ttls.push(frame.bytes[frame.start + 22])
    )
  ping(a, '10.2.0.1')
  world.scheduler.run(SECOND)
  expect(ttls).toEqual([63, 64])
  expect(world.frames.inUse).toBe(0)
})

test('a TTL of one ends at the router, which says so from its near address', () => {
  const { world, a, aDevice } = routed()
  const seen = watch(aDevice)
  ping(a, '10.2.0.1', 1, 1)
  world.scheduler.run(SECOND)
  expect(seen.at(-1)).toBe('IP 10.1.0.254 > 10.1.0.1: ICMP time exceeded in-transit, length 92')
})

test('a host that does not forward stays silent', () => {
  const { world, a, router, aDevice } = routed()
  router.sysctl.set('net.ipv4.ip_forward', '0')
  const seen = watch(aDevice)
  ping(a, '10.2.0.1')
  world.scheduler.run(SECOND)
  expect(seen.filter((line) => line.includes('ICMP'))).toHaveLength(1)
  expect(router.counters.ipInAddrErrors).toBe(1)
})

test('no route: net unreachable is charged twice, so the fourth ping in three seconds gets no answer', () => {
  const { world, a, aDevice } = routed()
  const seen = watch(aDevice)
  for (let i = 0; i < 5; i++) {
    ping(a, '203.0.113.1', i)
    world.scheduler.run(world.scheduler.now + SECOND)
  }
  const errors = seen.filter((line) => line.includes('net 203.0.113.1 unreachable'))
  expect(errors).toHaveLength(4)
})

test.each([
  ['blackhole', 0, ''],
  ['unreachable', 1, 'ICMP host 10.9.0.1 unreachable'],
  ['prohibit', 1, 'ICMP host 10.9.0.1 unreachable - admin prohibited filter'],
] as const)('a %s route on the way', (type, count, text) => {
  const { world, a, router, aDevice } = routed()
  router.main.add(route({ type, destination: parseCidr('10.9.0.0/16') }))
  const seen = watch(aDevice)
  ping(a, '10.9.0.1')
  world.scheduler.run(SECOND)
  const errors = seen.filter((line) => line.includes('unreachable'))
  expect(errors).toHaveLength(count)
  if (count > 0) expect(errors[0]).toContain(text)
})

test('a narrower next hop: fragmentation needed, and the sender remembers the path', () => {
  const { world, a, far, aDevice } = routed()
  far.mtu = 1400
  const seen = watch(aDevice)
  ping(a, '10.2.0.1', 1, 64, 1472)
  world.scheduler.run(SECOND)
  expect(seen.at(-1)).toBe('IP 10.1.0.254 > 10.1.0.1: ICMP 10.2.0.1 unreachable - need to frag (mtu 1400), length 556')
  expect(a.mtuTo(parseIpv4('10.2.0.1'))).toBe(1400)
  expect(ping(a, '10.2.0.1', 2, 64, 1472)).toBe('EMSGSIZE')
  world.scheduler.run(700 * SECOND)
  expect(a.mtuTo(parseIpv4('10.2.0.1'))).toBe(1500)
  expect(world.frames.inUse).toBe(0)
})

test('without DF a packet is cut to fit, and put together again at its end', () => {
  const { world, a, bDevice } = routed()
  const seen = watch(bDevice)
  ping(a, '10.2.0.1', 1, 64, 4000, 0)
  world.scheduler.run(SECOND)
  expect(seen.filter((line) => line.startsWith('IP 10.1.0.1'))).toHaveLength(3)
  expect(seen.filter((line) => line.startsWith('IP 10.2.0.1'))).toHaveLength(3)
  expect(world.frames.inUse).toBe(0)
})

test('pieces that never become a whole are given up after thirty seconds', () => {
  const { world, a, b } = routed()
  let pieces = 0
  const device = b.devices.get('eth0')
  const stack = device?.receiver
  if (device === undefined || stack === null || stack === undefined) throw new Error('b has no eth0')
  device.receiver = {
    receive: (frame, from) => {
      const isPiece = frame.end - frame.start > 1000
      if (isPiece && ++pieces === 2) world.frames.consume(frame)
      else stack.receive(frame, from)
    },
  }
  ping(a, '10.2.0.1', 1, 64, 4000, 0)
  world.scheduler.run(20 * SECOND)
  expect(world.frames.inUse).toBe(2)
  world.scheduler.run(40 * SECOND)
  expect(b.counters.ipReasmFails).toBe(1)
  expect(world.frames.inUse).toBe(0)
})

test('sending without a route is refused to the sender', () => {
  const world = newWorld()
  const alone = new Netns(world, 'alone')
  expect(ping(alone, '10.0.0.1')).toBe('ENETUNREACH')
  expect(world.frames.inUse).toBe(0)
})

test('an own address is reached over lo', () => {
  const { world, a, aDevice } = routed()
  const outside = watch(aDevice)
  const inside = watch(a.loopback)
  ping(a, '10.1.0.1')
  world.scheduler.run(SECOND)
  expect(outside).toEqual([])
  expect(inside).toHaveLength(2)
})

test('what we send ourselves is cut to the path that ICMP taught, and frag needed is never rate limited', () => {
  const { world, a, router, b, aDevice } = routed()
  const target = parseIpv4('10.2.0.1')
  const far = router.devices.get('eth1') ?? null
  router.main.add(route({ destination: parseCidr('10.2.0.1/32'), device: far, mtu: 1300, mtuLocked: true }))
  const seen = watch(aDevice)
  const send = (fragment: number) => {
    const frame = world.frames.take(1400)
    frame.end = frame.start + 1380
    frame.bytes.fill(0, frame.start, frame.end)
    return a.send(frame, parseIpv4('10.1.0.1'), target, 253, 64, 0, 0, fragment)
  }
  for (let i = 0; i < 10; i++) expect(send(ipv4.DF)).toBe(null)
  world.scheduler.run(SECOND)
  expect(seen.filter((line) => line.includes('need to frag (mtu 1300)')).length).toBe(10)
  expect(send(ipv4.DF)).toBe('EMSGSIZE')
  const before = seen.length
  expect(send(0)).toBe(null)
  expect(seen.length - before).toBe(2)
  world.scheduler.run(2 * SECOND)
  expect(b.counters.ipReasmOks).toBe(1)
  expect(world.frames.inUse).toBe(0)
})

test('127.0.0.1 is no source for what goes elsewhere, though it leaves by lo', () => {
  const { a } = routed()
  expect(a.selectSource(a.loopback, parseIpv4('10.1.0.1'))).toBe(parseIpv4('10.1.0.1'))
})

/** Linux 6.18: the device that a packet came in by decides, whatever `all` was set to before. */
test.each([
  ['eth0', 0, 'the request stays at the router'],
  ['eth1', 1, 'the answer does'],
] as const)('conf.%s.forwarding=0 on the router: %i requests arrive, %3$s', (device, requests, _what) => {
  const { world, a, router, aDevice, bDevice } = routed()
  router.sysctl.set(`net.ipv4.conf.${device}.forwarding`, '0')
  const [near, far] = [watch(aDevice), watch(bDevice)]
  ping(a, '10.2.0.1')
  world.scheduler.run(SECOND)
  expect(far.filter((line) => line.includes('echo request'))).toHaveLength(requests)
  expect(near.filter((line) => line.includes('echo reply'))).toHaveLength(0)
  expect(router.counters.ipInAddrErrors).toBe(1)
  expect(world.frames.inUse).toBe(0)
})

/** a, whose neighbours know each other by then, claims an address of the router's. */
test.each([
  ['0', 0],
  ['1', 1],
] as const)('our own address as the source of what comes in, accept_local=%s', (accept, delivered) => {
  const { world, a, router, bDevice, aDevice } = routed()
  router.sysctl.set('net.ipv4.conf.eth0.accept_local', accept)
  ping(a, '10.1.0.254')
  world.scheduler.run(SECOND / 2)
  a.addAddress(aDevice, parseIpv4('10.2.0.254'), 32)
  const seen = watch(bDevice)
  const frame = world.frames.take(8)
  frame.end = frame.start + 8
  frame.bytes.fill(0, frame.start, frame.end)
  a.send(frame, parseIpv4('10.2.0.254'), parseIpv4('10.2.0.1'), ipv4.IPPROTO_ICMP, 64, 0, 1, ipv4.DF)
  world.scheduler.run(SECOND)
  expect(seen.filter((line) => line.includes('IP 10.2.0.254 > 10.2.0.1'))).toHaveLength(delivered)
  expect(router.counters.ipInAddrErrors).toBe(0)
  expect(world.frames.inUse).toBe(0)
})
