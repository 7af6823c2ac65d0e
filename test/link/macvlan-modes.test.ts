/**
 * Which station hears what upon one device, as measured on Linux 6.18 with four macvlans: 0 private, 1 vepa, 2 and 3 bridge.
 * `w` is the wire; numbers are the macvlans that received the frame.
 */
import { expect, test } from 'vitest'
import { Macvlan } from '../../src/link/macvlan.ts'
import { MAC_BROADCAST, type Mac, parseMac } from '../../src/wire/address.ts'
import { inEthernet, payload } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

const GROUP = parseMac('01:00:5e:01:02:03')
const WIRE = mac(0xaa)

function parent() {
  const world = testWorld()
  const lower = new Stub(world, 'eth0', mac(0xe0))
  lower.receiver = new Inbox(world)
  const devices = (['private', 'vepa', 'bridge', 'bridge'] as const).map((mode, i) => {
    const device = new Macvlan(world, `m${i}`, mac(i), lower, mode)
    device.up = true
    device.receiver = new Inbox(world)
    return device
  })
  const reached = (act: () => void): string => {
    const before = devices.map((device) => (device.receiver as Inbox).count)
    const sent = lower.sent.count
    act()
    world.scheduler.run(world.scheduler.now)
    const heard = devices.flatMap((device, i) => ((device.receiver as Inbox).count > before[i] ? [i] : []))
    expect(world.frames.inUse).toBe(0)
    return `${lower.sent.count > sent ? 'w' : ''}${heard.join('')}`
  }
  const fromWire = (to: Mac, from: Mac = WIRE) => reached(() => lower.arrive(inEthernet(to, from, 0x88b5, payload(46))))
  const from = (i: number, to: Mac) =>
    reached(() => devices[i].send(frameOf(world, inEthernet(to, mac(i), 0x88b5, payload(46)))))
  return { devices, fromWire, from }
}

test('what comes by the wire', () => {
  const { fromWire } = parent()
  expect(fromWire(MAC_BROADCAST)).toBe('0123')
  expect(fromWire(mac(2))).toBe('2')
  expect(fromWire(mac(0xe0))).toBe('')
  expect([0, 1, 2, 3].map((i) => fromWire(MAC_BROADCAST, mac(i)))).toEqual(['0', '23', '1', '1'])
})

test('what stations send', () => {
  const { from } = parent()
  expect([0, 1, 2, 3].map((i) => from(i, MAC_BROADCAST))).toEqual(['w', 'w', 'w3', 'w2'])
  const toEach = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].filter((j) => j !== i).map((j) => from(i, mac(j))))
  expect(toEach).toEqual([
    ['w', 'w', 'w'],
    ['w', 'w', 'w'],
    ['w', 'w', '3'],
    ['w', 'w', '2'],
  ])
  expect(from(2, mac(0xe0))).toBe('w')
})

test('a group reaches those that were told of it', () => {
  const { devices, fromWire } = parent()
  expect(fromWire(GROUP)).toBe('')
  expect(fromWire(parseMac('01:00:5e:00:00:01'))).toBe('0123')
  devices[1].settings.groupFilter.push(GROUP)
  devices[3].settings.allMulticast = true
  expect(fromWire(GROUP)).toBe('13')
})
