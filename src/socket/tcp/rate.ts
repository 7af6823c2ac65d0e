/**
 * How fast segments arrive (net/ipv4/tcp_rate.c): each acknowledgment gives one sample, the segments that were delivered
 * since the latest of those that it covers had left, over the time that sending or acknowledging them took, whichever
 * took longer. There is one sample for all connections: it is made and used up before the next segment is looked at.
 */
import { LARGE } from '../../sim/count.ts'
import { after } from '../../wire/tcp.ts'
import type { Flow } from './congestion.ts'
import { DELIVERED_AT, FIRST_SENT } from './moments.ts'
import { since } from './rtt.ts'
import { LIMITED, SACKED } from './sent.ts'

class RateSample {
  /** How many segments had been delivered when the latest left that has now arrived, and when that was known. */
  priorDelivered = LARGE
  readonly #priorAt = new Float64Array(1)
  /** Where that segment ends. */
  #end = 0
  #taken = false
  /** Segments delivered since then, in so many microseconds; -1: there is no sample. */
  delivered = LARGE
  interval = -1
  /** Did that segment leave while the program was what held sending back? */
  limited = false
  /** What this acknowledgment delivered and gave up for lost, and what was in flight before. */
  acked = 0
  lost = 0
  inFlight = 0
  /** The round trip of the latest, microseconds; -1: not known. It may have waited at the receiver. */
  trip = -1
  delayed = false

  constructor() {
    this.begin(0)
  }

  begin(inFlight: number): void {
    this.priorDelivered = 0
    this.#taken = false
    this.delivered = -1
    this.interval = -1
    this.limited = false
    this.inFlight = inFlight
    this.trip = -1
  }

  /** Segment `i` has arrived, by ACK or SACK (tcp_rate_skb_delivered). */
  take({ send, moments }: Flow, i: number): void {
    const { sent } = send
    const known = sent.sinceDelivered(i)
    if (known < 0) return
    const at = sent.sentAt(i)
    const end = sent.end(i)
    const first = moments[FIRST_SENT]
    if (this.priorDelivered === 0 || at > first || (at === first && after(end, this.#end))) {
      this.#taken = true
      this.#priorAt[0] = known
      this.priorDelivered = sent.deliveredAt(i)
      this.limited = (sent.marks(i) & LIMITED) !== 0
      this.#end = end
      moments[FIRST_SENT] = at
      this.interval = since(at, sent.sinceSent(i))
    }
    // What SACK has named is not counted again when it is acknowledged.
    if ((sent.marks(i) & SACKED) !== 0) sent.markSampled(i)
  }

  /** All segments of the acknowledgment were taken (tcp_rate_gen). `reneged`: the peer takes back what it reported. */
  finish(connection: Flow, acked: number, lost: number, reneged: boolean): void {
    const { moments, world, roundTrip } = connection
    const { now } = world.scheduler
    if (connection.appLimited !== 0 && connection.delivered > connection.appLimited) connection.appLimited = 0
    if (acked > 0) moments[DELIVERED_AT] = now
    this.acked = acked
    this.lost = lost
    if (!this.#taken || reneged) {
      this.interval = -1
      return
    }
    this.delivered = connection.delivered - this.priorDelivered
    this.interval = Math.max(this.interval, since(now, this.#priorAt[0]))
    // Less than the shortest round trip: something was sent twice, and the first copy arrived.
    if (this.interval < roundTrip.least) {
      this.interval = -1
      return
    }
    const faster = this.delivered * connection.rateInterval >= connection.rateDelivered * this.interval
    if (this.limited && !faster) return
    connection.rateDelivered = this.delivered
    connection.rateInterval = this.interval
    connection.rateLimited = this.limited
  }
}

export const sample = new RateSample()

/** Bytes a second (tcp_compute_delivery_rate). */
export function deliveryRate({ mss, rateDelivered, rateInterval }: Flow): number {
  return rateDelivered === 0 || rateInterval === 0 ? 0 : Math.floor((rateDelivered * mss * 1e6) / rateInterval)
}
