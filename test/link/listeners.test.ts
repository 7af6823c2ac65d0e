import { expect, test } from 'vitest'
import { Netns } from '../../src/net/netns.ts'
import { vanish } from '../../src/net/vanish.ts'
import { mac, Stub, testWorld } from '../support/world.ts'

function watched() {
  const world = testWorld()
  const stub = new Stub(world, 'eth0', mac(1))
  const seen: string[] = []
  const hear = (name: string) => stub.listen((_frame, _device, direction) => void seen.push(`${name} ${direction}`))
  const send = () => {
    stub.send(world.frames.take(60))
    return seen.splice(0)
  }
  return { world, stub, hear, send }
}

test('listeners are called in the order in which they came, and leave in any order', () => {
  const { world, stub, hear, send } = watched()
  const ends = ['a', 'b', 'c'].map(hear)
  expect(send()).toEqual(['a out', 'b out', 'c out'])
  ends[0]()
  expect(send()).toEqual(['b out', 'c out'])
  ends[2]()
  expect(send()).toEqual(['b out'])
  ends[1]()
  expect(send()).toEqual([])
  // Nobody watches any more: the flow cache may cover the device again.
  expect(stub.tap).toBeNull()
  ends[1]()
  hear('d')
  expect(send()).toEqual(['d out'])
  expect(world.frames.inUse).toBe(0)
})

test('a watcher of the world hears of devices that join, leave, and vanish with their namespace', () => {
  const world = testWorld()
  const heard: string[] = []
  const end = world.watchDevices({
    joined: (device, namespace) => void heard.push(`+${namespace}/${device.name}`),
    left: (device) => void heard.push(`-${device.name}`),
  })
  const [a, b] = [new Netns(world, 'a'), new Netns(world, 'b')]
  const stub = new Stub(world, 'eth0', mac(1))
  a.adopt(stub)
  a.release(stub)
  b.adopt(stub)
  vanish(b)
  end()
  new Netns(world, 'c')
  expect(heard).toEqual(['+a/lo', '+b/lo', '+a/eth0', '-eth0', '+b/eth0', '-lo', '-eth0'])
})
