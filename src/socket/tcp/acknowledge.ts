/** What an arriving acknowledgment does to the sending half (tcp_ack of net/ipv4/tcp_input.c). */
import { MICROSECOND } from '../../sim/scheduler.ts'
import { IPPROTO_TCP } from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { type Connection, Wake } from './connection.ts'
import { resend, resendLost } from './output.ts'
import { delivered, judgeProbe, recover, takeSacks } from './recovery.ts'
import type { Segment } from './segment.ts'
import { EVER_RESENT, SACKED } from './sent.ts'

/** What an acknowledgment turned out to be. */
export const Ack = { UNSENT: -1, OLD: 0, GOOD: 1 } as const
export type Ack = (typeof Ack)[keyof typeof Ack]

/** Takes SEG.ACK and SEG.WND. `UNSENT` acknowledges what was never sent: nothing was changed. */
export function acknowledge(connection: Connection, segment: Segment): Ack {
  const { send } = connection
  const ack = segment.acknowledgment
  if (tcp.before(ack, send.una)) return Ack.OLD
  if (tcp.after(ack, send.next)) return Ack.UNSENT
  const advanced = ack !== send.una
  const outstanding = send.sent.size
  const opened = takeWindow(connection, segment)
  if (advanced) {
    connection.timeouts = 0
    connection.bytesAcked += (ack - send.una) | 0
    send.acknowledged(ack)
    if (send.queued === 0 && connection.busySince >= 0) connection.rested()
    // Forward progress: the next hop is certainly there (sk_dst_confirm).
    const { netns, remoteAddress, localAddress, localPort, remotePort } = connection
    netns.confirmNextHop(remoteAddress, localAddress, IPPROTO_TCP, localPort, remotePort)
  }
  connection.softError = null
  connection.probes = 0
  connection.lastAcknowledged = connection.jiffies()
  if (segment.sackBlocks > 0 && connection.sack) takeSacks(connection, segment)
  if (connection.tailProbed) judgeProbe(connection, segment, advanced || opened)
  if (outstanding === 0) answerProbe(connection)
  else if (advanced) settle(connection, segment)
  else if (connection.sack ? segment.sackBlocks > 0 : !opened && segment.sequence === segment.end) duplicate(connection)
  if (advanced && connection.wantsRoom) makeRoom(connection)
  return Ack.GOOD
}

/** The peer's window (RFC 9293 section 3.10.7.4, tcp_ack_update_window). True: it changed. */
function takeWindow(connection: Connection, segment: Segment): boolean {
  const { send } = connection
  const { sequence, acknowledgment } = segment
  const window = segment.has(tcp.SYN) ? segment.window : segment.window << connection.sendScale
  const newer = tcp.after(acknowledgment, send.una) || tcp.after(sequence, send.windowSequence)
  const wider = sequence === send.windowSequence && (window > send.window || window === 0)
  if (!newer && !wider) return false
  send.windowSequence = sequence
  if (window === send.window) return false
  send.window = window
  if (window > send.largestWindow) send.largestWindow = window
  return true
}

/** Forgets what was acknowledged, measures the round trip, and lets the congestion window follow. */
function settle(connection: Connection, segment: Segment): void {
  const { send, congestion, world } = connection
  const { sent } = send
  let acked = 0
  let resent = false
  let oldest = -1
  while (sent.size > 0 && !tcp.after(sent.end(0), send.una)) {
    if ((sent.marks(0) & SACKED) === 0) {
      delivered(connection, 0)
      connection.delivered++
      if (connection.acceptor === null) connection.netns.counters.tcpDelivered++
    }
    if ((sent.marks(0) & EVER_RESENT) !== 0) resent = true
    else if (oldest < 0) oldest = sent.sentAt(0)
    sent.shift()
    acked++
  }
  if (sent.size > 0 && tcp.after(send.una, sent.begin(0))) sent.trim(send.una)
  if (connection.delivered > connection.appLimited) connection.appLimited = 0
  connection.rateLimited = connection.sentLimited
  if (oldest >= 0 && !resent) measure(connection, (world.scheduler.now - oldest) / MICROSECOND)
  // A segment that was sent twice is measured by the timestamp it echoes (RFC 7323 section 4.1).
  else if (acked > 0 && segment.timestamps && segment.echo !== 0) {
    const milliseconds = (connection.clock() - segment.echo) | 0
    if (milliseconds >= 0) measure(connection, Math.max(milliseconds, 1) * 1000)
  }
  if (acked > 0 && !connection.armTailProbe()) connection.rearm()
  if (connection.state === 'SYN-SENT' || connection.state === 'SYN-RECEIVED') return
  if (congestion.acknowledged(send.una, acked, connection.sack) && sent.size > 0) {
    sent.markLost(0)
    resend(connection, 0)
  }
  if (connection.sack) recover(connection)
  resendLost(connection)
  if (congestion.window > 10) send.grow(congestion.window, Math.max(connection.mss, connection.peerMss))
}

function measure(connection: Connection, microseconds: number): void {
  const { send, roundTrip } = connection
  roundTrip.measure(microseconds, send.una, send.next)
  connection.backoff = 0
}

/** The same acknowledgment again: something behind a gap arrived (RFC 5681 section 3.2). */
function duplicate(connection: Connection): void {
  const { send, congestion } = connection
  if (connection.sack) return recover(connection)
  if (!congestion.duplicate(send.next)) return
  send.sent.markLost(0)
  resend(connection, 0)
  connection.rearm()
}

/** Nothing is out, so this answers a window probe or opens the window (tcp_ack_probe). */
function answerProbe(connection: Connection): void {
  const { send } = connection
  if (!send.pending) return
  if (send.room >= Math.min(send.unsent, connection.mss)) {
    connection.backoff = 0
    connection.probing = false
    connection.world.scheduler.cancel(connection.retransmission)
  } else connection.armProbe()
}

/** A program that waits is told when a third of the buffer is free (sk_stream_is_writeable). */
function makeRoom(connection: Connection): void {
  const { send } = connection
  if (!send.writable) return
  connection.wantsRoom = false
  connection.wake |= Wake.WRITABLE
}
