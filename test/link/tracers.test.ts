import { expect, it } from 'vitest'
import { journal } from '../../src/link/flow-cache.ts'
import { DropReason, type Tracer } from '../../src/link/frame.ts'
import { World } from '../../src/link/world.ts'

it('several trace a world, each until its own end, in any order', () => {
  const world = new World()
  const heard: string[] = []
  const tracer = (name: string): Tracer => ({
    decided: () => {},
    dropped: (_frame, _reason, where) => void heard.push(`${name} ${where}`),
  })
  const drop = (where: string) => world.frames.drop(world.frames.take(), DropReason.Impaired, where)
  const endA = world.trace(tracer('a'))
  const endB = world.trace(tracer('b'))
  drop('one')
  endA()
  drop('two')
  const endC = world.trace(tracer('c'))
  endB()
  endA()
  drop('three')
  expect(journal.open).toBe(true)
  endC()
  drop('four')
  expect(heard).toEqual(['a one', 'b one', 'b two', 'c three'])
  expect([journal.open, world.frames.tracer]).toEqual([false, null])
})
