import { expect, test } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { formatIpv4, parseIpv4 } from '../../src/wire/address.ts'
import { join, newWorld, ping, watch } from './network.ts'

function states(netns: Netns): string[] {
  return netns.neighbours.list().map((entry) => `${formatIpv4(entry.address)} ${entry.state}`)
}

function pair() {
  const world = newWorld()
  const a = new Netns(world, 'a')
  const b = new Netns(world, 'b')
  const [aDevice, bDevice] = join(world, a, '10.0.0.1/24', b, '10.0.0.2/24')
  return { world, a, b, aDevice, bDevice }
}

test('the first packet waits for ARP, and the asker is known to the asked', () => {
  const { world, a, b, aDevice } = pair()
  const seen = watch(aDevice)
  expect(ping(a, '10.0.0.2')).toBeNull()
  world.scheduler.run(SECOND)
  expect(seen).toEqual([
    'ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28',
    expect.stringMatching(/^ARP, Reply 10\.0\.0\.2 is-at/),
    'IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 77, seq 1, length 64',
    'IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id 77, seq 1, length 64',
  ])
  expect(states(a)).toEqual(['10.0.0.2 REACHABLE'])
  expect(states(b)).toEqual(['10.0.0.1 DELAY'])
  expect(world.frames.inUse).toBe(0)
})

test('an entry known by hearsay is confirmed in unicast five seconds after it was used', () => {
  const { world, a, b, bDevice } = pair()
  ping(a, '10.0.0.2')
  world.scheduler.run(SECOND)
  const seen = watch(bDevice)
  world.scheduler.run(4.9 * SECOND)
  expect(seen).toEqual([])
  world.scheduler.run(5.3 * SECOND)
  expect(seen).toHaveLength(2)
  expect(seen[0]).toContain('Request who-has 10.0.0.1 tell 10.0.0.2')
  expect(states(b)).toEqual(['10.0.0.1 REACHABLE'])
})

test('three broadcasts about a second apart, then every waiting packet is reported at once', () => {
  const { world, a, aDevice } = pair()
  const times: number[] = []
  aDevice.tap = () => void times.push(world.scheduler.now / SECOND)
  const reported = watch(a.loopback)
  for (let i = 1; i <= 3; i++) ping(a, '10.0.0.99', i)
  world.scheduler.run(5 * SECOND)
  expect(times).toHaveLength(3)
  expect(times[1] - times[0]).toBeGreaterThan(1)
  expect(times[2] - times[1]).toBeLessThan(1.033)
  expect(reported).toEqual(new Array(3).fill('IP 10.0.0.1 > 10.0.0.1: ICMP host 10.0.0.99 unreachable, length 92'))
  expect(states(a)).toEqual(['10.0.0.99 FAILED'])
  expect(world.frames.inUse).toBe(0)
})

test('a permanent entry is never asked for', () => {
  const { world, a, aDevice, bDevice } = pair()
  a.neighbours.add(aDevice, parseIpv4('10.0.0.2'), bDevice.mac, 'PERMANENT')
  const seen = watch(aDevice)
  ping(a, '10.0.0.2')
  world.scheduler.run(SECOND)
  expect(seen[0]).toContain('ICMP echo request')
  expect(states(a)).toEqual(['10.0.0.2 PERMANENT'])
})

test('a reply from another MAC counts only after the lock time', () => {
  const { world, a, aDevice } = pair()
  ping(a, '10.0.0.2')
  world.scheduler.run(10 * SECOND)
  const other = Uint8Array.of(2, 9, 9, 9, 9, 9)
  a.neighbours.heardReply(aDevice, parseIpv4('10.0.0.2'), other, 0, true, false)
  expect([...a.neighbours.list()[0].mac]).toEqual([...other])
  a.neighbours.heardReply(aDevice, parseIpv4('10.0.0.2'), Uint8Array.of(2, 8, 8, 8, 8, 8), 0, true, false)
  expect([...a.neighbours.list()[0].mac]).toEqual([...other])
})
