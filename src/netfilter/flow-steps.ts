/** What conntrack and NAT do to a packet of a known flow, to be done once more (see link/flow-cache.ts). */
import { type Judge, journal, Step } from '../link/flow-cache.ts'
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
  /** tcp_packet, ahead of the packet's turn; true when it belongs to the flow. */
  judge(frame: Frame, track: TcpTrack, status: number, at: number, end: number, reply: boolean): boolean
  /** What was judged ahead is forgotten. */
  settled(): void
}

/** What conntrack's flow has to be like for its packets to be treated alike. */
const SETTLED = Status.CONFIRMED | Status.SRC_NAT_DONE | Status.DST_NAT_DONE

/** A packet of a flow in the table. */
class Tracked extends Step {
  protected readonly tracker: Tracker
  protected readonly flow: Flow
  protected readonly status: number
  protected readonly reply: boolean
  protected readonly state: number

  constructor(tracker: Tracker, flow: Flow, reply: boolean) {
    super()
    this.tracker = tracker
    this.flow = flow
    this.status = flow.status
    this.reply = reply
    this.state = flow.tcp === null ? 0 : flow.tcp.state
    if ((flow.status & SETTLED) !== SETTLED || (flow.status & Status.DYING) !== 0) journal.refuse()
  }

  override holds(_frame: Frame): boolean {
    const { flow, tracker } = this
    return flow.status === this.status && flow.due > tracker.now && tracker.settings.logInvalid === 0
  }

  override again(frame: Frame): void {
    this.tracker.belongs(this.flow, frame, this.reply, ipv4.totalLength(frame.bytes, frame.network))
  }
}

/** UDP's: the flow may become a stream by age alone. */
class TrackedDatagram extends Tracked {
  override holds(frame: Frame): boolean {
    const { flow } = this
    const young = this.tracker.now < flow.streamFrom
    return (young || flow.has(Status.ASSURED) || !flow.has(Status.SEEN_REPLY)) && super.holds(frame)
  }
}

/** TCP's: a segment without control bits, of a connection that is established. */
class TrackedSegment extends Tracked implements Judge {
  readonly #offset: number
  readonly #track: TcpTrack

  constructor(tracker: Tracker, flow: Flow, track: TcpTrack, reply: boolean, at: number) {
    super(tracker, flow, reply)
    this.#track = track
    this.#offset = journal.offset(at)
    if (!track.established || !flow.has(Status.ASSURED)) journal.refuse()
  }

  override holds(frame: Frame): boolean {
    const { bytes } = frame
    const at = frame.start + this.#offset
    if (!valid(bytes, at, frame.end) || (flags(bytes, at) & (SYN | FIN | RST | URG | ACK)) !== ACK) return false
    return this.#track.state === this.state && super.holds(frame)
  }

  judge(frame: Frame): boolean {
    const at = frame.start + this.#offset
    const network = at - ipv4.HEADER
    const end = network + ipv4.totalLength(frame.bytes, network)
    return this.tracker.judge(frame, this.#track, this.status, at, end, this.reply)
  }

  settled(): void {
    this.tracker.settled()
  }
}

export function noteTracked(tracker: Tracker, frame: Frame, flow: Flow, reply: boolean): void {
  if (flow.tcp !== null) {
    return journal.judged(frame, new TrackedSegment(tracker, flow, flow.tcp, reply, frame.transport))
  }
  if (flow.protocol !== ipv4.IPPROTO_UDP) journal.refuse()
  journal.add(frame, new TrackedDatagram(tracker, flow, reply))
}

/** NAT wrote an address and a port. */
export class Rewritten extends Step {
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
