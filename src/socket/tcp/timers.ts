/** What happens when a connection's timers run out (net/ipv4/tcp_timer.c). */
import type { Alarms } from './around.ts'
import type { Connection } from './connection.ts'
import { detectLoss } from './loss-detection.ts'
import { resend, resendLost, sendAck, sendProbe, sendReset } from './output.ts'
import { enterLoss, enterRecovery } from './recovery.ts'
import { probeTail } from './tail-loss.ts'

export const alarms: Alarms<Connection> = {
  retransmit(connection) {
    if (connection.probing) probe(connection)
    else if (connection.tailing) probeTail(connection)
    else if (connection.doubting) giveUpDoubt(connection)
    else retransmit(connection)
    connection.tell()
  },

  acknowledge(connection) {
    if (!connection.acks.owed) return
    connection.netns.counters.tcpDelayedAcks++
    connection.acks.missed(connection.timeout)
    sendAck(connection)
    connection.tell()
  },

  compressed(connection) {
    if (connection.acks.compressed > 0) sendAck(connection)
    connection.tell()
  },

  /** TIME-WAIT is over, or an orphan waited long enough for the peer's FIN. */
  expire(connection) {
    if (connection.state === 'TIME-WAIT') connection.netns.counters.tcpTimeWaits++
    connection.end(null)
    connection.tell()
  },
}

/** tcp_retransmit_timer: the oldest segment goes again, and the next time-out is twice as long. */
function retransmit(connection: Connection): void {
  const { send, state } = connection
  if (send.sent.size === 0) return
  if (connection.timeouts >= mostTimeouts(connection)) {
    connection.end(connection.softError ?? 'ETIMEDOUT')
    return
  }
  connection.followPath()
  enterLoss(connection)
  connection.netns.counters.tcpTimeouts++
  if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') connection.netns.counters.tcpSynRetrans++
  connection.timeouts++
  connection.allTimeouts++
  connection.rehash()
  resend(connection, 0)
  // The first SYNs are sent at an even pace, newer kernels only (tcp_syn_linear_timeouts).
  const linear = connection.netns.sysctl.number('net.ipv4.tcp_syn_linear_timeouts')
  if (state !== 'SYN-SENT' || connection.allTimeouts > linear) connection.backoff++
  connection.rearmFromNow()
}

/** How often a segment is sent again before the connection is given up (tcp_write_timeout). */
function mostTimeouts(connection: Connection): number {
  const { netns, state, acceptor } = connection
  if (state === 'SYN-SENT') {
    return netns.sysctl.number('net.ipv4.tcp_syn_retries') + netns.sysctl.number('net.ipv4.tcp_syn_linear_timeouts')
  }
  if (acceptor !== null || state === 'SYN-RECEIVED') return netns.sysctl.number('net.ipv4.tcp_synack_retries')
  const retries = netns.sysctl.number('net.ipv4.tcp_retries2')
  // tcp_orphan_retries: nobody waits for a closed socket's data as long as for an open one's.
  return connection.owner === null ? Math.min(retries, 8) : retries
}

/** The reordering timer ran out: what was given the benefit of the doubt is lost (tcp_rack_reo_timeout). */
function giveUpDoubt(connection: Connection): void {
  const { send, congestion } = connection
  const { sent } = send
  const out = sent.inFlight
  const lost = sent.everLost
  const wait = detectLoss(connection)
  if (wait > 0) connection.armReordering(wait)
  if (sent.inFlight !== out) {
    if (congestion.state !== 'Recovery') {
      enterRecovery(connection, false)
      congestion.reduce(sent.inFlight, 1, sent.everLost - lost, false)
    }
    resendLost(connection)
  }
  if (wait === 0) connection.rearm()
}

/** tcp_probe_timer: is the peer's window still shut? */
function probe(connection: Connection): void {
  const { send } = connection
  connection.probing = false
  if (send.sent.size > 0 || !send.pending) {
    connection.probes = 0
    return
  }
  const retries = connection.netns.sysctl.number('net.ipv4.tcp_retries2')
  if (connection.probes >= (connection.owner === null ? Math.min(retries, 8) : retries)) {
    sendReset(connection)
    connection.end('ETIMEDOUT')
    return
  }
  sendProbe(connection)
  if (send.sent.size > 0) return
  connection.probes++
  connection.backoff++
  connection.armProbe()
}
