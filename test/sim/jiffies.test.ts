import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HZ, JIFFY, jiffies, wheel } from '../../src/sim/jiffies.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'

const now = fc.nat(1_000_000).map((microseconds) => microseconds * 977_000)

describe('the timer wheel at HZ 250', () => {
  test('has jiffies of four milliseconds', () => {
    expect([HZ, JIFFY, jiffies(9 * MILLISECOND)]).toEqual([250, 4 * MILLISECOND, 2])
  })

  // The bounds are the level's granularity: 1, 8, 64, 512 jiffies (kernel/time/timer.c).
  test.each([
    [200 * MILLISECOND, 204 * MILLISECOND],
    [SECOND, 1.032 * SECOND],
    [2 * SECOND, 2.032 * SECOND],
    [5 * SECOND, 5.256 * SECOND],
    [30 * SECOND, 32.048 * SECOND],
  ])('fires %i ns late by no more than its level', (delay, latest) => {
    fc.assert(
      fc.property(now, (start) => {
        const waited = wheel(start, delay) - start
        expect(waited).toBeGreaterThan(delay)
        expect(waited).toBeLessThanOrEqual(latest)
      }),
    )
  })

  test('fires on ticks of its level only', () => {
    expect(wheel(0, SECOND)).toBe(256 * JIFFY)
    expect(wheel(5 * JIFFY, SECOND)).toBe(256 * JIFFY)
    expect(wheel(6 * JIFFY, SECOND)).toBe(264 * JIFFY)
    // 1.024 s apart when each is set as the one before fires: ARP's probes.
    expect(wheel(256 * JIFFY, SECOND) - wheel(0, SECOND)).toBe(1.024 * SECOND)
    expect(wheel(0, 5 * SECOND)).toBe(1280 * JIFFY)
  })

  test('becomes coarser at 63, 504 and 4032 jiffies', () => {
    const waits = [62, 63, 503, 504, 4031, 4032].map((count) => wheel(0, count * JIFFY) / JIFFY)
    expect(waits).toEqual([63, 64, 504, 512, 4032, 4096])
  })

  test('never lets a longer delay fire first', () => {
    fc.assert(
      fc.property(now, fc.nat(20_000), fc.nat(20_000), (start, a, b) => {
        const [shorter, longer] = [Math.min(a, b) * MILLISECOND, Math.max(a, b) * MILLISECOND]
        return wheel(start, shorter) <= wheel(start, longer)
      }),
    )
  })
})
