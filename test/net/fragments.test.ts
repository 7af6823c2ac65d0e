/** Pieces that do not fit each other: what Linux 6.x does with them (inet_frag_queue_insert). */
import { expect, test } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { join, newWorld } from './network.ts'

/** Sends pieces of one datagram, each `[offset, size, more]`, and says what the receiver counted. */
function arrive(...pieces: readonly [number, number, boolean][]) {
  const world = newWorld()
  const [a, b] = [new Netns(world, 'a'), new Netns(world, 'b')]
  const [left, right] = join(world, a, '10.1.0.1/24', b, '10.1.0.2/24')
  for (const [offset, size, more] of pieces) {
    const frame = world.frames.take()
    frame.end = frame.start + size
    frame.bytes.fill(0, frame.start, frame.end)
    const at = frame.push(ipv4.HEADER)
    const field = (offset / 8) | (more ? ipv4.MF : 0)
    ipv4.write(frame.bytes, at, frame.end - at, parseIpv4('10.1.0.1'), parseIpv4('10.1.0.2'), 253, 64, 0, 7, field)
    ethernet.write(frame.bytes, frame.push(ethernet.HEADER), right.mac, left.mac, ethernet.ETH_P_IP)
    left.send(frame)
  }
  world.scheduler.run(40 * SECOND)
  expect(world.frames.inUse).toBe(0)
  const { ipReasmOks, ipReasmFails, ipReasmOverlaps } = b.counters
  return [ipReasmOks, ipReasmFails, ipReasmOverlaps]
}

test('in any order they make a whole', () => {
  expect(arrive([0, 80, true], [80, 80, true], [160, 20, false])).toEqual([1, 0, 0])
  expect(arrive([160, 20, false], [0, 80, true], [80, 80, true])).toEqual([1, 0, 0])
})

test('a piece that is there already is passed over', () => {
  expect(arrive([0, 80, true], [0, 80, true], [8, 16, true], [80, 20, false])).toEqual([1, 0, 0])
})

test('an overlap ends the whole datagram, and what follows begins another that is never complete', () => {
  expect(arrive([0, 80, true], [72, 80, true], [152, 20, false])).toEqual([0, 2, 1])
})

test('a piece behind the last one ends it, too', () => {
  expect(arrive([80, 20, false], [160, 80, true])).toEqual([0, 1, 0])
})
