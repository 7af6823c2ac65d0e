import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Scheduler, Timer } from '../../src/sim/scheduler.ts'

/** The same promises, kept by looking through a list. */
class NaiveScheduler {
  now = 0
  #armed: { name: number; due: number; order: number }[] = []
  #orders = 0

  at(name: number, due: number): void {
    this.cancel(name)
    this.#armed.push({ name, due: Math.max(due, this.now), order: this.#orders++ })
  }

  cancel(name: number): void {
    this.#armed = this.#armed.filter((alarm) => alarm.name !== name)
  }

  run(until: number, ring: (name: number) => void): void {
    for (;;) {
      const [next] = this.#armed.sort((a, b) => a.due - b.due || a.order - b.order)
      if (next === undefined || next.due > until) break
      this.now = next.due
      this.cancel(next.name)
      ring(next.name)
    }
    this.now = Math.max(this.now, until)
  }
}

const TIMERS = 12

type Step =
  | { readonly kind: 'at'; readonly name: number; readonly due: number }
  | { readonly kind: 'cancel'; readonly name: number }
  | { readonly kind: 'run'; readonly until: number }

const name = fc.nat(TIMERS - 1)
/** Within one span of the timer wheel, around the borders of its rows, and anywhere. */
const time = fc.oneof(
  fc.nat(40),
  fc
    .tuple(fc.nat(4), fc.nat(3), fc.integer({ min: -2, max: 2 }))
    .map(([row, far, near]) => Math.max(0, far * 2 ** (26 + 6 * row) + near)),
  fc.maxSafeNat().map((wide) => Math.floor(wide / 2)),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('at' as const), name, due: time }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('run' as const), until: time }) },
)

describe('the scheduler', () => {
  test('rings as a naive one does, whatever is armed, moved and cancelled', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80 }),
        fc.array(fc.tuple(name, fc.nat(3)), { maxLength: 10 }),
        (steps, chain) => {
          const real = new Scheduler()
          const naive = new NaiveScheduler()
          const log: string[] = []
          const expected: string[] = []
          // What rings first arms the first link of the chain, and so on: events that ask for events.
          const left = chain.slice()
          const naiveLeft = chain.slice()
          const timers = Array.from({ length: TIMERS }, (_, index): Timer => {
            return new Timer({
              run: () => {
                log.push(`${index} at ${real.now}`)
                const link = left.shift()
                if (link !== undefined) real.after(timers[link[0]], link[1])
              },
            })
          })
          const ring = (index: number) => {
            expected.push(`${index} at ${naive.now}`)
            const link = naiveLeft.shift()
            if (link !== undefined) naive.at(link[0], naive.now + link[1])
          }
          for (const one of [...steps, { kind: 'run', until: Number.MAX_SAFE_INTEGER } as const]) {
            if (one.kind === 'at') {
              real.at(timers[one.name], one.due)
              naive.at(one.name, one.due)
            } else if (one.kind === 'cancel') {
              real.cancel(timers[one.name])
              naive.cancel(one.name)
            } else {
              real.run(one.until)
              naive.run(one.until, ring)
            }
            expect(real.now).toBe(naive.now)
          }
          expect(log).toEqual(expected)
          expect(real.pending).toBe(0)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('keeps the order of asking within an instant, over many events', () => {
    const scheduler = new Scheduler()
    const rung: number[] = []
    for (let i = 0; i < 500; i++) scheduler.call(i % 5, () => rung.push(i))
    scheduler.run()
    expect(rung).toEqual(Array.from({ length: 500 }, (_, i) => i).sort((a, b) => (a % 5) - (b % 5) || a - b))
  })

  test('arming again moves a timer, and puts it last in its instant', () => {
    const scheduler = new Scheduler()
    const rung: string[] = []
    const moved = new Timer({ run: () => rung.push('moved') })
    scheduler.at(moved, 5)
    scheduler.call(10, () => rung.push('other'))
    scheduler.at(moved, 10)
    expect(scheduler.dueOf(moved)).toBe(10)
    scheduler.run()
    expect(rung).toEqual(['other', 'moved'])
    expect(moved.armed).toBe(false)
    expect(scheduler.dueOf(moved)).toBe(Number.POSITIVE_INFINITY)
  })

  test('a moment in the past means now', () => {
    const scheduler = new Scheduler()
    scheduler.run(100)
    const times: number[] = []
    scheduler.at(new Timer({ run: () => times.push(scheduler.now) }), 7)
    scheduler.run()
    expect(times).toEqual([100])
  })

  test('runs up to a moment, and the clock stands there', () => {
    const scheduler = new Scheduler()
    const rung: number[] = []
    for (const due of [10, 20, 30]) scheduler.call(due, () => rung.push(due))
    expect(scheduler.next).toBe(10)
    scheduler.run(20)
    expect([rung, scheduler.now, scheduler.pending, scheduler.next]).toEqual([[10, 20], 20, 1, 30])
    scheduler.run()
    expect([rung, scheduler.now, scheduler.next]).toEqual([[10, 20, 30], 30, Number.POSITIVE_INFINITY])
  })

  test('stops behind the event that asks for it', () => {
    const scheduler = new Scheduler()
    const rung: number[] = []
    scheduler.call(1, () => rung.push(1))
    scheduler.call(1, () => scheduler.stop())
    scheduler.call(1, () => rung.push(3))
    scheduler.run(50)
    expect([rung, scheduler.now]).toEqual([[1], 1])
    scheduler.run(50)
    expect([rung, scheduler.now]).toEqual([[1, 3], 50])
  })

  test('what is never due waits behind everything else', () => {
    const scheduler = new Scheduler()
    const log: string[] = []
    const never = new Timer({ run: () => log.push('never') })
    const late = new Timer({ run: () => log.push('late') })
    scheduler.at(never, Number.POSITIVE_INFINITY)
    scheduler.at(late, Number.MAX_SAFE_INTEGER)
    scheduler.run(Number.MAX_SAFE_INTEGER)
    expect(log).toEqual(['late'])
    expect(scheduler.dueOf(never)).toBe(Number.POSITIVE_INFINITY)
    scheduler.at(late, Number.POSITIVE_INFINITY)
    expect(scheduler.pending).toBe(2)
    scheduler.cancel(never)
    scheduler.cancel(late)
    expect(scheduler.pending).toBe(0)
  })
})
