/** Each expectation of multipath-flows.txt is what the kernel did with the same routes, seed and packets. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { Veth } from '../../src/link/veth.ts'
import { NextHops } from '../../src/net/multipath.ts'
import { MultipathHash } from '../../src/net/multipath-hash.ts'
import { Netns } from '../../src/net/netns.ts'
import { route } from '../../src/net/route.ts'
import { SipHash } from '../../src/net/siphash.ts'
import { Sysctl } from '../../src/net/sysctl.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import { Sockets } from '../../src/socket/sockets.ts'
import { ANY, formatIpv4, type Ipv4, parseCidr, parseIpv4, parseMac } from '../../src/wire/address.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { frameOf } from '../support/world.ts'
import { newWorld } from './network.ts'

/** A router with four devices e1 to e4; what leaves by the first three is heard. */
class Router {
  readonly world = newWorld()
  readonly netns = new Netns(this.world, 'router')
  readonly sockets = Sockets.of(this.netns)
  /** `2 10.0.2.1`: the device, and the packet's source. */
  heard: string[] = []
  readonly #devices: Veth[] = []
  readonly #others: Veth[] = []

  constructor() {
    const { world, netns } = this
    const others = new Netns(world, 'others')
    for (const i of [1, 2, 3, 4]) {
      const near = parseMac(`02:00:00:00:01:0${i}`)
      const far = parseMac(`02:00:00:00:02:0${i}`)
      const [device, other] = Veth.pair(world, `e${i}`, near, `p${i}`, far)
      netns.adopt(device)
      others.adopt(other)
      netns.addAddress(device, parseIpv4(`10.0.${i}.1`), 24)
      netns.setUp(device)
      others.setUp(other)
      netns.neighbours.add(device, parseIpv4(`10.0.${i}.2`), far, 'PERMANENT')
      other.tap = ({ bytes, start }) => {
        if (i < 4 && bytes[start + 5] === i) this.heard.push(`${i} ${formatIpv4(ipv4.source(bytes, start + 14))}`)
      }
      this.#devices.push(device)
      this.#others.push(other)
    }
    this.set('ip_forward', 1)
    this.set('icmp_ratelimit', 0)
    this.set('fib_multipath_hash_seed', 12_345)
    this.#add('10.9.0.0/16', null, [1, 2, 3], [1, 2, 1])
    this.#add('10.8.0.0/16', parseIpv4('10.0.4.1'), [1, 2], [1, 1])
    netns.main.add(this.#hop('203.0.113.0/24', null, 4))
  }

  set(name: string, value: number): void {
    expect(this.netns.sysctl.set(`net.ipv4.${name}`, String(value))).toBe(true)
  }

  /** An IP packet comes in by e4. */
  arrive(hex: string): void {
    this.#others[3].send(frameOf(this.world, new Uint8Array(Buffer.from(`0200000001040200000002040800${hex}`, 'hex'))))
  }

  /** What has left since it was asked last. */
  left(): string[] {
    this.world.scheduler.run(this.world.scheduler.now + SECOND / 10)
    const { heard } = this
    this.heard = []
    return heard
  }

  #hop(destination: string, source: Ipv4 | null, i: number) {
    const gateway = parseIpv4(`10.0.${i}.2`)
    return route({ destination: parseCidr(destination), source, gateway, device: this.#devices[i - 1] })
  }

  #add(destination: string, source: Ipv4 | null, hops: number[], weights: number[]): void {
    const ways = hops.map((i) => this.#hop(destination, source, i))
    const multipath = new NextHops(ways, weights)
    expect(this.netns.main.add(route({ destination: parseCidr(destination), source, multipath }))).toBe(true)
  }
}

const recorded = readFileSync(new URL('multipath-flows.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')
const rows = recorded.filter((line) => !line.startsWith('#')).map((line) => line.split(' '))

describe('the hop of a flow', () => {
  it.each([0, 1, 2, 3])('of what is forwarded, answered and refused: policy %i', (policy) => {
    const router = new Router()
    router.set('fib_multipath_hash_policy', policy)
    router.set('fib_multipath_hash_fields', 4095)
    let asked = 0
    for (const [kind, of, hop, source, hex, name] of rows) {
      if (kind !== 'packet' || Number(of) !== policy) continue
      router.arrive(hex)
      expect(router.left()[0], name).toBe(`${hop} ${source}`)
      asked++
    }
    expect(asked).toBe(30)
    expect(router.world.frames.inUse).toBe(0)
  })

  it.each([0, 1, 2, 3])('of what sockets send: policy %i', (policy) => {
    const router = new Router()
    router.set('fib_multipath_hash_policy', policy)
    router.set('fib_multipath_hash_fields', 55)
    let asked = 0
    for (const [kind, of, hop, source, to, port, how] of rows) {
      if (kind !== 'socket' || Number(of) !== policy) continue
      send(router.sockets, how, parseIpv4(to), Number(port))
      expect(router.left()[0], `${how} ${to}`).toBe(`${hop} ${source}`)
      asked++
    }
    expect(asked).toBe(24)
  })
})

const bound: Record<string, Ipv4> = { bound: parseIpv4('10.0.4.1'), bound2: parseIpv4('10.0.2.1') }

function send(sockets: Sockets, how: string, to: Ipv4, port: number): void {
  if (how === 'raw-ping') {
    const socket = sockets.icmp()
    socket.echo(5, 1, new Uint8Array(8), to)
    return socket.close()
  }
  if (how === 'tcp') {
    const socket = sockets.tcp()
    expect(socket.bind(parseIpv4('10.0.4.1'), port)).toBe(null)
    socket.connect(to, 7)
    return socket.abort()
  }
  const socket = sockets.udp()
  expect(socket.bind(bound[how] ?? ANY, port)).toBe(null)
  if (how === 'connect') {
    socket.connect(to, 7)
    socket.send(new Uint8Array(2))
  } else socket.sendTo(new Uint8Array(2), to, 7)
  socket.close()
}

test('a connection keeps its hop: what it sends again goes where the first went', () => {
  const router = new Router()
  router.set('fib_multipath_hash_policy', 1)
  const socket = router.sockets.tcp()
  socket.connect(parseIpv4('10.9.1.5'), 7)
  router.world.scheduler.run(20 * SECOND)
  expect(router.heard.length).toBeGreaterThan(3)
  expect(new Set(router.heard).size).toBe(1)
  // It has no port yet when its source is chosen, so that others go elsewhere.
  for (let i = 0; i < 30; i++) router.sockets.tcp().connect(parseIpv4('10.9.1.5'), 7)
  router.world.scheduler.run(21 * SECOND)
  expect(new Set(router.heard).size).toBe(3)
})

test('the weights share the flows', () => {
  const router = new Router()
  const source = parseIpv4('192.0.2.1')
  const counts = [0, 0, 0]
  for (let i = 0; i < 4000; i++) {
    const hop = router.netns.lookup(parseIpv4(`10.9.${i >> 8}.${i & 255}`), source)
    counts[Number(hop?.device?.name.slice(1)) - 1]++
  }
  expect(counts[0] + counts[1] + counts[2]).toBe(4000)
  expect(Math.abs(counts[1] - 2000)).toBeLessThan(150)
  expect(Math.abs(counts[0] - counts[2])).toBeLessThan(150)
})

test('SipHash-2-4', () => {
  // By a program in another language that agrees with the authors' vectors; theirs have a key of two unlike halves.
  expect(new SipHash().hash(Int32Array.of(0x03020100, 0x07060504), 12_345, 12_345) >>> 0).toBe(657_628_912)
})

test('any bytes have a hash of 31 bits', () => {
  const world = newWorld()
  const sysctl = new Sysctl()
  const hash = new MultipathHash(world, sysctl)
  sysctl.set('net.ipv4.fib_multipath_hash_fields', '4095')
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 90 }), fc.constantFrom(0, 1, 2, 3), (bytes, policy) => {
      sysctl.set('net.ipv4.fib_multipath_hash_policy', String(policy))
      bytes[0] = 0x45
      if (bytes.length % 3 > 0) bytes[9] = bytes.length % 3 === 1 ? 47 : 4
      const chosen = hash.ofPacket(bytes, 0, bytes.length, 0)
      expect(chosen).toBe(hash.ofPacket(bytes, 0, bytes.length, 0))
      expect(chosen >= 0 && chosen < 2 ** 31 && Number.isInteger(chosen)).toBe(true)
    }),
    { numRuns: 500 },
  )
})
