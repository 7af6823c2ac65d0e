import { describe, expect, test } from 'vitest'
import { Runner } from '../../src/host/run.ts'
import { Pace } from '../../src/live/pace.ts'
import { MILLISECOND, SECOND } from '../../src/sim/scheduler.ts'
import { Lab } from '../../src/topology/lab.ts'
import { loadTopology } from '../../src/topology/load.ts'
import { testWorld } from '../support/world.ts'

const NOTHING = { readFile: () => null, listFolder: () => null }

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

describe('paused', () => {
  /** A world with an event in each of the first ten milliseconds, standing. */
  async function standing() {
    const world = testWorld()
    const seen: number[] = []
    for (let at = 1; at <= 10; at++) world.scheduler.call(at * MILLISECOND, () => void seen.push(at))
    let wall = 0
    const pace = new Pace(new Runner(world), 1, () => wall)
    const stopping = new AbortController()
    const running = pace.run(stopping.signal)
    await pace.pause()
    const pass = (milliseconds: number) => {
      wall += milliseconds
      pace.kick()
      return new Promise((resolve) => setTimeout(resolve, 5))
    }
    const end = async () => {
      stopping.abort()
      await running
    }
    return { world, pace, seen, pass, end }
  }

  test('the virtual clock stands, and goes on from there', async () => {
    const { world, pace, seen, pass, end } = await standing()
    await pass(1000)
    expect(world.scheduler.now).toBe(0)
    pace.resume()
    await pass(3)
    expect(seen).toEqual([1, 2, 3])
    expect(world.scheduler.now).toBe(3 * MILLISECOND)
    expect(pace.slipped).toBe(0)
    await end()
  })

  test('a step is one event, a time, or until something has happened', async () => {
    const { world, pace, seen, end } = await standing()
    expect(await pace.step('event')).toBe(true)
    expect(seen).toEqual([1])
    expect(await pace.step({ for: 2.5 * MILLISECOND })).toBe(true)
    expect(seen).toEqual([1, 2, 3])
    expect(world.scheduler.now).toBe(3.5 * MILLISECOND)
    expect(await pace.step({ until: () => seen.includes(7) })).toBe(true)
    expect(seen.at(-1)).toBe(7)
    // Nothing more will happen: the step ends, and has not reached its goal.
    expect(await pace.step({ until: () => false })).toBe(false)
    expect(await pace.step('event')).toBe(false)
    expect(await pace.step({ for: SECOND })).toBe(true)
    expect(world.scheduler.now).toBe(SECOND + 10 * MILLISECOND)
    await end()
  })

  test('a step without end is ended by the next word, and by the end', async () => {
    const { world, pace, end } = await standing()
    const tick = () => void world.scheduler.call(MILLISECOND, tick)
    tick()
    const first = pace.step({ until: () => false })
    await pace.pause()
    expect(await first).toBe(false)
    const second = pace.step({ until: () => false })
    await new Promise((resolve) => setTimeout(resolve, 30))
    await end()
    expect(await second).toBe(false)
    expect(world.scheduler.now).toBeGreaterThan(10 * MILLISECOND)
  })

  test('a command that needs no time is answered while the clock stands', async () => {
    const topology = loadTopology(
      'p.yaml',
      'underlay: {cidr: 10.0.0.0/24}\nhosts: [{name: a, ip: 10.0.0.1}]\n',
      NOTHING,
    )
    const lab = await Lab.build(topology, { ...NOTHING, capture: null })
    const pace = new Pace(lab.runner)
    const stopping = new AbortController()
    const running = pace.run(stopping.signal)
    await pace.pause()
    const { now } = lab.world.scheduler
    let out = ''
    const exit = lab.begin('ssh a ip -br addr show eth0', { out: (text) => void (out += text), err: () => {} })
    pace.kick()
    expect(await exit).toBe(0)
    expect(out).toContain('10.0.0.1/24')
    expect(lab.world.scheduler.now).toBe(now)
    stopping.abort()
    await running
  })
})

test('the speed may change while the world runs', async () => {
  const world = testWorld()
  let wall = 0
  const pace = new Pace(new Runner(world), 1, () => wall)
  const stopping = new AbortController()
  const running = pace.run(stopping.signal)
  const pass = (milliseconds: number) => {
    wall += milliseconds
    pace.kick()
    return new Promise((resolve) => setTimeout(resolve, 5))
  }
  await pass(10)
  expect(world.scheduler.now).toBe(10 * MILLISECOND)
  pace.speed = 0.1
  await pass(10)
  expect(world.scheduler.now).toBe(11 * MILLISECOND)
  stopping.abort()
  await running
})
