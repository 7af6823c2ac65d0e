import { describe, expect, test } from 'vitest'
import { Bridge } from '../../src/link/bridge.ts'
import { DropReason } from '../../src/link/frame.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { MAC_BROADCAST, type Mac } from '../../src/wire/address.ts'
import { hexOf } from '../support/bytes.ts'
import { inEthernet, payload } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

/** A bridge with three ports; the stations' MACs are mac(11), mac(12), mac(13). */
function lan() {
  const world = testWorld()
  const bridge = new Bridge(world, 'cni0', mac(100))
  const host = new Inbox(world)
  bridge.up = true
  bridge.receiver = host
  const stubs = [1, 2, 3].map((n) => new Stub(world, `veth${n}`, mac(n)))
  const ports = stubs.map((stub) => bridge.attach(stub))
  /** Who got frames since the last call: port numbers, and 0 for the host. */
  let before = [0, 0, 0, 0]
  const got = () => {
    const now = [host.count, ...stubs.map((stub) => stub.sent.count)]
    const grown = now.flatMap((count, index) => new Array<number>(count - before[index]).fill(index))
    before = now
    return grown
  }
  const arrive = (port: number, to: Mac, from: Mac, length = 46) => {
    stubs[port - 1].arrive(inEthernet(to, from, 0x88b5, payload(length)))
    return got()
  }
  const fromHost = (to: Mac) => {
    bridge.send(frameOf(world, inEthernet(to, mac(100), 0x88b5, payload(46))))
    return got()
  }
  return { world, bridge, host, stubs, ports, arrive, fromHost, got }
}

describe('a bridge', () => {
  test('floods what it does not know, and learns who is where', () => {
    const { world, arrive } = lan()
    expect(arrive(1, mac(12), mac(11))).toEqual([2, 3])
    expect(arrive(2, mac(11), mac(12))).toEqual([1])
    expect(arrive(1, mac(12), mac(11))).toEqual([2])
    expect(world.frames.inUse).toBe(0)
  })

  test('hands on the very bytes, to every port', () => {
    const { stubs, arrive } = lan()
    arrive(1, MAC_BROADCAST, mac(11))
    const bytes = hexOf(inEthernet(MAC_BROADCAST, mac(11), 0x88b5, payload(46)))
    expect([stubs[1].sent.hex, stubs[2].sent.hex]).toEqual([[bytes], [bytes]])
  })

  test('gives broadcasts to the host too, and what is addressed to it to nobody else', () => {
    const { world, arrive } = lan()
    expect(arrive(1, MAC_BROADCAST, mac(11))).toEqual([0, 2, 3])
    expect(arrive(1, mac(100), mac(11))).toEqual([0])
    // A port's own address is the host's as well.
    expect(arrive(1, mac(2), mac(11))).toEqual([0])
    expect(world.frames.inUse).toBe(0)
  })

  test('sends for its host', () => {
    const { world, arrive, fromHost } = lan()
    expect(fromHost(mac(11))).toEqual([1, 2, 3])
    arrive(1, mac(100), mac(11))
    expect(fromHost(mac(11))).toEqual([1])
    expect(fromHost(MAC_BROADCAST)).toEqual([1, 2, 3])
    expect(world.frames.inUse).toBe(0)
  })

  test('follows a station that moves, and forgets one that is silent', () => {
    const { world, arrive } = lan()
    arrive(1, MAC_BROADCAST, mac(11))
    arrive(3, MAC_BROADCAST, mac(11))
    expect(arrive(2, mac(11), mac(12))).toEqual([3])
    world.scheduler.run(301 * SECOND)
    expect(arrive(2, mac(11), mac(12))).toEqual([1, 3])
  })

  test('does not send a frame back where it came from, unless the port is a hairpin', () => {
    const { world, ports, arrive } = lan()
    arrive(1, MAC_BROADCAST, mac(11))
    expect(arrive(1, mac(11), mac(21))).toEqual([])
    expect(world.frames.dropped[DropReason.SamePort]).toBe(1)
    ports[0].hairpin = true
    expect(arrive(1, mac(11), mac(21))).toEqual([1])
    expect(arrive(1, MAC_BROADCAST, mac(11))).toEqual([0, 1, 2, 3])
    expect(world.frames.inUse).toBe(0)
  })

  test('keeps isolated ports apart', () => {
    const { world, ports, arrive, fromHost } = lan()
    ports[0].isolated = true
    ports[1].isolated = true
    expect(arrive(1, MAC_BROADCAST, mac(11))).toEqual([0, 3])
    expect(arrive(2, mac(11), mac(12))).toEqual([])
    expect(arrive(3, mac(11), mac(13))).toEqual([1])
    expect(fromHost(mac(11))).toEqual([1])
    expect(world.frames.inUse).toBe(0)
  })

  test('floods unknown unicast only where that is wanted, and learns only there', () => {
    const { ports, arrive } = lan()
    ports[1].flooding = false
    expect(arrive(1, mac(12), mac(11))).toEqual([3])
    expect(arrive(1, MAC_BROADCAST, mac(11))).toEqual([0, 2, 3])
    ports[2].learning = false
    arrive(3, MAC_BROADCAST, mac(13))
    expect(arrive(1, mac(13), mac(11))).toEqual([3])
    ports[1].flooding = true
    expect(arrive(1, mac(13), mac(11))).toEqual([2, 3])
  })

  test('shows its host everything while it is promiscuous', () => {
    const { world, bridge, arrive } = lan()
    arrive(2, MAC_BROADCAST, mac(12))
    bridge.promiscuous = true
    expect(arrive(1, mac(12), mac(11))).toEqual([0, 2])
    expect(world.frames.inUse).toBe(0)
  })

  test('leaves out ports that are down, and drops what is longer than a port takes', () => {
    const { world, stubs, arrive } = lan()
    stubs[1].up = false
    expect(arrive(1, MAC_BROADCAST, mac(11))).toEqual([0, 3])
    stubs[2].mtu = 100
    // There is always room for a tag: a kernel's bridge passes 1504 bytes to a port whose MTU is 1500, not 1505.
    expect(arrive(1, mac(13), mac(11), 104)).toEqual([3])
    expect(arrive(1, mac(13), mac(11), 105)).toEqual([])
    expect([world.frames.dropped[DropReason.FrameTooLong], world.frames.inUse]).toEqual([1, 0])
  })

  test('lets a port go with all that it had learnt', () => {
    const { world, bridge, stubs, arrive } = lan()
    arrive(1, MAC_BROADCAST, mac(11))
    bridge.detach(stubs[0])
    expect([bridge.portOf(stubs[0]), stubs[0].master, bridge.ports.length]).toEqual([null, null, 2])
    expect(arrive(2, mac(11), mac(12))).toEqual([3])
    expect(arrive(2, mac(1), mac(12))).toEqual([3])
    stubs[0].arrive(inEthernet(MAC_BROADCAST, mac(11), 0x88b5, payload(46)))
    expect(world.frames.inUse).toBe(0)
  })

  test('has carrier while a port has', () => {
    const { bridge, stubs } = lan()
    expect(bridge.carrier).toBe(true)
    for (const stub of stubs) stub.up = false
    expect(bridge.carrier).toBe(false)
  })
})

describe('carrier', () => {
  test('a bridge without ports has none, and not even a capture sees what its host sends', () => {
    const { world, bridge, stubs, fromHost } = lan()
    let seen = 0
    bridge.tap = () => {
      seen++
    }
    expect(fromHost(MAC_BROADCAST)).toEqual([1, 2, 3])
    for (const stub of stubs) bridge.detach(stub)
    expect(bridge.carrier).toBe(false)
    expect(fromHost(MAC_BROADCAST)).toEqual([])
    expect([seen, bridge.txDropped]).toEqual([1, 1])
    expect(world.frames.inUse).toBe(0)
  })

  test('a port takes and gives nothing until its carrier has been noticed', () => {
    const { world, ports, arrive } = lan()
    ports[1].forwarding = false
    expect(arrive(1, MAC_BROADCAST, mac(11))).toEqual([0, 3])
    expect(arrive(2, MAC_BROADCAST, mac(12))).toEqual([])
    ports[1].forwarding = true
    expect(arrive(2, MAC_BROADCAST, mac(12))).toEqual([0, 1, 3])
    expect(world.frames.inUse).toBe(0)
  })
})
