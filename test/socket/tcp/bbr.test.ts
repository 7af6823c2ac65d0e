/**
 * BBR over whole paths. What single acknowledgments do to it is in script/cases/bbr.txt, where the kernel did the same; here
 * its model of the path must come true: the rate is the bottleneck's, the queue stays short, random losses do not slow it.
 */
import { describe, expect, it } from 'vitest'
import { type Netem, Veth } from '../../../src/link/veth.ts'
import { World } from '../../../src/link/world.ts'
import { Netns } from '../../../src/net/netns.ts'
import { MILLISECOND, SECOND } from '../../../src/sim/scheduler.ts'
import { Sockets } from '../../../src/socket/sockets.ts'
import type { TcpInfo } from '../../../src/socket/tcp/info.ts'
import { WindowedMax } from '../../../src/socket/tcp/windowed-max.ts'
import { ANY, macOf, parseIpv4 } from '../../../src/wire/address.ts'

const CHUNK = 65_536

/** One flow that takes what it gets of a path. */
class Flow {
  readonly world = new World(1)
  readonly end: Veth
  received = 0
  readonly #socket

  constructor(control: string, path: Netem) {
    const addresses = ['10.0.0.1', '10.0.0.2'].map(parseIpv4)
    const [from, to] = [new Netns(this.world, 'from'), new Netns(this.world, 'to')]
    const ends = Veth.pair(this.world, 'eth0', macOf(2, 0, addresses[0]), 'eth0', macOf(2, 0, addresses[1]), path)
    for (const [i, netns] of [from, to].entries()) {
      netns.adopt(ends[i])
      netns.addAddress(ends[i], addresses[i], 24)
      netns.setUp(ends[i])
    }
    this.end = ends[0]
    from.sysctl.set('net.ipv4.tcp_congestion_control', control)
    const server = Sockets.of(to).tcp()
    server.bind(ANY, 80)
    const listener = server.listen(1)
    if (typeof listener === 'string') throw new Error(listener)
    const inbox = new Uint8Array(CHUNK)
    listener.onAccept = (socket) => {
      socket.onReadable = () => {
        for (let length = socket.read(inbox); length > 0; length = socket.read(inbox)) this.received += length
      }
    }
    const socket = Sockets.of(from).tcp()
    const outbox = new Uint8Array(CHUNK)
    const fill = (): void => {
      while (socket.write(outbox) === CHUNK) {}
    }
    socket.onConnect = fill
    socket.onWritable = fill
    socket.connect(addresses[1], 80)
    this.#socket = socket
  }

  /** Bits a second that arrive in the next so many seconds. */
  run(seconds: number): number {
    const before = this.received
    this.world.scheduler.run(this.world.scheduler.now + seconds * SECOND)
    return ((this.received - before) * 8) / seconds
  }

  get info(): TcpInfo {
    return this.#socket.info() as TcpInfo
  }

  /** Nothing of it is left. */
  finish(): void {
    this.#socket.abort()
    this.world.scheduler.run(this.world.scheduler.now + 400 * SECOND)
    expect(this.world.frames.inUse).toBe(0)
  }
}

const MEGABIT = 1e6

describe('BBR', () => {
  it('finds the rate and the round trip of a bottleneck, and leaves its queue short', () => {
    const path = { rate: 10 * MEGABIT, delay: 20 * MILLISECOND, limit: 200 }
    const flow = new Flow('bbr', path)
    flow.run(3)
    const goodput = flow.run(5)
    const { bbr, rtt } = flow.info
    // 1448 of 1538 bytes of each frame are the program's.
    expect(goodput).toBeGreaterThan(0.93 * 10 * MEGABIT * (1448 / 1538))
    expect((bbr?.bandwidth ?? 0) * 8).toBeGreaterThan(0.97 * 10 * MEGABIT * (1448 / 1538))
    expect((bbr?.bandwidth ?? 0) * 8).toBeLessThan(1.05 * 10 * MEGABIT)
    expect(bbr?.leastTrip).toBeLessThan(42_000)
    expect(bbr?.windowGain).toBe(512)
    expect(rtt).toBeLessThan(60)
    const cubic = new Flow('cubic', path)
    cubic.run(8)
    expect(cubic.info.rtt).toBeGreaterThan(80)
    flow.finish()
    cubic.finish()
  })

  it('does not take random losses for congestion', () => {
    const path = { rate: 40 * MEGABIT, delay: 10 * MILLISECOND, limit: 1000, loss: 0.01 }
    const [bbr, cubic] = [new Flow('bbr', path), new Flow('cubic', path)]
    bbr.run(2)
    expect(bbr.run(3)).toBeGreaterThan(24 * MEGABIT)
    expect(cubic.run(5)).toBeLessThan(15 * MEGABIT)
    bbr.finish()
    cubic.finish()
  })

  it('looks for the round trip each ten seconds, with four segments out', () => {
    const flow = new Flow('bbr', { rate: 10 * MEGABIT, delay: 20 * MILLISECOND, limit: 200 })
    const windows: number[] = []
    for (let tenth = 0; tenth < 250; tenth++) {
      flow.run(0.1)
      windows.push(flow.info.cwnd)
    }
    // Two probes of 200 ms in 25 s, and the window is back after each.
    const probes = windows.filter((window) => window === 4).length
    expect(probes).toBeGreaterThanOrEqual(2)
    expect(probes).toBeLessThanOrEqual(8)
    expect(windows.at(-1)).toBeGreaterThan(40)
    flow.finish()
  })

  it('keeps to the rate of a policer', () => {
    const flow = new Flow('bbr', { rate: 100 * MEGABIT, delay: 10 * MILLISECOND, limit: 1000 })
    const rate = (5 * MEGABIT) / 8 / SECOND
    let tokens = 15_000
    let last = 0
    flow.end.impairment = (frame) => {
      const { now } = flow.world.scheduler
      tokens = Math.min(15_000, tokens + (now - last) * rate)
      last = now
      const size = frame.end - frame.start
      if (size > tokens) return true
      tokens -= size
      return false
    }
    flow.run(4)
    const { resent, dataSegmentsOut } = flow.info
    flow.run(1)
    const now = flow.info
    // It has stopped probing for more: pacing_gain stays 1, and hardly anything is lost.
    expect(now.bbr?.pacingGain).toBe(256)
    expect(((now.bbr?.bandwidth ?? 0) * 8) / MEGABIT).toBeCloseTo(4.75, 0)
    expect((now.resent - resent) / (now.dataSegmentsOut - dataSegmentsOut)).toBeLessThan(0.1)
    flow.finish()
  })
})

describe('WindowedMax', () => {
  it('is the largest of the window, and forgets', () => {
    const max = new WindowedMax(10)
    max.reset(0, 0)
    const values = [5, 9, 4, 7, 3, 6, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    const seen = values.map((value, round) => {
      max.add(round, value)
      return max.value
    })
    // The best of all while it is ten rounds old; then what came close to it since.
    expect(seen.slice(0, 2)).toEqual([5, 9])
    expect(new Set(seen.slice(1, 12))).toEqual(new Set([9]))
    expect(seen[12]).toBe(6)
    expect(seen.at(-1)).toBe(1)
  })
})
