import { describe, expect, test } from 'vitest'
import { Capture } from '../../src/capture/capture.ts'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { Veth } from '../../src/link/veth.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { hexOf } from '../support/bytes.ts'
import { alice, bob, ping } from '../support/packets.ts'
import { frameOf, Inbox, mac, testWorld } from '../support/world.ts'

const EPOCH = 1_795_249_207

/** Two ends of a cable with a millisecond between them, both captured. */
function cable() {
  const world = testWorld()
  const [left, right] = Veth.pair(world, 'left', mac(1), 'right', mac(2), { delay: MILLISECOND })
  left.up = true
  right.up = true
  const inbox = new Inbox(world)
  left.receiver = inbox
  right.receiver = inbox
  const capture = new Capture(world, EPOCH)
  return { world, left, right, inbox, capture }
}

describe('a capture', () => {
  test('sees a frame leave one end and arrive at the other', () => {
    const { world, left, right, capture } = cable()
    const atLeft = capture.attach(left, 'a/left', 'one end')
    const atRight = capture.attach(right, 'b/right', 'the other')
    left.send(frameOf(world, ping(bob, alice)))
    world.scheduler.run()

    const all = readCapture(capture.pcapng())
    expect(all.interfaces.map((i) => [i.name, i.description])).toEqual([
      ['a/left', 'one end'],
      ['b/right', 'the other'],
    ])
    expect(all.packets).toMatchObject([
      { interface: 0, seconds: EPOCH, nanos: 0, direction: 'out', packetId: 1 },
      { interface: 1, seconds: EPOCH, nanos: MILLISECOND, direction: 'in', packetId: 1 },
    ])
    expect(all.packets.map((packet) => hexOf(packet.bytes))).toEqual([hexOf(ping(bob, alice)), hexOf(ping(bob, alice))])
    expect(all.statistics).toEqual([
      { interface: 0, received: 1, dropped: 0 },
      { interface: 1, received: 1, dropped: 0 },
    ])
    expect([atLeft.frames, atRight.frames, atRight.bytes, capture.frames]).toEqual([1, 1, 98, 2])
    expect(world.frames.inUse).toBe(0)
  })

  test('writes one interface by itself, in both formats', () => {
    const { world, left, right, capture } = cable()
    capture.attach(left, 'a/left', '')
    const atRight = capture.attach(right, 'b/right', '')
    world.scheduler.call(3 * SECOND + 123_456_789, () => left.send(frameOf(world, ping(bob, alice, 2))))
    world.scheduler.run()
    for (const file of [atRight.pcap(), atRight.pcapng()]) {
      const { interfaces, packets } = readCapture(file)
      expect(interfaces).toHaveLength(1)
      expect(packets).toMatchObject([{ interface: 0, seconds: EPOCH + 3, nanos: 124_456_789 }])
      expect(hexOf(packets[0].bytes)).toBe(hexOf(ping(bob, alice, 2)))
    }
  })

  test('keeps the order of time over many frames, and gives the same bytes for the same run', () => {
    const run = () => {
      const { world, left, right, capture } = cable()
      capture.attach(right, 'right', '')
      capture.attach(left, 'left', '')
      for (let i = 0; i < 1000; i++) {
        const sender = i % 3 === 0 ? left : right
        world.scheduler.call(world.random.below(1000) * 1000, () => sender.send(frameOf(world, ping(bob, alice, i))))
      }
      world.scheduler.run()
      expect(world.frames.inUse).toBe(0)
      return capture.pcapng()
    }
    const file = run()
    const times = readCapture(file).packets.map((packet) => packet.seconds * 1e9 + packet.nanos)
    expect(times).toHaveLength(2000)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(Buffer.compare(run(), file)).toBe(0)
  })

  test('leaves an earlier tap in place, and a later one too', () => {
    const { world, left, capture } = cable()
    const seen: string[] = []
    left.tap = () => seen.push('earlier')
    const captured = capture.attach(left, 'left', '')
    const ours = left.tap
    left.tap = (frame, device, direction) => {
      ours(frame, device, direction)
      seen.push('later')
    }
    left.send(frameOf(world, ping(bob, alice)))
    capture.detach(left)
    left.send(frameOf(world, ping(bob, alice)))
    expect(seen).toEqual(['earlier', 'later', 'earlier', 'later'])
    expect(captured.frames).toBe(1)
  })

  test('gives the slot back, and a device that returns is a new interface', () => {
    const { world, left, capture } = cable()
    const earlier = () => {}
    left.tap = earlier
    capture.attach(left, 'left', '')
    expect(() => capture.attach(left, 'left', '')).toThrow('captured already')
    capture.detach(left)
    expect(left.tap).toBe(earlier)
    capture.attach(left, 'left', 'again')
    left.send(frameOf(world, ping(bob, alice)))
    expect(capture.interfaces().map((captured) => captured.frames)).toEqual([0, 1])
  })

  test('counts what the device dropped meanwhile', () => {
    const { world, left, right, capture } = cable()
    right.up = false
    left.send(frameOf(world, ping(bob, alice)))
    const captured = capture.attach(left, 'left', '')
    left.send(frameOf(world, ping(bob, alice)))
    expect(captured.dropped).toBe(1)
    expect(world.frames.inUse).toBe(0)
  })

  test('names addresses', () => {
    const { capture } = cable()
    capture.name(parseIpv4('10.244.1.2'), 'default/sleep-1')
    expect(readCapture(capture.pcapng()).names).toEqual([{ address: parseIpv4('10.244.1.2'), name: 'default/sleep-1' }])
  })
})
