/**
 * UDP traffic for the workloads: template frames are injected at an end point's device, cross the whole network hop
 * by hop, and are checked and counted where the other end point would take them. Requests and answers take turns
 * where conntrack must see both.
 */
import type { NetDevice, Receiver } from '../link/device.ts'
import { type Frame, HEADROOM } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { formatIpv4, type Ipv4, type Mac, parseIpv4 } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import type { Load } from './load.ts'
import { BACKEND_PORT, type Network } from './networks.ts'

/** Frames in flight together, as a socket's batch of 64. */
export const BATCH = 64
const CLIENT_PORT = 40_000

/**
 * Takes the place of an end point's stack: a frame counts only if it is the right one, and whole. Those for other stations,
 * which a bridge that has yet to learn floods, do not count.
 */
export class Sink implements Receiver {
  received = 0
  bad = 0
  readonly #world: World
  readonly #stack: Receiver
  readonly #address: Ipv4
  readonly #port: number
  readonly #orPort: number

  /** `stack` goes on taking what is not IPv4: ARP keeps being answered. */
  constructor(world: World, stack: Receiver, address: string, port: number, orPort = port) {
    this.#world = world
    this.#stack = stack
    this.#address = parseIpv4(address)
    this.#port = port
    this.#orPort = orPort
  }

  receive(frame: Frame, from: NetDevice): void {
    const { bytes, view, start } = frame
    if (ethernet.typeIn(view, start) !== ethernet.ETH_P_IP) return this.#stack.receive(frame, from)
    const at = start + ethernet.HEADER
    if (!from.isAt(view, start)) return this.#world.frames.consume(frame)
    const port = udp.destinationPort(bytes, at + ipv4.HEADER)
    const right =
      (port === this.#port || port === this.#orPort) &&
      ipv4.validIn(view, at, frame.end) &&
      ipv4.destinationIn(view, at) === this.#address
    if (right) this.received++
    else this.bad++
    this.#world.frames.consume(frame)
  }
}

/** An Ethernet frame of `size` bytes with a UDP datagram. */
export function datagram(
  to: Mac,
  own: Mac,
  source: Ipv4,
  destination: Ipv4,
  ports: readonly [number, number],
  size: number,
): Uint8Array {
  const bytes = new Uint8Array(size)
  const at = ethernet.HEADER
  const transport = at + ipv4.HEADER
  ethernet.write(bytes, 0, to, own, ethernet.ETH_P_IP)
  for (let i = transport + udp.HEADER; i < size; i++) bytes[i] = i * 7
  udp.write(bytes, transport, size, source, destination, ports[0], ports[1])
  ipv4.write(bytes, at, size - at, source, destination, ipv4.IPPROTO_UDP, 64, 0, 1, ipv4.DF)
  return bytes
}

/** What A sends. */
export function requestOf(network: Network, size: number): Uint8Array {
  const { aDevice, aNextHop, target, targetPort } = network
  return datagram(aNextHop, aDevice.mac, clientOf(network), parseIpv4(target), [CLIENT_PORT, targetPort], size)
}

/** What B answers. */
export function answerOf(network: Network, size: number): Uint8Array {
  const { bDevice, bNextHop, backend } = network
  return datagram(bNextHop, bDevice.mac, parseIpv4(backend), clientOf(network), [BACKEND_PORT, CLIENT_PORT], size)
}

function clientOf({ a, aDevice }: Network): Ipv4 {
  return a.addressesOf(aDevice)[0].address
}

/** One direction: a template that is copied into a fresh frame each time. */
export class Source {
  readonly #world: World
  readonly #device: NetDevice
  readonly #template: Uint8Array
  readonly #length: number

  constructor(world: World, device: NetDevice, template: Uint8Array) {
    this.#world = world
    this.#device = device
    this.#template = template
    this.#length = template.length
  }

  send(): void {
    const frame = this.#world.frames.take()
    frame.bytes.set(this.#template, HEADROOM)
    frame.end = HEADROOM + this.#length
    // As a socket would: this checksum was computed in this world.
    frame.summed = true
    this.#device.send(frame)
  }
}

export class Traffic implements Load {
  readonly network: Network
  readonly #there: Source
  readonly #back: Source | null
  readonly #atB: Sink
  readonly #atA: Sink
  sent = 0

  /** `size`: bytes of an Ethernet frame. `answers`: B answers every request. */
  constructor(network: Network, size: number, answers: boolean) {
    this.network = network
    const { world, aDevice, bDevice, targetPort, backend } = network
    warm(network, backend)
    this.#there = new Source(world, aDevice, requestOf(network, size))
    this.#back = answers ? new Source(world, bDevice, answerOf(network, size)) : null
    this.#atB = new Sink(world, network.b, backend, answers ? BACKEND_PORT : targetPort)
    this.#atA = new Sink(world, network.a, formatIpv4(clientOf(network)), CLIENT_PORT)
    bDevice.receiver = this.#atB
    aDevice.receiver = this.#atA
  }

  get world(): World {
    return this.network.world
  }

  get received(): number {
    return this.#atA.received + this.#atB.received
  }

  get bad(): number {
    return this.#atA.bad + this.#atB.bad
  }

  /** One batch there and, where there are answers, one back; returns when all have arrived. */
  batch(): void {
    const { scheduler } = this.network.world
    for (let i = 0; i < BATCH; i++) this.#there.send()
    this.sent += BATCH
    scheduler.run(scheduler.now + 1_000_000)
    if (this.#back === null) return
    for (let i = 0; i < BATCH; i++) this.#back.send()
    this.sent += BATCH
    scheduler.run(scheduler.now + 1_000_000)
  }
}

/** ARP everywhere on the way, by a datagram that really goes. */
export function warm(network: Network, backend: string): void {
  const { world, a } = network
  const frame = world.frames.take()
  const source = a.addressesOf(network.aDevice)[0].address
  const destination = parseIpv4(backend)
  frame.end = frame.start + udp.HEADER + 8
  udp.write(frame.bytes, frame.start, frame.end, source, destination, 7, 7)
  a.send(frame, source, destination, ipv4.IPPROTO_UDP, 64, 0, 1, 0)
  world.scheduler.run(world.scheduler.now + 50_000_000)
}
