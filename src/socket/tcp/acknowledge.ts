/** What an arriving acknowledgment does to the sending half (tcp_ack of net/ipv4/tcp_input.c). */
import { IPPROTO_TCP } from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { armProbe, armTailProbe } from './arming.ts'
import { Pending, Wake } from './around.ts'
import { expandBuffer } from './burst.ts'
import { Limit } from './chrono.ts'
import type { Connection } from './connection.ts'
import { noteArrival } from './loss-detection.ts'
import { push, resendLost } from './output.ts'
import { sample } from './rate.ts'
import { alert, eatDuplicates } from './recovery.ts'
import * as to from './round.ts'
import { Resend, round } from './round.ts'
import { since } from './rtt.ts'
import { reordered, takeSacks } from './scoreboard.ts'
import type { Segment } from './segment.ts'
import { EVER_RESENT, SACKED } from './sent.ts'
import { judgeProbe } from './tail-loss.ts'

/** What an acknowledgment turned out to be. */
export const Ack = { ANCIENT: -2, UNSENT: -1, OLD: 0, GOOD: 1 } as const
export type Ack = (typeof Ack)[keyof typeof Ack]

const FIRST_SENT = 0
const LAST_SENT = 1
/** When the oldest and the latest segment left that were acknowledged and sent once; -1: none. */
const times = new Float64Array(2)

/** Takes SEG.ACK and SEG.WND. `UNSENT` acknowledges what was never sent: nothing was changed. */
export function acknowledge(connection: Connection, segment: Segment): Ack {
  const { send } = connection
  const { sent } = send
  const ack = segment.acknowledgment
  if (tcp.after(ack, send.next)) return Ack.UNSENT
  round.begin(send.una, send.next, connection.delivered, sent.everLost)
  sample.begin(sent.inFlight)
  if (tcp.before(ack, send.una)) return ancient(connection, ack) ? Ack.ANCIENT : old(connection, segment)
  // Before anything is sent in answer, which echoes it (tcp_replace_ts_recent).
  if (connection.timestamps && segment.timestamps && connection.receive.mayStamp(segment.sequence))
    connection.recentTimestamp = segment.timestamp
  const advanced = ack !== send.una
  const outstanding = sent.size
  round.highest = sent.highestOr(send.una)
  if (advanced) {
    round.flags |= to.ADVANCED
    connection.timeouts = 0
  }
  if (segment.sequence !== segment.end) round.flags |= to.DATA
  takeWindow(connection, segment)
  if (advanced) {
    connection.bytesAcked += (ack - round.una) | 0
    send.acknowledged(ack)
    if (send.queued === 0) connection.rested()
  }
  if (segment.sackBlocks > 0 && connection.sack) takeSacks(connection, segment)
  if (connection.ecn.echoed(segment)) round.flags |= to.CONGESTED
  connection.lastAcknowledged = connection.jiffies()
  connection.softError = null
  connection.probes = 0
  if (outstanding === 0) {
    if (round.has(to.DUPLICATED)) alert(connection, segment, 0)
    answerProbe(connection)
    if (connection.tailProbed) judgeProbe(connection, ack)
  } else settle(connection, segment)
  if (advanced && connection.wantsRoom) makeRoom(connection)
  return Ack.GOOD
}

/** RFC 5961 section 5.2: an honest peer is not behind by more than it acknowledged, or a window. */
function ancient(connection: Connection, ack: number): boolean {
  const { send, bytesAcked } = connection
  return tcp.before(ack, (send.una - Math.min(send.largestWindow, bytesAcked)) | 0)
}

/** From before SND.UNA: only its SACK blocks are news. */
function old(connection: Connection, segment: Segment): Ack {
  if (segment.sackBlocks > 0 && connection.sack) {
    takeSacks(connection, segment)
    alert(connection, segment, 0)
    sendAgain(connection)
  }
  return Ack.OLD
}

/** The peer's window (RFC 9293 section 3.10.7.4, tcp_ack_update_window). */
function takeWindow(connection: Connection, segment: Segment): void {
  const { send } = connection
  const { sequence, acknowledgment } = segment
  const window = segment.has(tcp.SYN) ? segment.window : segment.window << connection.sendScale
  const newer = tcp.after(acknowledgment, send.una) || tcp.after(sequence, send.windowSequence)
  const wider = sequence === send.windowSequence && (window > send.window || window === 0)
  if (!newer && !wider) return
  round.flags |= to.WINDOW
  send.windowSequence = sequence
  if (window !== send.window) {
    send.window = window
    if (send.pending) connection.afterIdle()
  }
  if (window <= send.largestWindow) return
  send.largestWindow = window
  connection.sizeSegments()
}

/** Forgets what was acknowledged, judges what it means, and lets the congestion window follow. */
function settle(connection: Connection, segment: Segment): void {
  const { send, congestion, rack, tunables, netns } = connection
  const { sent } = send
  clean(connection, segment)
  rack.adapt(tunables.recovery, connection.delivered, sample.priorDelivered)
  if (connection.tailProbed) judgeProbe(connection, segment.acknowledgment)
  if (!round.has(to.NOT_DUPLICATE) || round.has(to.ALERT) || congestion.state !== 'Open') {
    const duplicate = !round.has(to.ADVANCED | to.NOT_DUPLICATE | to.DUPLICATED)
    alert(connection, segment, duplicate ? 1 : 0)
  }
  if (round.has(to.TIMER) && !armTailProbe(connection)) connection.rearm()
  // Forward progress: the next hop is certainly there (sk_dst_confirm).
  if (round.has(to.PROGRESS) || !round.has(to.NOT_DUPLICATE)) {
    const { remoteAddress, localAddress, localPort, remotePort } = connection
    netns.confirmNextHop(remoteAddress, localAddress, IPPROTO_TCP, localPort, remotePort)
  }
  if (round.has(to.CONGESTED)) connection.deliveredMarked += connection.delivered - round.delivered
  sample.delayed = round.has(to.MAYBE_DELAYED)
  sample.finish(connection, connection.delivered - round.delivered, sent.everLost - round.lost, connection.reneged)
  if (synchronised(connection)) control(connection)
  sendAgain(connection)
}

function synchronised({ state }: Connection): boolean {
  return state !== 'SYN-SENT' && state !== 'SYN-RECEIVED'
}

/** tcp_cong_control. */
function control(connection: Connection): void {
  const { send, congestion } = connection
  const { sent } = send
  const { acked, lost } = sample
  if (congestion.control.steer !== undefined) return congestion.control.steer(connection)
  if (congestion.reducing) congestion.reduce(sent.inFlight, acked, lost, round.has(to.ADVANCED))
  else raise(connection)
  congestion.updateRate(connection)
}

/** tcp_may_raise_cwnd. */
function raise(connection: Connection): void {
  const { congestion, tunables } = connection
  // Where the network reorders much, what arrives out of order counts as well.
  const counts = connection.reordering > tunables.reordering ? to.PROGRESS : to.DATA_ACKED
  if (round.has(counts) && congestion.limited) congestion.control.avoid(connection, sample.acked)
}

/** tcp_clean_rtx_queue. */
function clean(connection: Connection, segment: Segment): void {
  const { send, congestion, netns } = connection
  const { sent } = send
  let acked = 0
  let lowest = send.next
  times[FIRST_SENT] = -1
  const sackedBefore = sent.sacked
  while (sent.size > 0 && !tcp.after(sent.end(0), send.una)) {
    const marks = sent.marks(0)
    if ((marks & EVER_RESENT) !== 0) round.flags |= to.RESENT_ACKED
    else if ((marks & SACKED) === 0) {
      times[LAST_SENT] = sent.sentAt(0)
      if (times[FIRST_SENT] < 0) times[FIRST_SENT] = times[LAST_SENT]
      if (tcp.before(sent.begin(0), lowest)) lowest = sent.begin(0)
      if (!tcp.after(sent.end(0), congestion.high)) round.flags |= to.ORIGINAL_ARRIVED
    }
    if ((marks & SACKED) === 0) {
      if (connection.sack) {
        connection.delivered++
        noteSpurious(connection, segment, marks)
      }
      if (connection.acceptor === null) netns.counters.tcpDelivered++
    }
    // A listener's answer is not the connection's own.
    if (connection.acceptor === null) sample.take(connection, 0)
    round.flags |= (sent.flags(0) & tcp.SYN) !== 0 ? to.SYN_ACKED : to.DATA_ACKED
    sent.shift()
    acked++
  }
  if (round.has(to.SYN_ACKED)) connection.undo.stamp = 0
  if (sent.size > 0) {
    if (tcp.after(send.una, sent.begin(0))) sent.trim(send.una)
    if ((sent.marks(0) & SACKED) !== 0) round.flags |= to.RENEGED
  }
  const measured = measureTrip(connection, segment, acked, sackedBefore)
  if (acked > 0) {
    round.flags |= to.TIMER
    if (connection.search?.acknowledged(connection) === true) netns.counters.tcpMtuSuccess++
    if (!connection.sack) {
      eatDuplicates(connection, acked)
      if (round.has(to.RESENT_ACKED)) round.flags &= ~to.ORIGINAL_ARRIVED
    } else if (tcp.before(lowest, round.highest)) reordered(connection, lowest)
  } else if (measured && sent.size > 0 && round.firstSacked >= 0 && round.firstSacked < sent.sentAt(0)) {
    // Measured on something that left before the oldest was sent again: the time-out is counted from now.
    round.flags |= to.TIMER
  }
}

/** An acknowledgment from before the retransmission says nothing of it (tcp_skb_spurious_retrans). */
function noteSpurious(connection: Connection, segment: Segment, marks: number): void {
  if ((marks & EVER_RESENT) !== 0 && segment.timestamps && segment.echo !== 0) {
    const left = connection.clockAt(connection.send.sent.sentAt(0))
    if (tcp.before(segment.echo, left)) return
  }
  noteArrival(connection, 0)
}

/** tcp_ack_update_rtt. True: the round trip was measured. */
function measureTrip(connection: Connection, segment: Segment, acked: number, sackedBefore: number): boolean {
  const { congestion, world, send } = connection
  const { now } = world.scheduler
  let trip = -1
  let latest = -1
  if (times[FIRST_SENT] >= 0 && !round.has(to.RESENT_ACKED)) {
    trip = since(now, times[FIRST_SENT])
    latest = since(now, times[LAST_SENT])
    const small = ((send.una - round.una) | 0) < connection.mss
    const alone = acked === 1 && send.sent.size === 0 && sackedBefore === 0
    if (alone && small && !round.has(to.ALERT | to.SYN_ACKED)) round.flags |= to.MAYBE_DELAYED
  }
  if (round.firstSacked >= 0) {
    if (trip < 0) trip = since(now, round.firstSacked)
    latest = since(now, round.lastSacked)
  }
  // What was sent twice is measured by the timestamp it echoes (RFC 7323 section 4.1).
  if (trip < 0 && acked > 0 && segment.timestamps && segment.echo !== 0) {
    const milliseconds = (connection.clock() - segment.echo) | 0
    if (milliseconds >= 0) {
      trip = Math.max(milliseconds, 1) * 1000
      latest = trip
    }
  }
  sample.trip = latest
  if (trip < 0) return false
  connection.roundTrip.measure(trip, latest, round.has(to.MAYBE_DELAYED), now, send.una, send.next, connection)
  connection.backoff = 0
  // What is measured in the handshake is forgotten when the connection begins (tcp_init_congestion_control).
  if (!synchronised(connection)) return true
  if (acked > 0 || round.has(to.DATA_SACKED)) congestion.control.measured(connection, latest)
  return true
}

/** tcp_xmit_recovery: what is lost goes again; after a time-out that may have been none, new data first. */
function sendAgain(connection: Connection): void {
  const { send, congestion } = connection
  if (round.resend === Resend.NONE || connection.state === 'SYN-SENT') return
  if (round.resend === Resend.NEW) {
    push(connection, true)
    if (tcp.after(send.next, congestion.high)) return
    connection.spurious = false
  }
  resendLost(connection)
}

/** Nothing is out, so this answers a window probe or opens the window (tcp_ack_probe). */
function answerProbe(connection: Connection): void {
  const { send } = connection
  if (!send.pending) return
  if (send.room >= Math.min(send.unsent, connection.mss)) {
    connection.backoff = 0
    connection.pending = Pending.RETRANSMISSION
    connection.world.scheduler.cancel(connection.retransmission)
  } else armProbe(connection)
}

/**
 * A program waits for room: the buffer grows with the window, unless that is in full use, and it is told when a third is
 * free (tcp_new_space, sk_stream_write_space).
 */
export function makeRoom(connection: Connection): void {
  const { send, congestion } = connection
  if (send.sent.inFlight < congestion.window) expandBuffer(connection)
  if (!send.writable) return
  connection.wantsRoom = false
  connection.chrono.stop(Limit.BUFFER, connection.jiffies())
  connection.wake |= Wake.WRITABLE
}
