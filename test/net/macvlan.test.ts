/** macvlans between namespaces: what the wire, the lower device and the stations see, as captured on Linux 6.18. */
import { describe, expect, test } from 'vitest'
import { Dummy } from '../../src/link/dummy.ts'
import { Macvlan, type MacvlanMode } from '../../src/link/macvlan.ts'
import { Netns } from '../../src/net/netns.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { join, mac, newWorld, ping, watch } from './network.ts'

/** wire ── eth0 of a host (10.0.0.1), with a macvlan for each mode from 10.0.0.2 on; the far end is 10.0.0.9. */
function host(...modes: MacvlanMode[]) {
  const world = newWorld()
  const lower = new Netns(world, 'host')
  const far = new Netns(world, 'far')
  const [eth0, wire] = join(world, lower, '10.0.0.1/24', far, '10.0.0.9/24')
  const stations = modes.map((mode, i) => {
    const netns = new Netns(world, `m${i}`)
    const device = new Macvlan(world, `m${i}`, mac(0x20 + i), eth0, mode)
    netns.adopt(device)
    netns.addAddress(device, parseIpv4(`10.0.0.${2 + i}`), 24)
    netns.setUp(device)
    return { netns, device, seen: watch(device) }
  })
  const run = (seconds = 1) => world.scheduler.run(world.scheduler.now + seconds * SECOND)
  return { world, lower, far, eth0, wire, stations, run, onLower: watch(eth0), onWire: watch(wire) }
}

const arp = (lines: string[]) => lines.filter((line) => line.includes('ARP')).length
const echo = (lines: string[]) => lines.filter((line) => line.includes('echo')).length

describe('macvlan bridge mode', () => {
  test('stations of one parent talk past the wire; only the broadcast leaves', () => {
    const { world, stations, run, onLower, onWire } = host('bridge', 'bridge')
    ping(stations[0].netns, '10.0.0.3')
    run()
    expect([arp(onLower), echo(onLower)]).toEqual([2, 2])
    expect([arp(onWire), echo(onWire)]).toEqual([1, 0])
    expect([arp(stations[1].seen), echo(stations[1].seen)]).toEqual([2, 2])
    expect(world.frames.inUse).toBe(0)
  })

  test('the parent is no station: nobody answers for its address', () => {
    const { world, lower, stations, run, onLower, onWire } = host('bridge')
    ping(stations[0].netns, '10.0.0.1')
    ping(lower, '10.0.0.2')
    run(5)
    // Three requests each way, on the wire, without an answer.
    expect([arp(onLower), arp(onWire), echo(onLower)]).toEqual([6, 6, 0])
    expect(world.frames.inUse).toBe(0)
  })

  test('reaches the wire, and hears its broadcasts as its parent does', () => {
    const { world, far, stations, run } = host('bridge', 'private')
    ping(stations[0].netns, '10.0.0.9')
    run()
    expect(echo(stations[0].seen)).toBe(2)
    ping(far, '10.0.0.3')
    run()
    expect([arp(stations[0].seen), echo(stations[1].seen)]).toEqual([3, 2])
    expect(world.frames.inUse).toBe(0)
  })

  test('follows its parent down, and ends with it', () => {
    const { world, lower, eth0, stations, run } = host('bridge', 'bridge')
    lower.setDown(eth0)
    expect([stations[0].device.up, stations[0].device.carrier]).toEqual([true, false])
    lower.setUp(eth0)
    ping(stations[0].netns, '10.0.0.3')
    for (const { netns, device } of stations) {
      netns.release(device)
      device.destroy()
    }
    expect(eth0.stack).toBeNull()
    run(5)
    expect(world.frames.inUse).toBe(0)
  })
})

describe('macvlan modes', () => {
  test('private stations do not hear each other', () => {
    const { world, stations, run, onWire } = host('private', 'private')
    ping(stations[0].netns, '10.0.0.3')
    run(5)
    expect([arp(stations[1].seen), arp(onWire)]).toEqual([0, 3])
    expect(world.frames.inUse).toBe(0)
  })

  test('vepa leaves it to the switch to send frames back', () => {
    const { world, stations, wire, run, onWire } = host('vepa', 'vepa')
    // A reflective relay: everything comes back (802.1Qbg).
    wire.receiver = { receive: (frame) => wire.send(frame) }
    ping(stations[0].netns, '10.0.0.3')
    run()
    // ARP request, reply, echo request, reply: each of them there and back.
    expect([arp(onWire), echo(onWire)]).toEqual([4, 4])
    expect([arp(stations[1].seen), echo(stations[1].seen)]).toEqual([2, 2])
    expect(world.frames.inUse).toBe(0)
  })

  test('passthru has the MAC and all frames of its parent', () => {
    const { world, far, lower, stations, eth0, run } = host('passthru')
    expect(stations[0].device.mac).toEqual(eth0.mac)
    ping(far, '10.0.0.2')
    run()
    expect(echo(stations[0].seen)).toBe(2)
    expect(lower.counters.ipInReceives).toBe(0)
    expect(stations[0].device.setMode('bridge')).toBe(false)
    expect(world.frames.inUse).toBe(0)
  })
})

test('a dummy loses what it is given, and asks for no neighbour', () => {
  const world = newWorld()
  const netns = new Netns(world, 'host')
  const device = new Dummy(world, 'dummy0', mac(5))
  netns.adopt(device)
  netns.addAddress(device, parseIpv4('10.9.0.1'), 24)
  netns.setUp(device)
  const seen = watch(device)
  ping(netns, '10.9.0.2')
  world.scheduler.run(5 * SECOND)
  expect(seen).toEqual([expect.stringContaining('10.9.0.1 > 10.9.0.2: ICMP echo request')])
  expect([device.txPackets, world.frames.inUse]).toEqual([1, 0])
})
