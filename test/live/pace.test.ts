import { expect, test } from 'vitest'
import { Runner } from '../../src/host/run.ts'
import { Pace } from '../../src/live/pace.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { testWorld } from '../support/world.ts'

/** A wall clock that goes on by so much whenever it is looked at. */
function clockOf(step: number) {
  let now = 1000
  return () => {
    now += step
    return now
  }
}

test.each([0.5, 1, 10])('at speed %f, events happen when their moment has come on the wall', async (speed) => {
  const world = testWorld()
  const clock = clockOf(0.25)
  const began = clock()
  const pace = new Pace(new Runner(world), speed, clock)
  const stopping = new AbortController()
  const seen: number[] = []
  for (const at of [2, 5, 9]) world.scheduler.call(at * MILLISECOND, () => void seen.push(clock() - began))
  world.scheduler.call(10 * MILLISECOND, () => stopping.abort())
  await pace.run(stopping.signal)
  expect(seen).toHaveLength(3)
  for (const [i, at] of [2, 5, 9].entries()) expect(seen[i]).toBeGreaterThanOrEqual(at / speed)
  expect(pace.slipped).toBe(0)
})

test('a world that cannot keep up loses time, and says how much', async () => {
  const world = testWorld()
  const pace = new Pace(new Runner(world), 1, clockOf(100))
  const stopping = new AbortController()
  for (let at = 0; at < 20; at += 2) world.scheduler.call(at * MILLISECOND, () => {})
  world.scheduler.call(20 * MILLISECOND, () => stopping.abort())
  await pace.run(stopping.signal)
  expect(world.scheduler.now).toBe(21 * MILLISECOND)
  expect(pace.slipped).toBeGreaterThan(SECOND)
})

test('a sleeping world is woken by a kick', async () => {
  const world = testWorld()
  const pace = new Pace(new Runner(world))
  const stopping = new AbortController()
  const running = pace.run(stopping.signal)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const happened = new Promise<void>((resolve) => void world.scheduler.call(0, resolve))
  pace.kick()
  await happened
  stopping.abort()
  await running
})

test('after a long sleep it is where the wall is, and nothing was lost', async () => {
  const world = testWorld()
  let wall = 0
  const pace = new Pace(new Runner(world), 1, () => wall)
  const stopping = new AbortController()
  const running = pace.run(stopping.signal)
  world.scheduler.call(9 * SECOND, () => {})
  wall = 3000
  pace.kick()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(world.scheduler.now).toBe(3 * SECOND)
  expect(pace.slipped).toBe(0)
  stopping.abort()
  await running
})
