/** What cables, queues and devices upon devices tell of what they do. */
import { afterEach, expect, test } from 'vitest'
import { journal } from '../../src/link/flow-cache.ts'
import { Macvlan } from '../../src/link/macvlan.ts'
import { NetemQdisc } from '../../src/link/netem.ts'
import { type NetemOptions, PLAIN } from '../../src/link/netem-options.ts'
import { Tbf } from '../../src/link/qdisc-tbf.ts'
import { type Netem, Veth } from '../../src/link/veth.ts'
import { VlanDevice } from '../../src/link/vlan.ts'
import type { World } from '../../src/link/world.ts'
import { MICROSECOND, MILLISECOND } from '../../src/sim/scheduler.ts'
import { MAC_BROADCAST } from '../../src/wire/address.ts'
import { listen } from '../support/decisions.ts'
import { alice, bob, inEthernet, payload, ping } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

let traced: World | null = null

afterEach(() => {
  traced?.untrace()
  expect(traced?.frames.inUse).toBe(0)
  expect(journal.open).toBe(false)
})

function cable(netem: Netem) {
  const world = testWorld()
  traced = world
  const [a, b] = Veth.pair(world, 'a', mac(1), 'b', mac(2), netem)
  a.up = true
  b.up = true
  b.receiver = new Inbox(world)
  const told = listen(world)
  /** So many frames at once. */
  const send = (count = 1) => {
    for (let i = 0; i < count; i++) a.send(frameOf(world, ping(bob, alice, i)))
    world.scheduler.run()
    return told.take()
  }
  return { b, send }
}

test('a wire needs no word, a long cable says how long it takes', () => {
  expect(cable({ delay: 10 * MICROSECOND }).send()).toEqual([])
  traced?.untrace()
  expect(cable({ delay: 5 * MILLISECOND }).send()).toEqual(['a: the cable takes 5 ms for it'])
})

test('rate, and how many are before it; a full queue; loss', () => {
  expect(cable({ rate: 976_000, limit: 2 }).send(3)).toEqual([
    'a: the cable takes 1 ms for it',
    'a: the cable takes 2 ms for it, behind 1 more',
    'a: dropped: QueueFull',
  ])
  traced?.untrace()
  expect(cable({ loss: 1 }).send()).toEqual(['a: dropped: Impaired'])
})

test.each<[Partial<NetemOptions>, string[]]>([
  [{ delay: MILLISECOND }, ['netem: waits 1 ms']],
  [{ loss: { probability: 1, correlation: 0 } }, ['netem: lost by chance', 'dropped: Impaired']],
  [{ duplicate: { probability: 1, correlation: 0 } }, ['netem: doubled by chance, this is the copy']],
  [{ corrupt: { probability: 1, correlation: 0 } }, ['netem: damaged by chance, one bit of it is turned over']],
  [
    { delay: MILLISECOND, gap: 1, reorder: { probability: 1, correlation: 0 } },
    ['netem: goes first by chance (reorder)'],
  ],
  [{ limit: 0 }, ['netem: full: 0 frames and 0 bytes wait', 'dropped: QueueFull']],
])('netem: %j', (options, texts) => {
  const world = testWorld()
  traced = world
  const stub = new Stub(world, 'eth0', mac(1))
  const qdisc = new NetemQdisc(stub, world, { ...PLAIN, ...options })
  qdisc.handle = 0x8001
  stub.qdisc = qdisc
  const told = listen(world)
  stub.send(frameOf(world, ping(bob, alice)))
  world.scheduler.run()
  const lines = told.told.map(({ text }) => text)
  expect(lines).toEqual(texts.map((text) => (text.startsWith('netem') ? `${text}: qdisc netem 8001:` : text)))
  expect(told.told[0].decision?.command()).toBe('tc qdisc show dev eth0')
})

test('tbf: each frame says once how long it waits for tokens', () => {
  const world = testWorld()
  traced = world
  const stub = new Stub(world, 'eth0', mac(1))
  stub.qdisc = new Tbf(stub, world.scheduler, { rate: 98_000, burst: 98, limit: 1000 })
  const told = listen(world)
  for (let i = 0; i < 3; i++) stub.send(frameOf(world, ping(bob, alice, i)))
  world.scheduler.run()
  expect(told.take()).toEqual([
    'eth0: tbf: waits 1 ms for the tokens that its length takes',
    'eth0: tbf: waits 1 ms for the tokens that its length takes',
  ])
})

test('devices upon a device: by tag, by MAC, and copies of what is for many', () => {
  const world = testWorld()
  traced = world
  const lower = new Stub(world, 'eth0', mac(0xe0))
  lower.receiver = new Inbox(world)
  const vlan = new VlanDevice(world, 'eth0.10', null, lower, 10)
  const macvlan = new Macvlan(world, 'm0', mac(7), lower, 'bridge')
  for (const device of [vlan, macvlan]) {
    device.up = true
    device.receiver = new Inbox(world)
  }
  const told = listen(world)
  vlan.send(frameOf(world, inEthernet(mac(9), mac(0xe0), 0x88b5, payload(46))))
  expect(told.take()).toEqual(['eth0.10: eth0.10 sends it by eth0 with tag 10: vlan protocol 802.1Q id 10'])
  lower.arrive(lower.sent.frames[0].bytes)
  expect(told.take()).toEqual([
    'eth0.10: tag 10: eth0.10 takes it from eth0, without the tag: vlan protocol 802.1Q id 10',
  ])
  lower.arrive(inEthernet(mac(7), mac(9), 0x88b5, payload(46)))
  lower.arrive(inEthernet(MAC_BROADCAST, mac(9), 0x88b5, payload(46)))
  world.scheduler.run()
  expect(told.take()).toEqual([
    "m0: the destination is m0's address, upon eth0: link/ether 02:00:00:00:00:07",
    'm0: for many: this copy is for m0, upon eth0: link/ether 02:00:00:00:00:07',
  ])
})
