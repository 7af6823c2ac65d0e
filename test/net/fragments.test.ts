/** Pieces that do not fit each other: what Linux 6.x does with them (inet_frag_queue_insert). */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { procFile } from '../../src/host/proc.ts'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { join, newWorld } from './network.ts'

/** Sends pieces of one datagram, each `[offset, size, more]`, and says what the receiver counted. */
function arrive(...pieces: readonly [number, number, boolean][]) {
  const lab = new Lab()
  for (const [offset, size, more] of pieces) lab.piece(offset, size, more)
  lab.end()
  const { ipReasmOks, ipReasmFails, ipReasmOverlaps, ipReasmTimeout } = lab.b.counters
  return [ipReasmOks, ipReasmFails - ipReasmTimeout, ipReasmOverlaps]
}

class Lab {
  readonly world = newWorld()
  readonly b = new Netns(this.world, 'b')
  readonly #ends = join(this.world, new Netns(this.world, 'a'), '10.1.0.1/24', this.b, '10.1.0.2/24')

  piece(offset: number, size: number, more: boolean, id = 7): void {
    const { world } = this
    const [left, right] = this.#ends
    const frame = world.frames.take()
    frame.end = frame.start + size
    frame.bytes.fill(0, frame.start, frame.end)
    const at = frame.push(ipv4.HEADER)
    const field = (offset / 8) | (more ? ipv4.MF : 0)
    ipv4.write(frame.bytes, at, frame.end - at, parseIpv4('10.1.0.1'), parseIpv4('10.1.0.2'), 253, 64, 0, id, field)
    ethernet.write(frame.bytes, frame.push(ethernet.HEADER), right.mac, left.mac, ethernet.ETH_P_IP)
    left.send(frame)
    world.scheduler.run(world.scheduler.now + SECOND / 1000)
  }

  /** Requests, wholes, failures, time-outs; datagrams and bytes that wait. */
  get counted(): number[] {
    const { counters, ipv4: layer } = this.b
    const { ipReasmReqds, ipReasmOks, ipReasmFails, ipReasmTimeout } = counters
    return [ipReasmReqds, ipReasmOks, ipReasmFails, ipReasmTimeout, layer.reassembler.open, layer.reassembler.memory]
  }

  set(name: string, value: number): void {
    expect(this.b.sysctl.set(`net.ipv4.ipfrag_${name}`, String(value))).toBe(true)
  }

  end(): void {
    this.world.scheduler.run(this.world.scheduler.now + 40 * SECOND)
    expect(this.world.frames.inUse).toBe(0)
    expect(this.counted.slice(4)).toEqual([0, 0])
  }
}

test('in any order they make a whole', () => {
  expect(arrive([0, 80, true], [80, 80, true], [160, 20, false])).toEqual([1, 0, 0])
  expect(arrive([160, 20, false], [0, 80, true], [80, 80, true])).toEqual([1, 0, 0])
})

test('a piece that is there already is passed over', () => {
  expect(arrive([0, 80, true], [0, 80, true], [8, 16, true], [80, 20, false])).toEqual([1, 0, 0])
})

test('an overlap ends the whole datagram, and what follows begins another that is never complete', () => {
  expect(arrive([0, 80, true], [72, 80, true], [152, 20, false])).toEqual([0, 1, 1])
})

test('a piece behind the last one ends it, too', () => {
  expect(arrive([80, 20, false], [160, 80, true])).toEqual([0, 1, 0])
})

test('a last piece that ends before another one does ends it', () => {
  expect(arrive([1600, 80, true], [800, 100, false])).toEqual([0, 1, 0])
  expect(arrive([800, 100, false], [1600, 100, false])).toEqual([0, 1, 0])
  expect(arrive([8, 0, false])).toEqual([0, 1, 0])
})

test('what does not fill its last eight bytes is cut, and still waits for the rest', () => {
  expect(arrive([0, 1001, true], [1000, 10, false])).toEqual([1, 0, 0])
})

test('a datagram in pieces weighs what the kernel counts for it', () => {
  for (const [size, memory] of [
    [8, 1032],
    [200, 1032],
    [400, 1480],
    [800, 2504],
    [1480, 2504],
  ]) {
    const lab = new Lab()
    lab.piece(0, size, true)
    expect(lab.counted).toEqual([1, 0, 0, 0, 1, memory])
    expect(procFile(lab.b, '/proc/net/sockstat')).toContain(`FRAG: inuse 1 memory ${memory}\n`)
    lab.end()
    expect(lab.counted).toEqual([1, 0, 1, 1, 0, 0])
  }
})

test('above ipfrag_high_thresh nothing is taken, of old datagrams neither', () => {
  const lab = new Lab()
  lab.set('low_thresh', 5000)
  lab.set('high_thresh', 10_000)
  for (let id = 300; id < 308; id++) lab.piece(0, 1480, true, id)
  expect(lab.counted).toEqual([8, 0, 4, 0, 4, 10_016])
  for (let id = 300; id < 308; id++) lab.piece(1480, 80, false, id)
  expect(lab.counted).toEqual([16, 0, 12, 0, 4, 10_016])
  lab.end()
  expect(lab.counted).toEqual([16, 0, 16, 4, 0, 0])
  for (let piece = 0; piece < 10; piece++) lab.piece(1480 * piece, 1480, true, 400)
  expect(lab.counted).toEqual([26, 0, 21, 4, 1, 11_720])
  lab.end()
  lab.set('low_thresh', 0)
  lab.set('high_thresh', 0)
  lab.piece(0, 1480, true, 500)
  expect(lab.counted).toEqual([27, 0, 23, 5, 0, 0])
  lab.end()
})

test('ipfrag_max_dist: whose sender has sent too much else since begins anew', () => {
  const lab = new Lab()
  lab.set('max_dist', 2)
  lab.piece(0, 1480, true, 700)
  lab.piece(0, 1480, true, 701)
  lab.piece(1480, 80, false, 701)
  lab.piece(1480, 80, false, 700)
  expect(lab.counted).toEqual([4, 1, 1, 0, 1, 1032])
  lab.end()
  expect(lab.counted).toEqual([4, 1, 2, 1, 0, 0])
  for (const id of [800, 801, 802, 803]) lab.piece(0, 1480, true, id)
  lab.piece(1480, 80, false, 800)
  expect(lab.counted).toEqual([9, 1, 3, 1, 4, 8544])
  lab.end()
  lab.set('max_dist', 0)
  for (const id of [900, 901, 902, 903]) lab.piece(0, 1480, true, id)
  lab.piece(1480, 80, false, 900)
  expect(lab.counted).toEqual([14, 2, 7, 5, 3, 7512])
  lab.end()
})

test('what would be longer than any packet is not put together, and the log names its sender', () => {
  const lab = new Lab()
  for (let offset = 0; offset < 64_000; offset += 1480) lab.piece(offset, 1480, true)
  lab.piece(65_120, 400, false)
  expect(lab.counted).toEqual([45, 0, 1, 0, 0, 0])
  expect(lab.b.kernelLog.list().map(({ text }) => text)).toEqual(['IPv4: Oversized IP packet from 10.1.0.1'])
  lab.end()
})

test('any pieces come to an end', () => {
  const piece = fc.tuple(fc.nat(8191), fc.nat(1480), fc.boolean(), fc.nat(2))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(20_000), fc.nat(4), (pieces, threshold, distance) => {
      const lab = new Lab()
      lab.set('low_thresh', 0)
      lab.set('high_thresh', threshold)
      lab.set('max_dist', distance)
      for (const [offset, size, more, id] of pieces) lab.piece(offset * 8, size, more, id)
      lab.end()
    }),
    { numRuns: 60 },
  )
})
