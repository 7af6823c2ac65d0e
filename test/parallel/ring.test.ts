import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Ring } from '../../src/parallel/ring.ts'
import { SharedClocks } from '../../src/parallel/shared-clocks.ts'

const SIZE = 32

test('records come out as they went in, whatever their lengths and however both sides take turns', () => {
  const step = fc.record({ words: fc.integer({ min: 1, max: SIZE }), take: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const memory = new SharedArrayBuffer(64 + Ring.bytes(SIZE))
      const [sender, receiver] = [new Ring(memory, 64, SIZE), new Ring(memory, 64, SIZE)]
      const inside: number[][] = []
      const takeOne = () => {
        const at = receiver.peek()
        const [words, kind] = inside.shift() ?? [-1, -1]
        if (words < 0) return expect(at).toBe(-1)
        expect([receiver.words[at * 2], receiver.words[at * 2 + 1]]).toEqual([words, kind])
        for (let i = 1; i < words; i++) expect(receiver.doubles[at + i]).toBe(kind + i / 100)
        receiver.shift()
      }
      for (const [i, { words, take }] of steps.entries()) {
        const at = sender.room(words, i + 1)
        if (at >= 0) {
          for (let j = 1; j < words; j++) sender.doubles[at + j] = i + 1 + j / 100
          sender.push()
          inside.push([words, i + 1])
        }
        for (let j = 0; j < take; j++) takeOne()
      }
      while (inside.length > 0) takeOne()
      takeOne()
      expect(sender.empty).toBe(true)
      // An empty queue has room for the largest record, at its beginning or after what fills up its end.
      expect(sender.room(SIZE / 2, 1)).toBeGreaterThanOrEqual(0)
    }),
  )
})

test('a clock tells what it was set to, and never', () => {
  const clocks = new SharedClocks(new SharedArrayBuffer(SharedClocks.bytes(2)), 2)
  for (const time of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 86_400e9, 104 * 86_400e9, Number.POSITIVE_INFINITY]) {
    clocks.setClock(1, time)
    expect(clocks.clock(1)).toBe(time)
    expect(clocks.clock(0)).toBe(0)
  }
})
