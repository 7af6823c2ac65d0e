/** Which segments are lost, as RACK sees it (net/ipv4/tcp_recovery.c, RFC 8985 section 6). */
import { MICROSECOND, type Nanos } from '../../sim/scheduler.ts'
import { armReordering } from './arming.ts'
import type { Connection } from './connection.ts'
import { since } from './rtt.ts'
import { EVER_RESENT, LOST, RESENT, SACKED } from './sent.ts'

/** Segment `i` has arrived, by ACK or SACK. */
export function noteArrival(connection: Connection, i: number): void {
  const { rack, roundTrip, world } = connection
  const { sent } = connection.send
  const at = sent.sentAt(i)
  const again = (sent.marks(i) & EVER_RESENT) !== 0
  const trip = since(world.scheduler.now, at) * MICROSECOND
  rack.arrived(at, sent.end(i), trip, again, roundTrip.least)
}

/**
 * tcp_rack_detect_loss: gives up what is lost, and returns how long to wait for what may only be late. Linux's
 * clock for this counts microseconds: segments of one instant are lost together.
 */
export function detectLoss(connection: Connection): Nanos {
  const { rack, world, congestion, roundTrip, tunables } = connection
  const { sent } = connection.send
  const { now } = world.scheduler
  const enough = sent.sacked >= connection.reordering
  const window = rack.window(congestion.state, enough, tunables.recovery, roundTrip.least, roundTrip.smoothed)
  const limit = rack.trip + window
  let wait = 0
  for (let i = 0; i < sent.size; i++) {
    const marks = sent.marks(i)
    if ((marks & SACKED) !== 0 || (marks & (LOST | RESENT)) === LOST) continue
    const at = sent.sentAt(i)
    if (!rack.isAfter(at, sent.end(i))) continue
    const left = limit - (now - at)
    if (left < MICROSECOND) sent.markLost(i)
    else if (left > wait) wait = left
  }
  return wait
}

/** Looks for losses if there is news, and lets the timer stand for the rest. True: it does (tcp_rack_mark_lost). */
export function findLosses(connection: Connection): boolean {
  const { rack } = connection
  if (!rack.advanced) return false
  rack.advanced = false
  const wait = detectLoss(connection)
  if (wait > 0) armReordering(connection, wait)
  return wait > 0
}

/** Was this segment sent longer ago than the last round trip? (tcp_rack_skb_timeout) */
export function overdue(connection: Connection, i: number): boolean {
  const { rack, send, world } = connection
  return rack.trip - (world.scheduler.now - send.sent.sentAt(i)) < MICROSECOND
}
