/** A namespace reduced to what netfilter needs, and a maker of packets to send through it. */
import { expect } from 'vitest'
import type { Frame } from '../../src/link/frame.ts'
import { KernelLog } from '../../src/link/kernel-log.ts'
import { World } from '../../src/link/world.ts'
import { formatFlow } from '../../src/netfilter/flow-text.ts'
import { type Onward, Passage } from '../../src/netfilter/host.ts'
import { Hook, Netfilter, type NetfilterHost, type RejectWith } from '../../src/netfilter/netfilter.ts'
import { formatIpv4, type Ipv4, isMulticast, parseIpv4 } from '../../src/wire/address.ts'
import * as icmp from '../../src/wire/icmp.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import * as tcp from '../../src/wire/tcp.ts'
import * as udp from '../../src/wire/udp.ts'
import { type Device, NetDevice } from './device.ts'

export interface Sent {
  source: string
  destination: string
  sport: number
  dport: number
}

export class Box implements NetfilterHost {
  readonly world = new World(7)
  readonly netfilter: Netfilter
  filters = false
  readonly log = new KernelLog(this.world.scheduler)
  readonly local = new Set<string>(['10.244.1.1', '10.244.1.0', '192.168.14.11', '127.0.0.1'])
  readonly rejected: RejectWith[] = []
  readonly ipv4: Onward = { passage: () => Passage.REFUSED, sendOn: (frame) => this.world.frames.consume(frame) }
  readonly cni0 = new NetDevice(this.world, 'cni0')
  readonly eth0 = new NetDevice(this.world, 'eth0')
  readonly flannel = new NetDevice(this.world, 'flannel.1')
  readonly devices: readonly Device[] = [this.cni0, this.eth0, this.flannel]
  masquerade = '10.244.1.0'
  /** The device that answers leave by; null: any. */
  backBy: NetDevice | null = null

  constructor(rules = '') {
    this.world.frames.poison = true
    this.netfilter = new Netfilter(this.world, 'node1', this)
    if (rules !== '') this.netfilter.restore(rules)
  }

  isLocal(address: Ipv4): boolean {
    return this.local.has(formatIpv4(address))
  }

  addressType(address: Ipv4): 'LOCAL' | 'MULTICAST' | 'UNICAST' {
    if (this.isLocal(address)) return 'LOCAL'
    return isMulticast(address) ? 'MULTICAST' : 'UNICAST'
  }

  selectSource(): Ipv4 {
    return parseIpv4(this.masquerade)
  }

  answersBy(source: Ipv4, _destination: Ipv4, input: NetDevice): boolean {
    return this.backBy === null || input === this.backBy || this.isLocal(source)
  }

  mtuTo(): number {
    return 1450
  }

  packetLog(): KernelLog {
    return this.log
  }

  addressOf(): Ipv4 {
    return parseIpv4('10.244.1.1')
  }

  icmpError(): void {}

  reject(_frame: Frame, _hook: Hook, how: RejectWith): void {
    this.rejected.push(how)
  }

  /** The conntrack table, as conntrack -L prints it, newest first. */
  flows(): string[] {
    return this.netfilter.conntrack.list().map((flow) => formatFlow(flow, this.world.scheduler.now))
  }

  tcp(from: string, to: string, flags: number, more: Partial<Segment> = {}): Frame {
    const [source, sport] = endpoint(from)
    const [destination, dport] = endpoint(to)
    const { seq = 1000, ack = 0, window = 65_535, length = 0, options = [] } = more
    const frame = this.world.frames.take()
    const header = tcp.HEADER + options.length
    frame.network = frame.start
    frame.transport = frame.start + ipv4.HEADER
    frame.end = frame.transport + header + length
    frame.bytes.fill(0x61, frame.transport, frame.end)
    frame.bytes.set(options, frame.transport + tcp.HEADER)
    tcp.write(
      frame.bytes,
      frame.transport,
      frame.end,
      header,
      source,
      destination,
      sport,
      dport,
      seq,
      ack,
      flags,
      window,
    )
    return this.#wrap(frame, source, destination, ipv4.IPPROTO_TCP)
  }

  udp(from: string, to: string, checksum = true): Frame {
    const [source, sport] = endpoint(from)
    const [destination, dport] = endpoint(to)
    const frame = this.world.frames.take()
    frame.network = frame.start
    frame.transport = frame.start + ipv4.HEADER
    frame.end = frame.transport + udp.HEADER + 5
    frame.bytes.set([1, 2, 3, 4, 5], frame.transport + udp.HEADER)
    udp.write(frame.bytes, frame.transport, frame.end, source, destination, sport, dport)
    if (!checksum) frame.bytes.fill(0, frame.transport + udp.CHECKSUM, frame.transport + udp.CHECKSUM + 2)
    return this.#wrap(frame, source, destination, ipv4.IPPROTO_UDP)
  }

  echo(from: string, to: string, id: number, type: number = icmp.ECHO_REQUEST): Frame {
    const frame = this.world.frames.take()
    frame.network = frame.start
    frame.transport = frame.start + ipv4.HEADER
    frame.end = frame.transport + icmp.HEADER + 56
    frame.bytes.fill(7, frame.transport, frame.end)
    icmp.write(frame.bytes, frame.transport, frame.end, type, 0, id, 1)
    return this.#wrap(frame, parseIpv4(from), parseIpv4(to), ipv4.IPPROTO_ICMP)
  }

  /** An ICMP error that quotes `about` as it stands now. */
  error(from: string, about: Frame, type: number, code: number, quoted = 548): Frame {
    const frame = this.world.frames.take()
    const length = Math.min(quoted, about.end - about.network)
    frame.network = frame.start
    frame.transport = frame.start + ipv4.HEADER
    frame.end = frame.transport + icmp.HEADER + length
    frame.bytes.set(about.bytes.subarray(about.network, about.network + length), frame.transport + icmp.HEADER)
    icmp.write(frame.bytes, frame.transport, frame.end, type, code, 0, 0)
    return this.#wrap(frame, parseIpv4(from), ipv4.source(about.bytes, about.network), ipv4.IPPROTO_ICMP)
  }

  #wrap(frame: Frame, source: Ipv4, destination: Ipv4, protocol: number): Frame {
    ipv4.write(frame.bytes, frame.network, frame.end - frame.network, source, destination, protocol, 64, 0, 1, ipv4.DF)
    return frame
  }

  /** PREROUTING, FORWARD, POSTROUTING; false when it was dropped. */
  forward(frame: Frame, input: Device = this.cni0, output: Device = this.flannel): boolean {
    const { netfilter } = this
    return (
      netfilter.run(Hook.PREROUTING, frame, input, null) &&
      netfilter.run(Hook.FORWARD, frame, input, output) &&
      netfilter.run(Hook.POSTROUTING, frame, null, output)
    )
  }

  /** OUTPUT, POSTROUTING. */
  output(frame: Frame, output: Device = this.eth0): boolean {
    return (
      this.netfilter.run(Hook.OUTPUT, frame, null, output) && this.netfilter.run(Hook.POSTROUTING, frame, null, output)
    )
  }

  /** PREROUTING, INPUT. */
  input(frame: Frame, input: Device = this.eth0): boolean {
    return this.netfilter.run(Hook.PREROUTING, frame, input, null) && this.netfilter.run(Hook.INPUT, frame, input, null)
  }

  /** Forwards, proves the checksums, gives the frame back, and says how it left. */
  through(frame: Frame, input: Device = this.cni0, output: Device = this.flannel): Sent | null {
    if (!this.forward(frame, input, output)) return null
    const sent = addresses(frame)
    prove(frame)
    this.world.frames.consume(frame)
    return sent
  }
}

interface Segment {
  seq: number
  ack: number
  window: number
  length: number
  options: number[]
}

function endpoint(text: string): [Ipv4, number] {
  const [address, port] = text.split(':')
  return [parseIpv4(address), Number(port)]
}

/** For ICMP the ports are the identifier and the type. */
export function addresses(frame: Frame, network = frame.network): Sent {
  const { bytes } = frame
  const at = network + ipv4.headerLength(bytes, network)
  const isIcmp = ipv4.protocol(bytes, network) === ipv4.IPPROTO_ICMP
  return {
    source: formatIpv4(ipv4.source(bytes, network)),
    destination: formatIpv4(ipv4.destination(bytes, network)),
    sport: isIcmp ? icmp.identifier(bytes, at) : udp.sourcePort(bytes, at),
    dport: isIcmp ? icmp.type(bytes, at) : udp.destinationPort(bytes, at),
  }
}

/** Every checksum of the packet is right, those of a packet quoted whole included. */
export function prove(frame: Frame, network = frame.network, end = frame.end): void {
  const { bytes } = frame
  expect(ipv4.valid(bytes, network, end)).toBe(true)
  const at = network + ipv4.headerLength(bytes, network)
  const source = ipv4.source(bytes, network)
  const destination = ipv4.destination(bytes, network)
  switch (ipv4.protocol(bytes, network)) {
    case ipv4.IPPROTO_TCP:
      expect(tcp.checksumOk(bytes, at, end, source, destination)).toBe(true)
      break
    case ipv4.IPPROTO_UDP:
      expect(udp.checksumOk(bytes, at, source, destination)).toBe(true)
      break
    default:
      expect(icmp.valid(bytes, at, end)).toBe(true)
      if (icmp.isError(bytes[at])) prove(frame, at + icmp.HEADER, end)
  }
}
