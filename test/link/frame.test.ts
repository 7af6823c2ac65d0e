import { describe, expect, test } from 'vitest'
import { DropReason, dropReasonNames, FramePool, HEADROOM } from '../../src/link/frame.ts'
import { hexOf } from '../support/bytes.ts'

describe('the frame pool', () => {
  test('counts what is in use, and gives frames again', () => {
    const pool = new FramePool()
    const first = pool.take()
    expect(pool.inUse).toBe(1)
    first.mark = 7
    first.packetId = 9
    first.group = true
    pool.consume(first)
    const again = pool.take()
    expect(again).toBe(first)
    expect([again.mark, again.packetId, again.group, again.start, again.length]).toEqual([0, 0, false, HEADROOM, 0])
    expect(pool.inUse).toBe(1)
  })

  test('refuses a frame that is given back twice', () => {
    const pool = new FramePool()
    const frame = pool.take()
    pool.consume(frame)
    expect(() => pool.consume(frame)).toThrow('given back twice')
    expect(() => pool.drop(frame, DropReason.NoRoute, 'node-1')).toThrow('given back twice')
    expect(pool.inUse).toBe(0)
  })

  test('spoils a returned frame in tests', () => {
    const pool = new FramePool()
    pool.poison = true
    const frame = pool.take()
    frame.bytes[frame.start] = 1
    pool.consume(frame)
    expect(frame.bytes.every((byte) => byte === 0xdb)).toBe(true)
  })

  test('counts drops by reason and tells who watches, before the frame is gone', () => {
    const pool = new FramePool()
    const told: string[] = []
    pool.dropTap = (frame, reason, where) => told.push(`${dropReasonNames[reason]} in ${where}: ${frame.length}`)
    const frame = pool.take()
    frame.end += 60
    pool.drop(frame, DropReason.TtlExpired, 'node-1')
    expect(told).toEqual(['TtlExpired in node-1: 60'])
    expect(pool.dropped[DropReason.TtlExpired]).toBe(1)
    expect(pool.inUse).toBe(0)
  })

  test('has room for the largest packet', () => {
    const pool = new FramePool()
    const large = pool.take(65_535 + 14)
    expect(large.bytes.length - large.start).toBeGreaterThanOrEqual(65_535 + 14)
    pool.consume(large)
    expect(pool.take()).not.toBe(large)
  })

  test('copies bytes and what is known about them, and the copy stands alone', () => {
    const pool = new FramePool()
    const frame = pool.take()
    frame.end = frame.start + 4
    frame.bytes.set([1, 2, 3, 4], frame.start)
    frame.mark = 0x4000
    frame.hash = 5
    frame.network = frame.start + 1
    const copy = pool.copy(frame)
    expect(copy).not.toBe(frame)
    expect(hexOf(copy.bytes.subarray(copy.start, copy.end))).toBe('01020304')
    expect([copy.mark, copy.hash, copy.network]).toEqual([0x4000, 5, frame.network])
    // One packet, one number.
    expect(pool.identify(copy)).toBe(pool.identify(frame))
    expect(pool.identify(pool.take())).not.toBe(pool.identify(frame))
    copy.bytes[copy.start] = 9
    expect(frame.bytes[frame.start]).toBe(1)
  })

  test('headers go in front and come off again', () => {
    const frame = new FramePool().take()
    frame.end += 10
    expect(frame.push(14)).toBe(HEADROOM - 14)
    expect(frame.length).toBe(24)
    expect(frame.pull(14)).toBe(HEADROOM)
    expect(frame.length).toBe(10)
  })
})
