/** What IPv4 and br_netfilter do to a packet of a known flow, to be done once more (see link/flow-cache.ts). */
import type { Bridge, BridgePort } from '../link/bridge.ts'
import type { NetDevice } from '../link/device.ts'
import { journal, Step, scope } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { ANY, copyMac, type Ipv4, type Mac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import type { Namespace } from './namespace.ts'
import type { Entry } from './neighbour-entry.ts'

/** The header at this distance from where the frame began is valid, and says where the packet ends. */
abstract class Header extends Step {
  readonly #offset: number

  constructor(frame: Frame, at: number) {
    super()
    this.#offset = journal.offset(at)
    journal.coverPacket(frame, at)
  }

  override holds(frame: Frame): boolean {
    const at = frame.start + this.#offset
    if (!ipv4.valid(frame.bytes, at, scope.end)) return false
    scope.end = at + ipv4.totalLength(frame.bytes, at)
    return true
  }
}

/** br_netfilter looked at it at a bridge's port, in front of PREROUTING. */
export class AtPort extends Header {
  readonly #port: BridgePort

  constructor(frame: Frame, at: number, port: BridgePort) {
    super(frame, at)
    this.#port = port
  }

  override again(frame: Frame): void {
    const at = frame.start + ethernet.HEADER
    frame.network = at
    frame.transport = at + ipv4.HEADER
    frame.end = at + ipv4.totalLength(frame.bytes, at)
    frame.bridgeInput = this.#port.device
  }
}

/** DNAT sent it beyond the bridge: to the bridge's own MAC. */
export class ToBridge extends Step {
  readonly #bridge: Bridge
  readonly #mac: Mac

  constructor(bridge: Bridge) {
    super()
    this.#bridge = bridge
    this.#mac = bridge.mac
  }

  override holds(): boolean {
    return this.#bridge.mac === this.#mac
  }

  override again(frame: Frame): void {
    frame.routed = true
    copyMac(frame.bytes, frame.start + ethernet.DESTINATION, this.#mac, 0)
  }
}

/** DNAT sent it to a station on the same bridge, whose MAC is sure (neigh_hh_bridge). */
export class ToStation extends Step {
  readonly #entry: Entry

  constructor(entry: Entry) {
    super()
    this.#entry = entry
  }

  override holds(): boolean {
    return this.#entry.cached && this.#entry.connectedMac !== null
  }

  override again(frame: Frame): void {
    frame.routed = true
    copyMac(frame.bytes, frame.start + ethernet.DESTINATION, this.#entry.mac, 0)
  }
}

/** It came up to a namespace, addressed to the device. */
export class Entered extends Step {
  readonly #device: NetDevice
  readonly #mac: Mac

  constructor(frame: Frame, device: NetDevice) {
    super()
    if (frame.group || frame.toBridge) journal.refuse()
    journal.cover(frame.start, ethernet.HEADER)
    this.#device = device
    this.#mac = device.mac
  }

  override holds(): boolean {
    return this.#device.mac === this.#mac
  }

  override again(frame: Frame): void {
    frame.group = false
    frame.toHost = true
    frame.start += ethernet.HEADER
  }
}

/** ip_rcv of a packet that no bridge has looked at. */
export class Received extends Header {
  readonly #netns: Namespace
  readonly #input: NetDevice

  constructor(frame: Frame, netns: Namespace, input: NetDevice) {
    super(frame, frame.start)
    this.#netns = netns
    this.#input = input
  }

  override again(frame: Frame): void {
    const { counters } = this.#netns
    const { bytes, start: at } = frame
    counters.ipInReceives++
    counters.ipInOctets += frame.end - at
    counters.ipInEcn[ipv4.tos(bytes, at) & 3]++
    frame.inputIndex = this.#input.index
    frame.network = at
    frame.transport = at + ipv4.HEADER
    frame.end = at + ipv4.totalLength(bytes, at)
  }
}

/** ip_rcv of what went through PREROUTING at a bridge's port. */
export class PassedUp extends Step {
  readonly #netns: Namespace
  readonly #input: NetDevice

  constructor(netns: Namespace, input: NetDevice) {
    super()
    this.#netns = netns
    this.#input = input
  }

  override again(frame: Frame): void {
    const { counters } = this.#netns
    counters.ipInReceives++
    counters.ipInOctets += frame.end - frame.start
    frame.inputIndex = this.#input.index
    frame.bridgeInput = null
  }
}

/** ip_forward. The time to live is part of what distinguishes flows. */
class Forwarded extends Step {
  readonly #netns: Namespace

  constructor(netns: Namespace) {
    super()
    this.#netns = netns
  }

  override again(frame: Frame): void {
    ipv4.decrementTtl(frame.bytes, frame.network)
    this.#netns.counters.ipForwDatagrams++
  }
}

/** `back`: it leaves by the device that it came in by, of which its sender may be told. */
export function noteForwarded(frame: Frame, netns: Namespace, back: boolean): void {
  if (frame.options !== 0 || frame.group || (back && !frame.routed)) journal.refuse()
  journal.add(frame, new Forwarded(netns))
}

/** The identification that the next `Sent` writes: whoever hands the packet to IP chooses it. */
export const next = { id: 0 }

/** ip_local_out of what a tunnel sends. */
class Sent extends Step {
  readonly #netns: Namespace
  readonly #source: Ipv4
  readonly #destination: Ipv4
  readonly #protocol: number
  readonly #ttl: number
  readonly #tos: number
  readonly #fragment: number

  constructor(
    netns: Namespace,
    source: Ipv4,
    destination: Ipv4,
    protocol: number,
    ttl: number,
    tos: number,
    fragment: number,
  ) {
    super()
    this.#netns = netns
    this.#source = source
    this.#destination = destination
    this.#protocol = protocol
    this.#ttl = ttl
    this.#tos = tos
    this.#fragment = fragment
  }

  override again(frame: Frame): void {
    this.#netns.counters.ipOutRequests++
    frame.transport = frame.start
    const at = frame.push(ipv4.HEADER)
    frame.network = at
    const { id } = next
    const total = frame.end - at
    ipv4.write(
      frame.bytes,
      at,
      total,
      this.#source,
      this.#destination,
      this.#protocol,
      this.#ttl,
      this.#tos,
      id,
      this.#fragment,
    )
  }
}

/** `beyond`: it is longer than the way to its destination takes. */
export function noteSent(
  frame: Frame,
  netns: Namespace,
  source: Ipv4,
  destination: Ipv4,
  protocol: number,
  ttl: number,
  tos: number,
  fragment: number,
  beyond: boolean,
): void {
  if (
    beyond ||
    source === ANY ||
    !netns.exceptions.empty ||
    ipv4.headerLength(frame.bytes, frame.network) !== ipv4.HEADER
  ) {
    journal.refuse()
  }
  journal.add(frame, new Sent(netns, source, destination, protocol, ttl, tos, fragment))
}

/** ip_finish_output2; the neighbour is the next step's. */
class Finished extends Step {
  readonly #netns: Namespace

  constructor(netns: Namespace) {
    super()
    this.#netns = netns
  }

  override again(frame: Frame): void {
    const { counters } = this.#netns
    counters.ipOutTransmits++
    frame.start = frame.network
    counters.ipOutOctets += frame.end - frame.start
  }
}

/** `group`: no neighbour's. */
export function noteFinished(frame: Frame, netns: Namespace, group: boolean): void {
  if (group) journal.refuse()
  journal.add(frame, new Finished(netns))
}

/** ip_local_deliver, to a transport. */
export class Delivered extends Step {
  readonly #netns: Namespace

  constructor(netns: Namespace) {
    super()
    this.#netns = netns
  }

  override again(frame: Frame): void {
    frame.start = frame.transport
    this.#netns.counters.ipInDelivers++
  }
}

/** A datagram for a port that the kernel itself listens on. */
export class Datagram extends Step {
  readonly #netns: Namespace
  readonly #offset: number

  constructor(frame: Frame, netns: Namespace) {
    super()
    this.#netns = netns
    this.#offset = journal.offset(frame.start)
  }

  override holds(frame: Frame): boolean {
    const at = frame.start + this.#offset
    if (!udp.valid(frame.bytes, at, scope.end)) return false
    scope.end = at + udp.length(frame.bytes, at)
    return true
  }

  override again(frame: Frame): void {
    this.#netns.counters.udpInDatagrams++
    frame.end = frame.start + udp.length(frame.bytes, frame.start)
  }
}
