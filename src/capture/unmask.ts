/**
 * Seeing through NAT: a filter takes a frame also when it would take what NAT makes of it. Conntrack knows both sides of a
 * translated flow: the original tuple, and the reply tuple, which turned round is what the original becomes.
 *
 *   before NAT   10.244.1.2:40000 → 10.96.0.10:80        original            reply turned round, and turned again
 *   behind NAT   10.244.1.2:40000 → 10.244.2.3:8080      turned reply        ⇅ for the way back
 *
 * The first packet of a flow is seen before it is translated: frames wait until conntrack knows. A fragment but the first, what is
 * inside a tunnel, and what NAT changed in several steps at bridge ports, is taken as it is.
 */

import { Tuple } from '../netfilter/flow.ts'
import type { FlowTable } from '../netfilter/flow-table.ts'
import { turnedDestinationPort, turnedSourcePort } from '../netfilter/tuple.ts'
import { MILLISECOND, type Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import { i32, put16, put32, u16 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import type { CaptureListener, Watched } from './capture-listener.ts'
import type { CapturedInterface } from './captured-interface.ts'
import type { Sighting } from './explainer.ts'
import type { FrameTest } from './filter-packet.ts'
import { FrameStore } from './frame-store.ts'
import { OUTBOUND } from './pcapng-writer.ts'

/** Frames wait at least so long, and at most twice: a flow is translated within it, unless its first packet waits for ARP. */
const PATIENCE = 20 * MILLISECOND

/** The connection tracking tables of the world as it is now. */
export type FlowTables = () => Iterable<FlowTable>

/** Asks the filter about a frame as NAT makes it; false when no NAT is known. */
export class OtherSide {
  readonly #tables: FlowTables
  readonly #filter: FrameTest
  readonly #translated = new Uint8Array(66_048)

  constructor(tables: FlowTables, filter: FrameTest) {
    this.#tables = tables
    this.#filter = filter
  }

  takes(bytes: Uint8Array, at: number, length: number, outgoing: boolean): boolean {
    const end = at + length
    if (length < ethernet.HEADER + ipv4.HEADER || ethernet.type(bytes, at) !== ethernet.ETH_P_IP) return false
    const network = at + ethernet.HEADER
    const transport = network + ipv4.headerLength(bytes, network)
    if (ipv4.fragmentOffset(bytes, network) !== 0 || transport + 8 > end) return false
    const protocol = ipv4.protocol(bytes, network)
    const icmp = protocol === ipv4.IPPROTO_ICMP
    if (!icmp && protocol !== ipv4.IPPROTO_TCP && protocol !== ipv4.IPPROTO_UDP) return false
    const source = i32(bytes, network + ipv4.SOURCE) as Ipv4
    const destination = i32(bytes, network + ipv4.DESTINATION) as Ipv4
    const from = icmp ? u16(bytes, transport + 4) : u16(bytes, transport)
    const to = icmp ? u16(bytes, transport) : u16(bytes, transport + 2)
    for (const table of this.#tables()) {
      if (table.count === 0) continue
      const other = otherSide(table, protocol, source, destination, from, to)
      if (other === null) continue
      const copy = this.#translated
      copy.set(bytes.subarray(at, end))
      put32(copy, network - at + ipv4.SOURCE, other.source)
      put32(copy, network - at + ipv4.DESTINATION, other.destination)
      const ports = transport - at
      put16(copy, icmp ? ports + 4 : ports, other.sourcePort)
      if (!icmp) put16(copy, ports + 2, other.destinationPort)
      if (this.#filter(copy, 0, length, outgoing)) return true
    }
    return false
  }
}

/** The tuple that a packet with this tuple has on the other side of NAT; null when no flow has it, or it is the same. */
function otherSide(
  table: FlowTable,
  protocol: number,
  source: Ipv4,
  destination: Ipv4,
  from: number,
  to: number,
): Tuple | null {
  // As it was sent: it becomes the opposite tuple turned round.
  const sent = table.peek(protocol, source, destination, from, to)
  if (sent !== null) return changed(sent, turned(opposite(sent)))
  // As it arrives: turned round it is a tuple of the flow, and was sent as the opposite.
  const [back, forth] = [turnedSourcePort(protocol, from, to), turnedDestinationPort(protocol, from, to)]
  const arrived = table.peek(protocol, destination, source, back, forth)
  return arrived === null ? null : changed(turned(arrived), opposite(arrived))
}

function opposite(tuple: Tuple): Tuple {
  return tuple.reply ? tuple.flow.original : tuple.flow.reply
}

function turned(tuple: Tuple): Tuple {
  const { flow, reply, protocol, source, destination, sourcePort, destinationPort } = tuple
  const round = new Tuple(flow, !reply)
  const from = turnedSourcePort(protocol, sourcePort, destinationPort)
  round.set(protocol, destination, source, from, turnedDestinationPort(protocol, sourcePort, destinationPort))
  return round
}

function changed(tuple: Tuple, other: Tuple): Tuple | null {
  const { protocol, source, destination, sourcePort, destinationPort } = tuple
  return other.equals(protocol, source, destination, sourcePort, destinationPort) ? null : other
}

/** Lets frames pass that the filter takes on either side of NAT, a little later than they were seen. */
export class Unmasking implements CaptureListener {
  readonly #capture: Watched
  readonly #filter: FrameTest
  readonly #other: OtherSide
  readonly #next: CaptureListener
  readonly #seen: CapturedInterface[] = []
  /** What waited already, and what came since. */
  #older = new Waiting()
  #newer = new Waiting()
  #turn: Nanos = 0

  constructor(capture: Watched, filter: FrameTest, tables: FlowTables, next: CaptureListener) {
    this.#capture = capture
    this.#filter = filter
    this.#other = new OtherSide(tables, filter)
    this.#next = next
  }

  appears(seen: CapturedInterface): void {
    this.#seen[seen.number] = seen
    this.#next.appears(seen)
  }

  frame(
    seen: CapturedInterface,
    number: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    sighting: Sighting | null,
  ): void {
    const { now } = this.#capture
    if (now >= this.#turn) {
      this.#release(this.#older)
      const emptied = this.#older
      this.#older = this.#newer
      this.#newer = emptied
      // After a pause all have waited long enough.
      if (now >= this.#turn + PATIENCE) this.#release(this.#older)
      this.#turn = now + PATIENCE
    }
    this.#newer.numbers.push(number)
    this.#newer.frames.put(seen.number, flags, time, packetId, bytes, at, length, sighting)
  }

  vanishes(seen: CapturedInterface): void {
    this.release()
    this.#next.vanishes(seen)
  }

  named(address: Ipv4, name: string): void {
    this.#next.named(address, name)
  }

  /** All that waits passes now, or not. */
  release(): void {
    this.#release(this.#older)
    this.#release(this.#newer)
  }

  #release({ frames, numbers }: Waiting): void {
    for (let i = frames.first; i < frames.end; i++) {
      const { bytes } = frames
      const [at, length, flags] = [frames.offset(i), frames.length(i), frames.flags(i)]
      const outgoing = (flags & OUTBOUND) !== 0
      if (!this.#filter(bytes, at, at + length, outgoing) && !this.#other.takes(bytes, at, length, outgoing)) continue
      const seen = this.#seen[frames.interface(i)]
      const number = numbers[i - frames.first]
      this.#next.frame(seen, number, flags, frames.time(i), frames.packetId(i), bytes, at, length, frames.sighting(i))
    }
    frames.forget()
    numbers.length = 0
  }
}

class Waiting {
  readonly frames = new FrameStore()
  /** Their numbers in the capture. */
  readonly numbers: number[] = []
}
