import { describe, expect, test } from 'vitest'
import { DropReason } from '../../src/link/frame.ts'
import { Loopback } from '../../src/link/loopback.ts'
import { type Netem, Veth } from '../../src/link/veth.ts'
import { MICROSECOND, MILLISECOND } from '../../src/sim/scheduler.ts'
import { hexOf } from '../support/bytes.ts'
import { alice, bob, ping } from '../support/packets.ts'
import { frameOf, Inbox, mac, testWorld } from '../support/world.ts'

function cable(netem: Netem = {}, seed = 1) {
  const world = testWorld(seed)
  const [left, right] = Veth.pair(world, 'left', mac(1), 'right', mac(2), netem)
  left.up = true
  right.up = true
  const atLeft = new Inbox(world)
  const atRight = new Inbox(world)
  left.receiver = atLeft
  right.receiver = atRight
  const send = (sequence: number, from = left) => from.send(frameOf(world, ping(bob, alice, sequence)))
  return { world, left, right, atLeft, atRight, send }
}

const pings = (count: number) => Array.from({ length: count }, (_, i) => hexOf(ping(bob, alice, i)))

describe('a cable', () => {
  test('carries frames to the other end, in order, later than the call', () => {
    const { world, left, right, atLeft, atRight, send } = cable()
    for (let i = 0; i < 40; i++) send(i)
    send(40, right)
    expect(atRight.count).toBe(0)
    world.scheduler.run()
    expect(atRight.hex).toEqual(pings(40))
    expect(atLeft.count).toBe(1)
    expect([left.txPackets, left.txBytes, left.rxPackets]).toEqual([40, 40 * 98, 1])
    expect([right.rxPackets, right.rxBytes, right.txPackets]).toEqual([40, 40 * 98, 1])
    expect(world.frames.inUse).toBe(0)
  })

  test('delays', () => {
    const { world, atRight, send } = cable({ delay: 3 * MILLISECOND })
    send(0)
    world.scheduler.call(MILLISECOND, () => send(1))
    world.scheduler.run()
    expect(atRight.times).toEqual([3 * MILLISECOND, 4 * MILLISECOND])
  })

  test('sends a frame for as long as its bits and the gap take', () => {
    // 98 bytes and 24 of preamble, checksum and gap, at 1 Gbit/s: 976 ns.
    const { world, atRight, send } = cable({ rate: 1e9, delay: 10 * MICROSECOND })
    for (let i = 0; i < 3; i++) send(i)
    world.scheduler.run()
    expect(atRight.times).toEqual([10_976, 11_952, 12_928])
  })

  test('drops what finds the queue full', () => {
    const { world, left, atRight, send } = cable({ rate: 1e6, limit: 2 })
    for (let i = 0; i < 5; i++) send(i)
    world.scheduler.run()
    expect(atRight.hex).toEqual(pings(2))
    expect([left.txDropped, world.frames.dropped[DropReason.QueueFull], world.frames.inUse]).toEqual([3, 3, 0])
  })

  test('keeps order in spite of jitter', () => {
    const { world, atRight, send } = cable({ delay: MILLISECOND, jitter: MILLISECOND })
    for (let i = 0; i < 100; i++) world.scheduler.call(i * 100 * MICROSECOND, () => send(i))
    world.scheduler.run()
    expect(atRight.hex).toEqual(pings(100))
    const delays = atRight.times.map((time, i) => time - i * 100 * MICROSECOND)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...delays)).toBeLessThanOrEqual(2 * MILLISECOND)
    expect(new Set(delays).size).toBeGreaterThan(20)
  })

  test('loses by chance, the same frames for the same seed', () => {
    const run = (seed: number) => {
      const { world, atRight, send } = cable({ loss: 0.2 }, seed)
      for (let i = 0; i < 1000; i++) send(i)
      world.scheduler.run()
      expect(world.frames.dropped[DropReason.Impaired] + atRight.count).toBe(1000)
      expect(world.frames.inUse).toBe(0)
      return atRight.hex
    }
    expect(run(5)).toEqual(run(5))
    expect(run(5)).not.toEqual(run(6))
    expect(Math.abs(run(5).length - 800)).toBeLessThan(60)
  })

  test('loses exactly the frames that an impairment names', () => {
    const { world, left, atRight, send } = cable()
    let seen = 0
    left.impairment = () => seen++ === 1
    for (let i = 0; i < 3; i++) send(i)
    world.scheduler.run()
    expect(atRight.hex).toEqual([pings(3)[0], pings(3)[2]])
  })

  test('has carrier while both ends are up, and drops while one is not', () => {
    const { world, left, right, atRight, send } = cable()
    expect([left.carrier, right.carrier]).toEqual([true, true])
    right.up = false
    expect(left.carrier).toBe(false)
    send(0)
    left.up = false
    send(1)
    world.scheduler.run()
    const { dropped } = world.frames
    expect([dropped[DropReason.ReceiverDown], dropped[DropReason.DeviceDown]]).toEqual([1, 1])
    expect([atRight.count, world.frames.inUse]).toEqual([0, 0])
  })

  test('that is destroyed takes both ends and what was on the way', () => {
    const { world, left, right, atRight, send } = cable({ delay: MILLISECOND })
    for (let i = 0; i < 3; i++) send(i)
    right.destroy()
    expect([left.peer, right.peer, left.carrier]).toEqual([null, null, false])
    expect([world.frames.dropped[DropReason.Teardown], world.frames.inUse]).toEqual([3, 0])
    world.scheduler.run()
    expect(atRight.count).toBe(0)
    left.up = true
    send(4)
    expect(world.frames.inUse).toBe(0)
  })

  test('two ends that answer each other in the same instant do not recurse', () => {
    const { world, left, right } = cable()
    let hops = 0
    const answer = (device: Veth) => ({
      receive: (frame: Parameters<Inbox['receive']>[0]) => {
        if (++hops < 20_000) device.send(frame)
        else world.frames.consume(frame)
      },
    })
    left.receiver = answer(left)
    right.receiver = answer(right)
    left.send(frameOf(world, ping(bob, alice)))
    world.scheduler.run()
    expect([hops, world.scheduler.now, world.frames.inUse]).toEqual([20_000, 0, 0])
  })
})

test('the loopback gives back what it is sent, in the same instant but after the call', () => {
  const world = testWorld()
  const loopback = new Loopback(world)
  const inbox = new Inbox(world)
  loopback.up = true
  loopback.receiver = inbox
  for (let i = 0; i < 3; i++) loopback.send(frameOf(world, ping(alice, alice, i)))
  expect(inbox.count).toBe(0)
  world.scheduler.run()
  expect(inbox.hex).toEqual([0, 1, 2].map((i) => hexOf(ping(alice, alice, i))))
  expect([loopback.txPackets, loopback.rxPackets, world.scheduler.now, world.frames.inUse]).toEqual([3, 3, 0, 0])
})
