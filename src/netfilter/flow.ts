/**
 * A flow and its two directions: struct nf_conn. The original tuple is what the first packet carried, the reply
 * tuple what its answer will carry; NAT is nothing but a reply tuple that is not the original turned round.
 */

import type { NetDevice } from '../link/device.ts'
import type { Tracked } from '../link/frame.ts'
import { LARGE } from '../sim/count.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { TcpTrack } from './tcp-track.ts'

/** One direction of a flow; it hangs in the table by itself. For ICMP see tuple.ts. */
export class Tuple {
  readonly flow: Flow
  readonly reply: boolean
  protocol = 0
  source = 0 as Ipv4
  destination = 0 as Ipv4
  /** For ICMP the identifier. */
  sourcePort = 0
  /** For ICMP type × 256 + code. */
  destinationPort = 0
  /** Chain of its bucket. */
  next: Tuple | null = null
  hash = 0

  constructor(flow: Flow, reply: boolean) {
    this.flow = flow
    this.reply = reply
  }

  set(protocol: number, source: Ipv4, destination: Ipv4, sourcePort: number, destinationPort: number): void {
    this.protocol = protocol
    this.source = source
    this.destination = destination
    this.sourcePort = sourcePort
    this.destinationPort = destinationPort
  }

  equals(protocol: number, source: Ipv4, destination: Ipv4, sourcePort: number, destinationPort: number): boolean {
    return (
      this.source === source &&
      this.destination === destination &&
      this.sourcePort === sourcePort &&
      this.destinationPort === destinationPort &&
      this.protocol === protocol
    )
  }
}

/** Frames may point at a flow that has ended: it is never used again for another connection. */
export class Flow implements Tracked {
  readonly id: number
  /** The table it belongs to: a frame that came from another namespace brings a stranger's flow. */
  readonly owner: object
  readonly original: Tuple
  readonly reply: Tuple
  /** Bits of `Status`. */
  status = 0
  mark = 0
  /** Counts packets and bytes: nf_conntrack_acct was on when it began. */
  accounted = false
  /** When it was confirmed and when it was removed, in virtual nanoseconds; -1: nf_conntrack_timestamp was off. */
  start = -1
  stop = -1
  /** Tells `conntrack -E` what becomes of it (nf_conntrack_events). */
  announced = false
  /** When it ends, in virtual nanoseconds. */
  due = Number.POSITIVE_INFINITY
  originalPackets = 0
  originalBytes = LARGE
  replyPackets = 0
  replyBytes = LARGE
  tcp: TcpTrack | null = null
  /** UDP: from when on it counts as a stream, in virtual nanoseconds; a moment at which a jiffy begins. */
  streamFrom = Number.POSITIVE_INFINITY
  /** MASQUERADE's device: the flow ends when its packets leave by another one. */
  masquerade: NetDevice | null = null
  /** In the bucket of flows from the same source (nat_bysource). */
  nextFromSource: Flow | null = null
  newer: Flow | null = null
  older: Flow | null = null

  constructor(id: number, owner: object) {
    this.id = id
    this.owner = owner
    this.original = new Tuple(this, false)
    this.reply = new Tuple(this, true)
    this.originalBytes = 0
    this.replyBytes = 0
  }

  get protocol(): number {
    return this.original.protocol
  }

  has(bits: number): boolean {
    return (this.status & bits) !== 0
  }

  /** Counts packets of one direction. */
  add(reply: boolean, packets: number, bytes: number): void {
    if (reply) {
      this.replyPackets += packets
      this.replyBytes += bytes
    } else {
      this.originalPackets += packets
      this.originalBytes += bytes
    }
  }
}
