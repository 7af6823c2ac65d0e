/** What happens when a connection's timers run out (net/ipv4/tcp_timer.c). */
import { HZ, JIFFY, wheel } from '../../sim/jiffies.ts'
import { armProbe, armReordering } from './arming.ts'
import { type Alarms, Pending } from './around.ts'
import type { Connection } from './connection.ts'
import { detectLoss } from './loss-detection.ts'
import { Because, occasion } from './occasion.ts'
import { push, resend, resendLost, sendAck, sendProbe } from './output.ts'
import { PathSearch } from './path-search.ts'
import { askAlive, mostRetries, outOfPatience, seemsBlackHole } from './patience.ts'
import { enterLoss, enterRecovery } from './recovery.ts'
import { probeTail } from './tail-loss.ts'

/** TCP_RESOURCE_PROBE_INTERVAL. */
const RESOURCE_PROBE = HZ / 2
/** tcp_stream_is_thin: fewer segments than this are out; TCP_THIN_LINEAR_RETRIES. */
const THIN = 4
const THIN_RETRIES = 6

export const alarms: Alarms<Connection> = {
  retransmit(connection) {
    const { pending } = connection
    if (pending === Pending.PROBE) probe(connection)
    else if (pending === Pending.TAIL) probeTail(connection)
    else if (pending === Pending.REORDERING) giveUpDoubt(connection)
    else retransmit(connection)
    connection.tell()
  },

  acknowledge(connection) {
    if (!connection.acks.owed) return
    connection.netns.counters.tcpDelayedAcks++
    occasion.because = Because.DELAYED
    connection.acks.missed(connection.timeout)
    sendAck(connection)
    occasion.because = Because.NONE
    connection.tell()
  },

  compressed(connection) {
    occasion.because = Because.COMPRESSED
    if (connection.acks.compressed > 0) sendAck(connection)
    occasion.because = Because.NONE
    connection.tell()
  },

  /** The next burst may leave (tcp_tsq_write). */
  paced(connection) {
    const { send, congestion } = connection
    const { sent } = send
    if (sent.lost > sent.resent && congestion.window > sent.inFlight) resendLost(connection)
    push(connection)
    connection.tell()
  },

  /** TIME-WAIT is over, the peer was silent for the time of SO_KEEPALIVE, or an orphan waited long enough for the peer's FIN. */
  expire(connection) {
    if (connection.owner !== null && connection.state !== 'TIME-WAIT') {
      askAlive(connection)
      return connection.tell()
    }
    if (connection.state === 'TIME-WAIT') connection.netns.counters.tcpTimeWaits++
    connection.end(null)
    connection.tell()
  },
}

/** tcp_retransmit_timer: the oldest segment goes again, and the next time-out is twice as long. */
function retransmit(connection: Connection): void {
  const { send, state } = connection
  if (send.sent.size === 0) return
  if (state !== 'SYN-SENT' && state !== 'SYN-RECEIVED' && seemsBlackHole(connection)) avoidBlackHole(connection)
  if (outOfPatience(connection)) {
    connection.end(connection.softError ?? 'ETIMEDOUT')
    return
  }
  connection.followPath()
  enterLoss(connection)
  connection.netns.counters.tcpTimeouts++
  if (connection.timeouts === 0 && state !== 'SYN-SENT') connection.firstResent = connection.clock()
  if (connection.timeouts === 0) connection.timeoutRows++
  connection.timeouts++
  connection.allTimeouts++
  connection.rehash()
  connection.rehashed++
  // A deferred connection's peer has acknowledged: it is asked again only when its time is up (syn_ack_recalc).
  const silent = connection.deferred && connection.settings.deferAccept > connection.timeouts
  occasion.because = Because.TIMEOUT
  const error = silent ? null : resend(connection, 0)
  occasion.because = Because.NONE
  // Local congestion: senders fight for the queue without backing off.
  if (error === 'ENOBUFS') return tryLater(connection)
  if (error === null && (state === 'SYN-SENT' || state === 'SYN-RECEIVED')) connection.netns.counters.tcpSynRetrans++
  // The first SYNs are sent at an even pace, newer kernels only (tcp_syn_linear_timeouts).
  const linear = connection.netns.sysctl.number('net.ipv4.tcp_syn_linear_timeouts')
  if (isThin(connection)) connection.backoff = 0
  else if (state !== 'SYN-SENT' || connection.allTimeouts > linear) connection.backoff++
  connection.rearmFromNow()
}

/** A stream that has little to send cannot be found out by duplicate acknowledgments: its first time-outs are even. */
function isThin(connection: Connection): boolean {
  const { settings, tunables, send, congestion } = connection
  if (!settings.thinLinear && !tunables.thinLinear) return false
  if (connection.state !== 'ESTABLISHED' || connection.timeouts > THIN_RETRIES) return false
  return send.sent.size < THIN && congestion.thresholdKnown
}

/** Perhaps only long segments vanish, and whoever drops them does not tell: they become shorter (tcp_mtu_probing). */
function avoidBlackHole(connection: Connection): void {
  if (connection.search === null) connection.search = new PathSearch(connection, connection.jiffies())
  else connection.search.halve(connection)
  connection.sizeSegments()
}

/**
 * A router says that there is no way for the oldest segment, so its loss was no congestion: one step of the back-off is
 * taken back, and what is overdue by the shorter time-out goes at once (tcp_ld_RTO_revert, RFC 6069).
 */
export function revertBackoff(connection: Connection, sequence: number): void {
  const { send, world } = connection
  const { scheduler } = world
  if (sequence !== send.una || connection.timeouts === 0 || connection.backoff === 0 || send.sent.size === 0) return
  connection.backoff--
  const left = connection.timeout - Math.ceil((scheduler.now - send.sent.sentAt(0)) / JIFFY)
  if (left <= 0) return retransmit(connection)
  connection.rearmFromNow()
  scheduler.at(connection.retransmission, wheel(scheduler.now, left * JIFFY))
}

/** The reordering timer ran out: what was given the benefit of the doubt is lost (tcp_rack_reo_timeout). */
function giveUpDoubt(connection: Connection): void {
  const { send, congestion } = connection
  const { sent } = send
  const out = sent.inFlight
  const lost = sent.everLost
  const wait = detectLoss(connection)
  if (wait > 0) armReordering(connection, wait)
  if (sent.inFlight !== out) {
    if (congestion.state !== 'Recovery') {
      enterRecovery(connection, false)
      if (congestion.control.steer === undefined) congestion.reduce(sent.inFlight, 1, sent.everLost - lost, false)
    }
    resendLost(connection)
  }
  if (wait === 0) connection.rearm()
}

/** The local queue refused a segment. */
function tryLater({ world, retransmission }: Connection): void {
  const { scheduler } = world
  scheduler.at(retransmission, wheel(scheduler.now, RESOURCE_PROBE * JIFFY))
}

/** tcp_probe_timer: is the peer's window still shut? */
function probe(connection: Connection): void {
  const { send } = connection
  connection.pending = Pending.RETRANSMISSION
  if (send.sent.size > 0 || !send.pending) {
    connection.probes = 0
    return
  }
  const { userTimeout } = connection.settings
  const now = connection.clock()
  if (connection.probes === 0) connection.firstResent = now
  const impatient = userTimeout > 0 && ((now - connection.firstResent) | 0) >= userTimeout && connection.probes > 0
  if (impatient || connection.probes >= mostRetries(connection)) {
    connection.end(connection.softError ?? 'ETIMEDOUT')
    return
  }
  occasion.because = Because.WINDOW_PROBE
  const error = sendProbe(connection, true)
  occasion.because = Because.NONE
  if (error === 'ENOBUFS') {
    tryLater(connection)
    connection.pending = Pending.PROBE
    return
  }
  if (send.sent.size > 0) return
  connection.probes++
  connection.backoff++
  armProbe(connection)
}
