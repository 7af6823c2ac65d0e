/**
 * Journeys against the long way: frames of known flows that cross all machines at once, and something that changes between two
 * of them or while some are on their way. What comes out, what the tables say, and what is seen on the way afterwards must be
 * the same as without the flow cache.
 */
import { expect, test } from 'vitest'
import { BACKEND_PORT, bridge, type Network, overlay, routed, service } from '../../src/bench/networks.ts'
import { warm } from '../../src/bench/traffic.ts'
import { Bridge } from '../../src/link/bridge.ts'
import type { NetDevice, Receiver } from '../../src/link/device.ts'
import { type Frame, HEADROOM } from '../../src/link/frame.ts'
import { laneOf } from '../../src/link/lane.ts'
import { Veth } from '../../src/link/veth.ts'
import { MICROSECOND, SECOND } from '../../src/sim/scheduler.ts'
import { VxlanDevice } from '../../src/tunnel/vxlan.ts'
import { type Mac, parseIpv4 } from '../../src/wire/address.ts'
import { put16, u16 } from '../../src/wire/bytes.ts'
import { replace16 } from '../../src/wire/checksum.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as udp from '../../src/wire/udp.ts'

const networks = { bridge, routed, service, overlay }

/** Two flows there and what answers them, as raw frames: the end points take all that is IPv4 and answer nothing. */
class Play {
  readonly network: Network
  readonly seen: string[] = []
  #id = 0

  constructor(network: Network) {
    this.network = network
    network.world.frames.poison = true
    warm(network, network.backend)
    const { world, a, b, aDevice, bDevice } = network
    for (const [stack, device] of [
      [a, aDevice],
      [b, bDevice],
    ] as const) {
      this.watch(device)
      device.receiver = new Taker(stack, device)
    }
    world.scheduler.run(SECOND)
  }

  /** Time, place and bytes of everything at the device. */
  watch(device: NetDevice): void {
    const { scheduler } = this.network.world
    device.tap = (frame, { place }, direction) => {
      const bytes = Buffer.from(frame.bytes.subarray(frame.start, frame.end)).toString('hex')
      this.seen.push(`${scheduler.now} ${place} ${direction} ${bytes}`)
    }
  }

  there(port: number, size = 64, spoil?: (frame: Frame) => void): void {
    const { aDevice, aNextHop, a, target, targetPort } = this.network
    const source = a.addressesOf(aDevice)[0].address
    this.#send(aDevice, aNextHop, source, parseIpv4(target), port, targetPort, size, spoil)
  }

  back(port: number, size = 64): void {
    const { aDevice, bDevice, bNextHop, a, target, targetPort, backend } = this.network
    const from = target === backend ? targetPort : BACKEND_PORT
    this.#send(bDevice, bNextHop, parseIpv4(backend), a.addressesOf(aDevice)[0].address, from, port, size)
  }

  #send(
    device: NetDevice,
    to: Mac,
    source: ReturnType<typeof parseIpv4>,
    destination: ReturnType<typeof parseIpv4>,
    fromPort: number,
    toPort: number,
    size: number,
    spoil?: (frame: Frame) => void,
  ): void {
    const frame = this.network.world.frames.take()
    const { bytes } = frame
    const at = HEADROOM + ethernet.HEADER
    frame.end = HEADROOM + size
    ethernet.write(bytes, HEADROOM, to, device.mac, ethernet.ETH_P_IP)
    for (let i = at + ipv4.HEADER + udp.HEADER; i < frame.end; i++) bytes[i] = i * 7 + this.#id
    udp.write(bytes, at + ipv4.HEADER, frame.end, source, destination, fromPort, toPort)
    ipv4.write(bytes, at, frame.end - at, source, destination, ipv4.IPPROTO_UDP, 64, 0, ++this.#id, ipv4.DF)
    frame.summed = true
    spoil?.(frame)
    device.send(frame)
  }

  get carried(): number {
    return laneOf(this.network.world.scheduler).carried
  }

  get state(): string {
    const { a, b, between, world } = this.network
    const lines: string[] = []
    for (const netns of [a, ...between, b]) {
      lines.push(`== ${netns.name}`, netns.netfilter.save({ counters: true }), JSON.stringify(netns.counters))
      for (const flow of netns.netfilter.conntrack.list()) {
        const { status, due, originalPackets, originalBytes, replyPackets, replyBytes } = flow
        lines.push(`${status} ${due} ${originalPackets} ${originalBytes} ${replyPackets} ${replyBytes}`)
      }
      for (const { device, address, state, times, mac } of netns.neighbours.list()) {
        lines.push(`${device.name} ${address} ${state} ${times} ${mac}`)
      }
      for (const device of netns.devices.values()) {
        const { rxPackets, rxBytes, rxDropped, txPackets, txBytes, txDropped } = device
        lines.push(`${device.name} ${[rxPackets, rxBytes, rxDropped, txPackets, txBytes, txDropped]}`)
        if (!(device instanceof Bridge || device instanceof VxlanDevice)) continue
        for (const { high, low, times, local } of device.fdb.entries()) lines.push(`${high} ${low} ${local} ${times}`)
      }
    }
    lines.push(`${world.frames.dropped} ${world.frames.inUse} ${world.scheduler.pending} ${world.random.int32()}`)
    return lines.join('\n')
  }
}

/** Takes all IPv4 frames that are for the device. */
class Taker implements Receiver {
  readonly #stack: Receiver
  readonly #device: NetDevice

  constructor(stack: Receiver, device: NetDevice) {
    this.#stack = stack
    this.#device = device
  }

  receive(frame: Frame, from: NetDevice): void {
    if (ethernet.type(frame.bytes, frame.start) !== ethernet.ETH_P_IP) return this.#stack.receive(frame, from)
    this.#device.world.frames.consume(frame)
  }
}

const BURSTS = 60
const CHANGE = 40

/** What changes, or what odd frame comes. */
const changes: Record<string, (play: Play) => void> = {
  nothing: () => {},
  'conntrack -F': ({ network }) => {
    for (const netns of network.between) netns.netfilter.conntrack.flush()
  },
  'the last machine forgets its flows': ({ network }) => network.between.at(-1)?.netfilter.conntrack.flush(),
  'ip neigh flush': ({ network }) => {
    for (const netns of network.between) for (const device of netns.devices.values()) netns.neighbours.flush(device)
  },
  'neighbours have other MACs': ({ network }) => {
    for (const netns of network.between) {
      for (const { device, address } of netns.neighbours.list()) {
        netns.neighbours.add(device, address, Uint8Array.of(2, 9, 9, 9, 9, 9), 'PERMANENT')
      }
    }
  },
  'bridges forget': ({ network }) => {
    for (const netns of network.between) {
      for (const device of netns.devices.values()) {
        if (device instanceof Bridge) device.fdb.flush((entry) => !entry.permanent)
      }
    }
  },
  'entries of bridges age at once': ({ network }) => {
    for (const netns of network.between) {
      for (const device of netns.devices.values()) if (device instanceof Bridge) device.fdb.ageing = 2500
    }
  },
  'a rule': ({ network }) => {
    for (const netns of network.between) {
      if (netns.filters) netns.netfilter.iptables(['-I', 'FORWARD', '-p', 'udp', '--sport', '40001', '-j', 'DROP'])
    }
  },
  'a device goes down': ({ network }) => {
    const netns = network.between.at(-1)
    for (const device of netns?.devices.values() ?? []) if (device instanceof Veth) netns?.setDown(device)
  },
  'another MTU': ({ network }) => {
    for (const netns of network.between) {
      for (const device of netns.devices.values()) if (device instanceof Veth) device.mtu = 60
    }
  },
  'a slow cable': ({ network }) => {
    for (const device of network.between[0].devices.values()) {
      if (device instanceof Veth) device.setNetem({ delay: 3 * MICROSECOND, rate: 1_000_000_000 })
    }
  },
  'a damaged header': (play) => play.there(40_000, 64, ({ bytes, start }) => void (bytes[start + 25] ^= 1)),
  'a packet shorter than its frame': (play) =>
    play.there(40_000, 80, ({ bytes, start }) => totalLength(bytes, start, 50)),
  'a packet longer than its frame': (play) =>
    play.there(40_000, 64, ({ bytes, start }) => totalLength(bytes, start, 90)),
  'a datagram without a checksum': (play) =>
    play.there(40_000, 64, ({ bytes, start }) => bytes.fill(0, start + 40, start + 42)),
  'another life': (play) =>
    play.there(40_000, 64, ({ view, start }) => ipv4.decrementTtl(view, start + ethernet.HEADER)),
  'a long frame': (play) => play.there(40_000, 1500),
  'a frame whose checksums nobody has proved': (play) =>
    play.there(40_000, 64, (frame) => {
      frame.summed = false
    }),
  'a checksum that becomes zero': (play) => {
    const { network } = play
    const port = network.target === network.backend ? network.targetPort : BACKEND_PORT
    play.there(40_000, 64, ({ bytes, start, end }) => {
      const at = start + ethernet.HEADER + ipv4.HEADER
      const source = ipv4.source(bytes, start + ethernet.HEADER)
      const destination = ipv4.destination(bytes, start + ethernet.HEADER)
      // A word that is the checksum without it makes the sum nothing, and the field 0xffff.
      put16(bytes, at + udp.HEADER, 0)
      udp.write(bytes, at, end, source, parseIpv4(network.backend), 40_000, port)
      put16(bytes, at + udp.HEADER, u16(bytes, at + udp.CHECKSUM))
      udp.write(bytes, at, end, source, destination, 40_000, network.targetPort)
    })
  },
  'a third flow': (play) => play.there(40_002),
  'a frame back': (play) => play.back(40_001),
}

/** With the checksum that belongs to it. */
function totalLength(bytes: Uint8Array, start: number, total: number): void {
  const at = start + ethernet.HEADER
  replace16(bytes, at + ipv4.CHECKSUM, ipv4.totalLength(bytes, at), total)
  put16(bytes, at + ipv4.TOTAL_LENGTH, total)
}

function run(name: keyof typeof networks, change: string, offset: number, flowCache: boolean) {
  const play = new Play(networks[name](flowCache))
  const { network } = play
  const { scheduler } = network.world
  const began = scheduler.now
  const at = (burst: number, later: number, action: () => void) =>
    scheduler.call(began + burst * 20 * MICROSECOND + later - scheduler.now, action)
  for (let burst = 0; burst < BURSTS; burst++) {
    at(burst, 0, () => {
      for (let i = 0; i < 3; i++) play.there(40_000 + (i & 1))
    })
    if (burst % 2 > 0) at(burst, 10 * MICROSECOND, () => play.back(40_000 + (burst & 3) / 2 - 0.5))
  }
  at(CHANGE, offset, () => {
    play.seen.push(play.state)
    changes[change](play)
  })
  scheduler.run(began + BURSTS * 20 * MICROSECOND)
  play.seen.push(play.state)
  // What the frames on the way look like afterwards: identifications, ports of the tunnel.
  for (const netns of network.between) for (const device of netns.devices.values()) play.watch(device)
  for (let burst = 0; burst < 3; burst++) at(BURSTS + burst, 0, () => play.there(40_000))
  scheduler.run(scheduler.now + SECOND)
  play.seen.push(play.state)
  return { seen: play.seen, carried: play.carried }
}

/** Between two bursts; together with one; while frames are in each cable; at the moments at which they come out. */
const OFFSETS = [-5000, 0, 500, 1000, 1500, 2000, 3000, 3500, 4000]

for (const name of Object.keys(networks) as (keyof typeof networks)[]) {
  test.each(Object.keys(changes))(`${name}: %s`, (change) => {
    for (const offset of OFFSETS) {
      const long = run(name, change, offset, false)
      const short = run(name, change, offset, true)
      expect(short.seen.length, `${offset} ns`).toBe(long.seen.length)
      for (const [i, line] of long.seen.entries()) {
        if (short.seen[i] !== line) expect(short.seen[i], `${offset} ns, line ${i}`).toBe(line)
      }
      expect(long.carried).toBe(0)
      expect(short.carried).toBeGreaterThan(20)
    }
  })
}
