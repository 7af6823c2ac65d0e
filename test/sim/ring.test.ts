import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Ring } from '../../src/sim/ring.ts'

test('a ring is a queue, whatever its first size', () => {
  fc.assert(
    fc.property(fc.constantFrom(1, 2, 16), fc.array(fc.option(fc.integer()), { maxLength: 200 }), (capacity, steps) => {
      const ring = new Ring<number>(capacity)
      const queue: number[] = []
      // A number is pushed; null takes one out.
      for (const step of steps) {
        if (step === null) expect(ring.shift()).toBe(queue.shift() ?? null)
        else {
          ring.push(step)
          queue.push(step)
        }
        expect(ring.size).toBe(queue.length)
      }
      while (queue.length > 0) expect(ring.shift()).toBe(queue.shift())
      expect(ring.shift()).toBeNull()
    }),
  )
})
