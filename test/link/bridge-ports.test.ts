/**
 * What a port's flags and states let through. Expectations were measured on Linux 6.18: a bridge with three veths, a frame
 * sent into one of them or by the bridge's host, and who received it. 1, 2 and 3 are what hangs on the ports, 0 the host.
 */
import { describe, expect, test } from 'vitest'
import { Bridge, type BridgePort } from '../../src/link/bridge.ts'
import { PortState } from '../../src/link/bridge-state.ts'
import { formatFdbMac } from '../../src/link/fdb.ts'
import { MAC_BROADCAST, type Mac, parseMac } from '../../src/wire/address.ts'
import { hexOf } from '../support/bytes.ts'
import { inEthernet, payload } from '../support/packets.ts'
import { frameOf, Inbox, mac, Stub, testWorld } from '../support/world.ts'

const destinations: Readonly<Record<string, Mac>> = {
  unknown: mac(0x99),
  broadcast: MAC_BROADCAST,
  group: parseMac('01:00:5e:01:02:03'),
  'IPv6 group': parseMac('33:33:00:00:00:42'),
  lldp: parseMac('01:80:c2:00:00:0e'),
  bpdu: parseMac('01:80:c2:00:00:00'),
}

function lan() {
  const world = testWorld()
  const bridge = new Bridge(world, 'br0', mac(100))
  const host = new Inbox(world)
  bridge.up = true
  bridge.receiver = host
  const stubs = [1, 2, 3].map((n) => new Stub(world, `veth${n}`, mac(n)))
  const [p1, p2, p3] = stubs.map((stub) => bridge.attach(stub))
  const counts = () => [host.count, ...stubs.map((stub) => stub.sent.count)]
  const reached = (act: () => void): number[] => {
    const before = counts()
    act()
    return counts().flatMap((count, i) => (count > before[i] ? [i] : []))
  }
  /** From what hangs on a port; the sender there is 11, 12 or 13 unless another one is named. */
  const arrive = (port: number, to: Mac, from: Mac = mac(10 + port)) =>
    reached(() => stubs[port - 1].arrive(inEthernet(to, from, 0x88b5, payload(46))))
  const fromHost = (to: Mac) =>
    reached(() => bridge.send(frameOf(world, inEthernet(to, mac(100), 0x88b5, payload(46)))))
  const table = (send: (to: Mac) => number[]) =>
    Object.fromEntries(Object.entries(destinations).map(([name, to]) => [name, send(to).join('')]))
  const learnt = (port: BridgePort) =>
    bridge.fdb
      .entries()
      .filter((entry) => entry.port === port && !entry.permanent)
      .map(formatFdbMac)
  return { world, stubs, bridge, p1, p2, p3, arrive, fromHost, table, learnt }
}

type Lan = ReturnType<typeof lan>

/** What the host sends reaches every port, whatever the flags for groups say. */
const EVERYWHERE = { unknown: '123', broadcast: '123', group: '123', 'IPv6 group': '123', lldp: '123', bpdu: '123' }
const PLAIN = { unknown: '23', broadcast: '023', group: '023', 'IPv6 group': '023', lldp: '', bpdu: '023' }

describe('flags of a port', () => {
  test.each([
    ['none', (_: Lan): void => {}, PLAIN, EVERYWHERE],
    [
      'flood off',
      ({ p2 }: Lan): void => {
        p2.flooding = false
      },
      { ...PLAIN, unknown: '3' },
      { ...EVERYWHERE, unknown: '13' },
    ],
    [
      'bcast_flood off',
      ({ p2 }: Lan): void => {
        p2.bcastFlood = false
      },
      { ...PLAIN, broadcast: '03' },
      EVERYWHERE,
    ],
    [
      'mcast_flood off',
      ({ p2 }: Lan): void => {
        p2.mcastFlood = false
      },
      { ...PLAIN, group: '03', 'IPv6 group': '03', bpdu: '03' },
      EVERYWHERE,
    ],
    [
      'isolated',
      ({ p1, p2 }: Lan): void => {
        p1.isolated = true
        p2.isolated = true
      },
      { unknown: '3', broadcast: '03', group: '03', 'IPv6 group': '03', lldp: '', bpdu: '03' },
      EVERYWHERE,
    ],
    [
      'guard and root_block, which wait for spanning tree',
      ({ p1 }: Lan): void => {
        p1.notes.guard = true
        p1.notes.rootBlock = true
      },
      PLAIN,
      EVERYWHERE,
    ],
  ] as const)('%s', (_, set, entering, leaving) => {
    const net = lan()
    set(net)
    expect(net.table((to) => net.arrive(1, to))).toEqual(entering)
    expect(net.table(net.fromHost)).toEqual(leaving)
    expect(net.world.frames.inUse).toBe(0)
  })

  test('hairpin', () => {
    const { world, p1, arrive, table } = lan()
    p1.hairpin = true
    const seen = { unknown: '123', broadcast: '0123', group: '0123', 'IPv6 group': '0123', lldp: '', bpdu: '0123' }
    expect(table((to) => arrive(1, to))).toEqual(seen)
    expect(world.frames.inUse).toBe(0)
  })

  test('learning off', () => {
    const { world, p1, arrive, learnt } = lan()
    p1.learning = false
    expect(arrive(1, MAC_BROADCAST)).toEqual([0, 2, 3])
    expect(learnt(p1)).toEqual([])
    expect(arrive(2, mac(11))).toEqual([1, 3])
    p1.learning = true
    arrive(1, MAC_BROADCAST)
    expect(arrive(2, mac(11))).toEqual([1])
    expect(world.frames.inUse).toBe(0)
  })
})

describe('a locked port', () => {
  test('lets in whom the FDB has there, and learns nobody but by LLDP', () => {
    const { world, bridge, p1, p2, arrive, fromHost, learnt } = lan()
    p1.locked = true
    expect(arrive(1, MAC_BROADCAST, mac(0x51))).toEqual([])
    expect(learnt(p1)).toEqual([])
    const state = { local: false, static: true, sticky: false, externLearn: false }
    bridge.fdb.put(mac(0x51), p1, 0, 0, state)
    expect(arrive(1, MAC_BROADCAST, mac(0x51))).toEqual([0, 2, 3])
    bridge.fdb.put(mac(0x52), p1, 0, 0, { ...state, static: false })
    expect(arrive(1, MAC_BROADCAST, mac(0x52))).toEqual([0, 2, 3])
    bridge.fdb.put(mac(0x53), p2, 0, 0, state)
    expect(arrive(1, MAC_BROADCAST, mac(0x53))).toEqual([])
    bridge.fdb.put(mac(0x54), p1, 0, 0, { ...state, local: true })
    expect(arrive(1, MAC_BROADCAST, mac(0x54))).toEqual([])
    expect(arrive(1, destinations.lldp, mac(0x55))).toEqual([])
    expect(learnt(p1)).toContain('02:00:00:00:00:55')
    expect(fromHost(MAC_BROADCAST)).toEqual([1, 2, 3])
    expect(world.frames.inUse).toBe(0)
  })
})

describe('the state of a port', () => {
  test.each([
    ['disabled', PortState.disabled, [], [0, 3], []],
    ['listening', PortState.listening, [], [0, 3], []],
    ['learning', PortState.learning, [], [0, 3], ['02:00:00:00:00:0b', '02:00:00:00:00:61']],
    ['forwarding', PortState.forwarding, [0, 2, 3], [0, 1, 3], ['02:00:00:00:00:0b', '02:00:00:00:00:61']],
  ] as const)('%s', (_, state, from, to, stations) => {
    const { world, p1, arrive, learnt } = lan()
    p1.state = state
    expect(arrive(1, MAC_BROADCAST)).toEqual(from)
    expect(arrive(2, MAC_BROADCAST)).toEqual(to)
    expect(arrive(1, destinations.lldp, mac(0x61))).toEqual([])
    expect(learnt(p1).sort()).toEqual(stations)
    expect(world.frames.inUse).toBe(0)
  })
})

describe('entries set by hand', () => {
  test('static ones follow their station, sticky and local ones stay, foreign ones become learnt', () => {
    const { world, bridge, p1, p2, arrive } = lan()
    const plain = { local: false, static: false, sticky: false, externLearn: false }
    for (const [n, state] of [
      [0x30, { ...plain, static: true }],
      [0x31, { ...plain, static: true, sticky: true }],
      [0x32, { ...plain, externLearn: true }],
      [0x33, { ...plain, local: true }],
      [0x34, { ...plain, sticky: true }],
    ] as const) {
      bridge.fdb.put(mac(n), p1, 0, 0, state)
    }
    for (const n of [0x30, 0x31, 0x32, 0x33, 0x34]) arrive(2, MAC_BROADCAST, mac(n))
    const at = (n: number) => bridge.fdb.lookup(mac(n), 0, 0)
    expect([0x30, 0x31, 0x32, 0x33, 0x34].map((n) => at(n)?.port)).toEqual([p2, p1, p2, p1, p1])
    expect(at(0x30)).toMatchObject({ permanent: true })
    expect(at(0x32)).toMatchObject({ permanent: false, externLearn: false })
    expect(world.frames.inUse).toBe(0)
  })
})

test('a bridge that does not tell VLANs apart hands tagged frames on as they are', () => {
  const { world, stubs, arrive } = lan()
  arrive(2, MAC_BROADCAST)
  const tagged = (to: Mac, tag: number) =>
    inEthernet(to, mac(11), 0x8100, Uint8Array.of(tag >> 8, tag & 255, 0x88, 0xb5, ...payload(46)))
  const reached = (bytes: Uint8Array) => {
    const before = stubs.map((stub) => stub.sent.count)
    stubs[0].arrive(bytes)
    return stubs.flatMap((stub, i) => (stub.sent.count > before[i] ? [i + 1] : []))
  }
  expect(reached(tagged(MAC_BROADCAST, 5))).toEqual([2, 3])
  expect(reached(tagged(mac(12), 5))).toEqual([2])
  expect(reached(tagged(MAC_BROADCAST, 0x6000))).toEqual([2, 3])
  expect(stubs[1].sent.hex.at(-1)).toBe(hexOf(tagged(MAC_BROADCAST, 0x6000)))
  expect(world.frames.inUse).toBe(0)
})
