/** What IPv4 and br_netfilter do to a packet of a known flow, to be done once more (see link/flow-cache.ts). */
import type { Bridge } from '../link/bridge.ts'
import { journal, SharedStep, type Tally } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import { ANY, copyMac, type Ipv4, type Mac, sameMac } from '../wire/address.ts'
import { add, fold } from '../wire/checksum.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as udp from '../wire/udp.ts'
import type { Counters } from './counters.ts'
import type { Namespace } from './namespace.ts'
import type { Entry } from './neighbour-entry.ts'

/**
 * The header at this distance from where the frame began is valid, and the packet ends where the frame does. Of what the
 * checksum is taken over, only the length and the identification differ within a flow.
 */
abstract class Header extends SharedStep {
  readonly #offset: number
  /** The sum of all other fields. */
  readonly #sum: number

  constructor(frame: Frame, at: number) {
    super()
    const { bytes, end } = frame
    this.#offset = journal.offset(at)
    journal.coverPacket(frame, at)
    if (at + ipv4.totalLength(bytes, at) !== end) journal.refuse()
    this.#sum = fold(add(0, bytes, at, 2) + add(0, bytes, at + 6, 4) + add(0, bytes, at + ipv4.SOURCE, 8))
  }

  override get header(): number {
    return this.#offset
  }

  override holds(frame: Frame): boolean {
    const { view } = frame
    const at = frame.start + this.#offset
    const total = view.getUint16(at + ipv4.TOTAL_LENGTH)
    if (at + total !== frame.end) return false
    return (
      fold(this.#sum + total + view.getUint16(at + ipv4.IDENTIFICATION) + view.getUint16(at + ipv4.CHECKSUM)) === 0xffff
    )
  }
}

/** br_netfilter looked at it at a bridge's port, in front of PREROUTING. */
export class AtPort extends Header {
  override again(frame: Frame): void {
    const at = frame.start + ethernet.HEADER
    frame.network = at
    frame.transport = at + ipv4.HEADER
  }
}

/** DNAT sent it beyond the bridge: to the bridge's own MAC. */
export class ToBridge extends SharedStep {
  readonly #mac: Mac

  constructor(bridge: Bridge) {
    super()
    this.#mac = bridge.mac
  }

  override again(frame: Frame): void {
    copyMac(frame.bytes, frame.start + ethernet.DESTINATION, this.#mac, 0)
  }
}

/** DNAT sent it to a station on the same bridge, whose MAC is sure (neigh_hh_bridge). */
export class ToStation extends SharedStep {
  readonly #entry: Entry
  readonly #to: Mac

  constructor(entry: Entry) {
    super()
    this.#entry = entry
    this.#to = entry.mac.slice()
  }

  override stands(): boolean {
    return this.holds()
  }

  override holds(): boolean {
    return this.#entry.cached && this.#entry.connectedMac !== null && sameMac(this.#entry.mac, 0, this.#to, 0)
  }

  override again(frame: Frame): void {
    copyMac(frame.bytes, frame.start + ethernet.DESTINATION, this.#entry.mac, 0)
  }
}

/** It came up to a namespace, addressed to the device. */
export class Entered extends SharedStep {
  constructor(frame: Frame) {
    super()
    if (frame.group || frame.toBridge) journal.refuse()
    journal.cover(frame.start, ethernet.HEADER)
  }

  override again(frame: Frame): void {
    frame.start += ethernet.HEADER
  }
}

/** What ip_rcv counts. */
class ReceivedPackets implements Tally {
  readonly #counters: Counters

  constructor(counters: Counters) {
    this.#counters = counters
  }

  add(packets: number, bytes: number): void {
    this.#counters.ipInReceives += packets
    this.#counters.ipInOctets += bytes
  }
}

/** ... and by the congestion bits of the header, which are part of what distinguishes flows. */
class ReceivedEcn implements Tally {
  readonly #counters: Counters
  readonly #bits: number

  constructor(counters: Counters, bits: number) {
    this.#counters = counters
    this.#bits = bits
  }

  add(packets: number): void {
    this.#counters.ipInEcn[this.#bits] += packets
  }
}

/** ip_rcv of a packet that no bridge has looked at. */
class Received extends Header {
  override again(frame: Frame): void {
    const at = frame.start
    frame.network = at
    frame.transport = at + ipv4.HEADER
  }
}

export function noteReceived(frame: Frame, { counters }: Namespace): void {
  const at = frame.start
  journal.tally(frame, new ReceivedPackets(counters), frame.end - at)
  journal.tally(frame, new ReceivedEcn(counters, ipv4.tos(frame.bytes, at) & 3), 0)
  journal.add(frame, new Received(frame, at))
}

/** ip_rcv of what went through PREROUTING at a bridge's port. */
export function notePassedUp(frame: Frame, { counters }: Namespace): void {
  journal.tally(frame, new ReceivedPackets(counters), frame.end - frame.start)
}

type PacketCounter = 'ipForwDatagrams' | 'ipOutRequests' | 'ipInDelivers' | 'udpInDatagrams'

/** A counter of the namespace. */
class Packets implements Tally {
  readonly #counters: Counters
  readonly #name: PacketCounter

  constructor(counters: Counters, name: PacketCounter) {
    this.#counters = counters
    this.#name = name
  }

  add(packets: number): void {
    this.#counters[this.#name] += packets
  }
}

/** ip_forward. The time to live is part of what distinguishes flows. */
class Forwarded extends SharedStep {
  override again(frame: Frame): void {
    ipv4.decrementTtl(frame.view, frame.network)
  }
}

/** `back`: it leaves by the device that it came in by, of which its sender may be told. */
export function noteForwarded(frame: Frame, netns: Namespace, back: boolean): void {
  if (frame.options !== 0 || frame.group || (back && !frame.routed)) journal.refuse()
  journal.tally(frame, new Packets(netns.counters, 'ipForwDatagrams'), 0)
  journal.add(frame, new Forwarded())
}

/** The identification that the next `Sent` writes: whoever hands the packet to IP chooses it. */
export const next = { id: 0 }

/** ip_local_out of what a tunnel sends. */
class Sent extends SharedStep {
  readonly #source: Ipv4
  readonly #destination: Ipv4
  readonly #protocol: number
  readonly #ttl: number
  readonly #tos: number
  readonly #fragment: number

  constructor(source: Ipv4, destination: Ipv4, protocol: number, ttl: number, tos: number, fragment: number) {
    super()
    this.#source = source
    this.#destination = destination
    this.#protocol = protocol
    this.#ttl = ttl
    this.#tos = tos
    this.#fragment = fragment
  }

  override again(frame: Frame): void {
    frame.transport = frame.start
    const at = frame.push(ipv4.HEADER)
    frame.network = at
    const total = frame.end - at
    const { view } = frame
    ipv4.writeIn(
      view,
      at,
      total,
      this.#source,
      this.#destination,
      this.#protocol,
      this.#ttl,
      this.#tos,
      next.id,
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
  journal.tally(frame, new Packets(netns.counters, 'ipOutRequests'), 0)
  journal.add(frame, new Sent(source, destination, protocol, ttl, tos, fragment))
}

/** What ip_finish_output2 counts. */
class Transmitted implements Tally {
  readonly #counters: Counters

  constructor(counters: Counters) {
    this.#counters = counters
  }

  add(packets: number, bytes: number): void {
    this.#counters.ipOutTransmits += packets
    this.#counters.ipOutOctets += bytes
  }
}

/** ip_finish_output2; the neighbour is the next step's. */
class Finished extends SharedStep {
  override again(frame: Frame): void {
    frame.start = frame.network
  }
}

/** `group`: no neighbour's. */
export function noteFinished(frame: Frame, { counters }: Namespace, group: boolean): void {
  if (group) journal.refuse()
  journal.tally(frame, new Transmitted(counters), frame.end - frame.network)
  journal.add(frame, new Finished())
}

/** ip_local_deliver, to a transport. */
class Delivered extends SharedStep {
  override again(frame: Frame): void {
    frame.start = frame.transport
  }
}

export function noteDelivered(frame: Frame, { counters }: Namespace): void {
  journal.tally(frame, new Packets(counters, 'ipInDelivers'), 0)
  journal.add(frame, new Delivered())
}

/** A datagram for a port that the kernel itself listens on: as long as its packet. */
class Datagram extends SharedStep {
  readonly #offset: number

  constructor(frame: Frame) {
    super()
    this.#offset = journal.offset(frame.start)
    if (frame.start + udp.length(frame.bytes, frame.start) !== frame.end) journal.refuse()
  }

  override get header(): number {
    return this.#offset
  }

  override holds(frame: Frame): boolean {
    const at = frame.start + this.#offset
    return at + frame.view.getUint16(at + udp.LENGTH) === frame.end
  }
}

export function noteDatagram(frame: Frame, { counters }: Namespace): void {
  journal.tally(frame, new Packets(counters, 'udpInDatagrams'), 0)
  journal.add(frame, new Datagram(frame))
}
