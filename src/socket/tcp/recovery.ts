/**
 * Losses found by time (net/ipv4/tcp_recovery.c, RFC 8985): what was sent before something that has arrived, and a
 * little longer ago than a round trip, is lost. The peer's SACK blocks say what has arrived.
 */
import { MICROSECOND, type Nanos } from '../../sim/scheduler.ts'
import { i32 } from '../../wire/bytes.ts'
import * as tcp from '../../wire/tcp.ts'
import { DUPLICATES } from './congestion.ts'
import type { Connection } from './connection.ts'
import { resend, resendLost } from './output.ts'
import type { Segment } from './segment.ts'
import { EVER_RESENT, LOST, RESENT, SACKED } from './sent.ts'

const BLOCK = 8

/** Segment `i` has arrived, by ACK or SACK: was it sent after all that arrived before? (tcp_rack_advance) */
export function delivered(connection: Connection, i: number): void {
  const { rack, roundTrip, world } = connection
  const { sent } = connection.send
  const at = sent.sentAt(i)
  const trip = world.scheduler.now - at
  // It may be the first copy that arrived.
  if ((sent.marks(i) & EVER_RESENT) !== 0 && trip < roundTrip.least * MICROSECOND) return
  rack.arrived(at, sent.end(i), trip)
}

/** Marks what the SACK blocks name (tcp_sacktag_write_queue). */
export function takeSacks(connection: Connection, segment: Segment): void {
  const { send } = connection
  const { sent } = send
  for (let block = 0; block < segment.sackBlocks; block++) {
    const begin = i32(segment.bytes, segment.sackAt + block * BLOCK)
    const end = i32(segment.bytes, segment.sackAt + block * BLOCK + 4)
    if (!tcp.after(end, send.una) || tcp.after(end, send.next)) continue
    for (let i = 0; i < sent.size; i++) {
      if (tcp.before(sent.begin(i), begin) || tcp.after(sent.end(i), end)) continue
      if ((sent.marks(i) & SACKED) !== 0) continue
      delivered(connection, i)
      connection.delivered++
      connection.netns.counters.tcpDelivered++
      sent.markSacked(i)
    }
  }
}

/** What became of a tail loss probe, and so of what it repeated (tcp_process_tlp_ack). */
export function judgeProbe(connection: Connection, segment: Segment, news: boolean): void {
  const { send, congestion, tailProbe } = connection
  if (tcp.before(send.una, tailProbe)) return
  const arrived = segment.sackBlocks > 0
  const twice = arrived && tcp.before(i32(segment.bytes, segment.sackAt), segment.acknowledgment)
  if (connection.tailResent && !twice) {
    if (tcp.after(send.una, tailProbe)) congestion.lostTail()
    else if (news || arrived) return
  }
  connection.tailProbed = false
}

/** Decides what is lost and sends it again (tcp_fastretrans_alert with RACK). */
export function recover(connection: Connection): void {
  const { send, congestion } = connection
  if (send.sent.sacked === 0 && congestion.state === 'Open') return
  const wait = detect(connection)
  if (send.sent.lost > 0 && congestion.state === 'Open') {
    congestion.recover(send.next)
    resendFirst(connection)
  }
  if (wait > 0) connection.armReordering(wait)
  resendLost(connection)
}

/** The reordering timer ran out: what was given the benefit of the doubt is lost (tcp_rack_reo_timeout). */
export function reorderingOver(connection: Connection): void {
  recover(connection)
  if (!connection.reordering) connection.rearmFromOldest()
}

/** tcp_rack_detect_loss: marks, and returns how long to wait for what may only be late; 0: nothing is in doubt. */
function detect(connection: Connection): Nanos {
  const { rack, world } = connection
  const { sent } = connection.send
  const { now } = world.scheduler
  const window = reorderingWindow(connection)
  let wait = 0
  for (let i = 0; i < sent.size; i++) {
    const marks = sent.marks(i)
    if ((marks & SACKED) !== 0 || (marks & (LOST | RESENT)) === LOST) continue
    const at = sent.sentAt(i)
    if (!rack.isAfter(at, sent.end(i))) continue
    const left = rack.trip + window - (now - at)
    if (left <= 0) sent.markLost(i)
    else if (left > wait) wait = left
  }
  return wait
}

/** tcp_rack_reo_wnd, while no reordering was ever seen. */
function reorderingWindow(connection: Connection): Nanos {
  const { congestion, roundTrip, send } = connection
  if (congestion.state !== 'Open' || send.sent.sacked >= DUPLICATES) return 0
  return Math.min(roundTrip.least / 4, roundTrip.smoothed / 8) * MICROSECOND
}

/** The first retransmission of a recovery does not ask the window. */
function resendFirst(connection: Connection): void {
  const { sent } = connection.send
  for (let i = 0; i < sent.size; i++) {
    if ((sent.marks(i) & (LOST | RESENT)) === LOST) return resend(connection, i)
  }
}
