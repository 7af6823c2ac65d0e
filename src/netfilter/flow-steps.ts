/** What conntrack and NAT do to a packet of a known flow, to be done once more (see link/flow-cache.ts). */
import { type Judge, journal, SharedStep, Step } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import type { Ipv4 } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { ACK, FIN, flags, RST, SYN, URG, valid } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import { type Manip, rewrite } from './nat-rewrite.ts'
import { Status } from './status.ts'
import type { TcpTrack } from './tcp-track.ts'

/** Conntrack, as far as a packet of a known flow needs it. */
export interface Tracker {
  readonly now: number
  readonly settings: { readonly logInvalid: number }
  /** A packet of `length` bytes belongs to the flow and changes nothing but its end and its counters. */
  belongs(flow: Flow, frame: Frame, reply: boolean, length: number): void
  /** So many packets have passed that did, of so many bytes together. */
  passed(flow: Flow, reply: boolean, packets: number, bytes: number): void
  /** tcp_packet, ahead of the packet's turn; true when it belongs to the flow. */
  judge(frame: Frame, track: TcpTrack, status: number, at: number, end: number, reply: boolean): boolean
  /** What was judged ahead is forgotten. */
  settled(): void
}

/** What conntrack's flow has to be like for its packets to be treated alike. */
const SETTLED = Status.CONFIRMED | Status.SRC_NAT_DONE | Status.DST_NAT_DONE

/** A flow in the table, and a packet of it. */
class Known {
  readonly tracker: Tracker
  readonly flow: Flow
  readonly reply: boolean
  readonly #status: number

  constructor(tracker: Tracker, flow: Flow, reply: boolean) {
    this.tracker = tracker
    this.flow = flow
    this.reply = reply
    this.#status = flow.status
    if ((flow.status & SETTLED) !== SETTLED || (flow.status & Status.DYING) !== 0) journal.refuse()
  }

  get status(): number {
    return this.#status
  }

  lives(): boolean {
    const { flow, tracker } = this
    return flow.status === this.#status && flow.due > tracker.now && tracker.settings.logInvalid === 0
  }

  passes(frame: Frame): void {
    this.tracker.belongs(this.flow, frame, this.reply, ipv4.totalLength(frame.bytes, frame.network))
  }
}

/** A datagram of a flow in the table, which may become a stream by age alone. */
class TrackedDatagram extends SharedStep {
  readonly #known: Known
  /** By how many bytes its packet is longer than the frame that came in. */
  readonly #more: number

  constructor(known: Known, frame: Frame) {
    super()
    this.#known = known
    this.#more = journal.longer(ipv4.totalLength(frame.bytes, frame.network))
  }

  override holds(): boolean {
    return this.stands()
  }

  override again(frame: Frame): void {
    this.#known.passes(frame)
  }

  override stands(): boolean {
    const { flow, tracker } = this.#known
    const young = tracker.now < flow.streamFrom
    return (young || flow.has(Status.ASSURED) || !flow.has(Status.SEEN_REPLY)) && this.#known.lives()
  }

  override leave(packets: number, bytes: number): void {
    const { tracker, flow, reply } = this.#known
    tracker.passed(flow, reply, packets, bytes + packets * this.#more)
  }
}

/** A TCP segment without control bits, of a connection that is established. */
class TrackedSegment extends Step implements Judge {
  readonly #known: Known
  readonly #offset: number
  readonly #track: TcpTrack
  readonly #state: number

  constructor(known: Known, track: TcpTrack, at: number) {
    super()
    this.#known = known
    this.#track = track
    this.#state = track.state
    this.#offset = journal.offset(at)
    if (!track.established || !known.flow.has(Status.ASSURED)) journal.refuse()
  }

  override holds(frame: Frame): boolean {
    const { bytes } = frame
    const at = frame.start + this.#offset
    if (!valid(bytes, at, frame.end) || (flags(bytes, at) & (SYN | FIN | RST | URG | ACK)) !== ACK) return false
    return this.#track.state === this.#state && this.#known.lives()
  }

  override again(frame: Frame): void {
    this.#known.passes(frame)
  }

  judge(frame: Frame): boolean {
    const at = frame.start + this.#offset
    const network = at - ipv4.HEADER
    const end = network + ipv4.totalLength(frame.bytes, network)
    const { tracker, status, reply } = this.#known
    return tracker.judge(frame, this.#track, status, at, end, reply)
  }

  settled(): void {
    this.#known.tracker.settled()
  }
}

export function noteTracked(tracker: Tracker, frame: Frame, flow: Flow, reply: boolean): void {
  const known = new Known(tracker, flow, reply)
  if (flow.tcp !== null) return journal.judged(frame, new TrackedSegment(known, flow.tcp, frame.transport))
  if (flow.protocol !== ipv4.IPPROTO_UDP) journal.refuse()
  journal.add(frame, new TrackedDatagram(known, frame))
}

/** NAT wrote an address and a port. */
export class Rewritten extends SharedStep {
  readonly #manip: Manip
  readonly #address: Ipv4
  readonly #port: number

  constructor(manip: Manip, address: Ipv4, port: number) {
    super()
    this.#manip = manip
    this.#address = address
    this.#port = port
  }

  override again(frame: Frame): void {
    rewrite(frame.view, frame.network, frame.end, this.#manip, this.#address, this.#port)
  }
}
