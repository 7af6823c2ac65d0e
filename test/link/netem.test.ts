/** netem, tbf and the fifos at a device's egress. The semantics are sch_netem's and sch_tbf's. */
import { describe, expect, test } from 'vitest'
import { DropReason } from '../../src/link/frame.ts'
import { NetemQdisc } from '../../src/link/netem.ts'
import { type NetemOptions, PLAIN, tableOf } from '../../src/link/netem-options.ts'
import { Fifo } from '../../src/link/qdisc.ts'
import { Tbf, type TbfOptions } from '../../src/link/qdisc-tbf.ts'
import { Veth } from '../../src/link/veth.ts'
import { MICROSECOND, MILLISECOND } from '../../src/sim/scheduler.ts'
import { alice, bob, ping } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

/** Sequence numbers of the echo requests (ICMP header at 34, sequence at 40). */
const sequenceOf = (bytes: Uint8Array) => (bytes[40] << 8) | bytes[41]

function device(seed = 1) {
  const world = testWorld(seed)
  const stub = new Stub(world, 'eth0', mac(1))
  const send = (sequence: number) => stub.send(frameOf(world, ping(bob, alice, sequence)))
  const sendAll = (count: number, every: number) => {
    for (let i = 0; i < count; i++) world.scheduler.call(i * every, () => send(i))
    world.scheduler.run()
    expect(world.frames.inUse).toBe(0)
  }
  const order = () => stub.sent.frames.map((frame) => sequenceOf(frame.bytes))
  return { world, stub, send, sendAll, order }
}

function netem(options: Partial<NetemOptions>, seed = 1) {
  const made = device(seed)
  const qdisc = new NetemQdisc(made.stub, made.world, { ...PLAIN, ...options })
  made.stub.qdisc = qdisc
  return { ...made, qdisc }
}

describe('netem', () => {
  test('delays, and a capture sees the frame behind the queue', () => {
    const { world, stub, send, qdisc } = netem({ delay: 10 * MILLISECOND })
    const tapped: number[] = []
    stub.tap = () => tapped.push(world.scheduler.now)
    send(0)
    expect([tapped.length, stub.txPackets, qdisc.waiting, qdisc.backlog]).toEqual([0, 0, 1, 98])
    world.scheduler.run()
    expect([tapped, stub.txPackets, qdisc.sentBytes, qdisc.waiting, qdisc.backlog]).toEqual([
      [10 * MILLISECOND],
      1,
      98,
      0,
      0,
    ])
  })

  test('a delay that varies makes frames overtake each other, within its bounds', () => {
    const { sendAll, order, stub } = netem({ delay: 10 * MILLISECOND, jitter: 5 * MILLISECOND })
    sendAll(200, MILLISECOND)
    expect(order()).not.toEqual([...Array(200).keys()])
    expect([...order()].sort((a, b) => a - b)).toEqual([...Array(200).keys()])
    const delays = stub.sent.frames.map((frame) => frame.time - sequenceOf(frame.bytes) * MILLISECOND)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(5 * MILLISECOND)
    expect(Math.max(...delays)).toBeLessThanOrEqual(15 * MILLISECOND)
  })

  test('the same seed makes the same of everything', () => {
    const some = { probability: 0.2, correlation: 0.3 }
    const run = (seed: number) => {
      const { sendAll, stub } = netem(
        { delay: MILLISECOND, jitter: MILLISECOND, loss: some, duplicate: some, corrupt: some, reorder: some, gap: 2 },
        seed,
      )
      sendAll(300, 100 * MICROSECOND)
      return stub.sent.hex.join()
    }
    expect(run(3)).toBe(run(3))
    expect(run(3)).not.toBe(run(4))
  })

  test('loses, and counts what it lost', () => {
    const { world, sendAll, stub, qdisc } = netem({ loss: { probability: 0.25, correlation: 0 } })
    sendAll(2000, MICROSECOND)
    expect(qdisc.drops + stub.sent.count).toBe(2000)
    expect(world.frames.dropped[DropReason.Impaired]).toBe(qdisc.drops)
    expect(Math.abs(qdisc.drops - 500)).toBeLessThan(80)
  })

  test('correlated loss comes in bursts', () => {
    const runs = (correlation: number) => {
      const { sendAll, order } = netem({ loss: { probability: 0.3, correlation } })
      sendAll(3000, MICROSECOND)
      const kept = order()
      return kept.filter((sequence, i) => i > 0 && kept[i - 1] !== sequence - 1).length
    }
    expect(runs(0.8)).toBeLessThan(runs(0) / 1.5)
  })

  test('Gilbert-Elliott with certain steps loses every second frame; four states do what their chances say', () => {
    const even = netem({ gemodel: { p: 1, r: 1, h: 1, k1: 0 } })
    even.sendAll(10, MICROSECOND)
    expect(even.order()).toEqual([0, 2, 4, 6, 8])
    const alone = netem({ stateLoss: { p13: 0, p31: 0, p32: 0, p23: 0, p14: 1 } })
    alone.sendAll(6, MICROSECOND)
    expect(alone.order()).toEqual([1, 3, 5])
  })

  test('duplicates: the copy goes out too, and is not copied again', () => {
    const { sendAll, order, qdisc } = netem({ duplicate: { probability: 1, correlation: 0 } })
    sendAll(3, MICROSECOND)
    expect(order()).toEqual([0, 0, 1, 1, 2, 2])
    expect(qdisc.sentPackets).toBe(6)
  })

  test('corrupts one bit, and the checksum is not trusted any more', () => {
    const { world, stub } = netem({ corrupt: { probability: 1, correlation: 0 } })
    const clean = ping(bob, alice, 1)
    const frame = frameOf(world, clean)
    frame.summed = true
    let trusted = true
    stub.tap = (seen) => {
      trusted = seen.summed
    }
    stub.send(frame)
    world.scheduler.run()
    const [{ bytes }] = stub.sent.frames
    let flipped = 0
    for (let i = 0; i < bytes.length; i++) {
      for (let bit = bytes[i] ^ clean[i]; bit > 0; bit >>= 1) flipped += bit & 1
    }
    expect([flipped, trusted]).toEqual([1, false])
  })

  test('reorder 100% gap 5: each fifth frame goes at once, the others wait', () => {
    const options = { delay: 10 * MILLISECOND, reorder: { probability: 1, correlation: 0 }, gap: 5 }
    const { sendAll, order, qdisc } = netem(options)
    sendAll(10, MILLISECOND)
    expect(order()).toEqual([4, 9, 0, 1, 2, 3, 5, 6, 7, 8])
    expect(qdisc.requeues).toBe(2)
  })

  test('limit: what finds the queue full is dropped', () => {
    const { sendAll, order, world } = netem({ delay: MILLISECOND, limit: 3 })
    sendAll(5, 0)
    expect(order()).toEqual([0, 1, 2])
    expect(world.frames.dropped[DropReason.QueueFull]).toBe(2)
  })

  test('rate: frames leave one after the other; overhead and cells count', () => {
    // 98 bytes at 1 Mbit/s: 784 us. With 10 bytes of overhead in cells of 50 + 3: three cells, 159 bytes, 1272 us.
    const plain = netem({ rate: 125_000 })
    plain.sendAll(3, 0)
    expect(plain.stub.sent.times).toEqual([784_000, 1_568_000, 2_352_000])
    const cells = netem({ rate: 125_000, packetOverhead: 10, cellSize: 50, cellOverhead: 3 })
    cells.sendAll(1, 0)
    expect(cells.stub.sent.times).toEqual([1_272_000])
  })

  test('a device that goes down loses what waits', () => {
    const { world, stub, send, qdisc } = netem({ delay: MILLISECOND })
    for (let i = 0; i < 20; i++) send(i)
    stub.up = false
    world.scheduler.run()
    expect([stub.sent.count, qdisc.waiting, world.frames.inUse]).toEqual([0, 0, 0])
    stub.up = true
    send(1)
    qdisc.reset()
    world.scheduler.run()
    expect([stub.sent.count, qdisc.waiting, world.frames.inUse]).toEqual([0, 0, 0])
  })

  test("the tables are iproute2's, to a few parts of 8192", () => {
    // Places 511, 1535, 2559 and 3583 of normal.dist, pareto.dist and paretonormal.dist.
    const golden = {
      normal: [-9432, -2615, 2605, 9415],
      pareto: [-4965, -3610, -1241, 5447],
      paretonormal: [-6081, -3361, -279, 6439],
    } as const
    for (const [name, values] of Object.entries(golden)) {
      const table = tableOf(name as keyof typeof golden) as Int16Array
      for (const [i, value] of values.entries()) expect(Math.abs(table[511 + 1024 * i] - value), name).toBeLessThan(40)
    }
    expect(tableOf('uniform')).toBeNull()
  })
})

describe('tbf and the fifos', () => {
  const tbf = (options: TbfOptions) => {
    const made = device()
    const qdisc = new Tbf(made.stub, made.world.scheduler, options)
    made.stub.qdisc = qdisc
    return { ...made, qdisc }
  }

  test('a burst goes at once, the rest at the rate', () => {
    const { sendAll, stub, qdisc } = tbf({ rate: 98_000, burst: 196, limit: 10_000 })
    sendAll(5, 0)
    expect(stub.sent.times).toEqual([0, 0, MILLISECOND, 2 * MILLISECOND, 3 * MILLISECOND])
    expect([qdisc.sentPackets, qdisc.backlog, qdisc.waiting, qdisc.drops]).toEqual([5, 0, 0, 0])
  })

  test('what is beyond the limit, or larger than the bucket, is dropped', () => {
    const { sendAll, stub, qdisc } = tbf({ rate: 98_000, burst: 98, limit: 196 })
    sendAll(5, 0)
    expect([stub.sent.count, qdisc.drops]).toEqual([3, 2])
    const small = tbf({ rate: 98_000, burst: 97, limit: 1000 })
    small.sendAll(2, 0)
    expect([small.stub.sent.count, small.qdisc.drops]).toEqual([0, 2])
  })

  test('a reset gives back what waits', () => {
    const { world, send, qdisc } = tbf({ rate: 98_000, burst: 98, limit: 1000 })
    for (let i = 0; i < 4; i++) send(i)
    expect(qdisc.waiting).toBe(3)
    qdisc.reset()
    world.scheduler.run()
    expect([qdisc.waiting, qdisc.backlog, world.frames.inUse]).toEqual([0, 0, 0])
  })

  test('a fifo passes, unless the frame is larger than the queue', () => {
    const { stub, sendAll } = device()
    stub.qdisc = new Fifo(stub, 'pfifo', 1000)
    sendAll(2, 0)
    stub.qdisc = new Fifo(stub, 'bfifo', 97)
    sendAll(2, 0)
    stub.qdisc = new Fifo(stub, 'pfifo', 0)
    sendAll(2, 0)
    expect([stub.sent.count, stub.txPackets]).toEqual([2, 2])
  })
})

describe('a cable with an engine', () => {
  function cable(engine: Partial<NetemOptions>) {
    const world = testWorld()
    const [left, right] = Veth.pair(world, 'left', mac(1), 'right', mac(2))
    left.setNetem({ engine })
    const atRight = new Inbox(world)
    right.receiver = atRight
    left.up = true
    right.up = true
    return { world, left, right, atRight, send: (i: number) => left.send(frameOf(world, ping(bob, alice, i))) }
  }

  test('keeps order for all its jitter, and counts frames that it loses at the sender', () => {
    const loss = { probability: 0.4, correlation: 0.5 }
    const { world, left, atRight, send } = cable({ delay: MILLISECOND, jitter: MILLISECOND, loss })
    for (let i = 0; i < 300; i++) world.scheduler.call(i * 10 * MICROSECOND, () => send(i))
    world.scheduler.run()
    const order = atRight.frames.map((frame) => sequenceOf(frame.bytes))
    expect(order).toEqual([...order].sort((a, b) => a - b))
    expect([order.length + left.txDropped, left.txDropped > 0, world.frames.inUse]).toEqual([300, true, 0])
  })

  test('pulled out: no carrier at either end, and what is on the way is lost', () => {
    const { world, left, right, atRight, send } = cable({ delay: MILLISECOND })
    right.setNetem({ delay: MILLISECOND })
    send(0)
    right.send(frameOf(world, ping(alice, bob, 1)))
    expect(world.frames.inUse).toBe(2)
    right.plugged = false
    expect([left.carrier, right.carrier, left.plugged, world.frames.inUse]).toEqual([false, false, false, 0])
    send(1)
    expect(world.frames.inUse).toBe(0)
    left.plugged = true
    send(2)
    world.scheduler.run()
    expect(atRight.frames.map((frame) => sequenceOf(frame.bytes))).toEqual([2])
    expect([left.carrier, right.carrier, world.frames.inUse]).toEqual([true, true, 0])
  })
})
