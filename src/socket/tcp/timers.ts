/** What happens when a connection's timers run out (net/ipv4/tcp_timer.c). */
import type { Alarms, Connection } from './connection.ts'
import { resend, sendAck, sendProbe, sendReset } from './output.ts'
import { reorderingOver } from './recovery.ts'

export const alarms: Alarms = {
  retransmit(connection) {
    if (connection.probing) probe(connection)
    else if (connection.tailing) probeTail(connection)
    else if (connection.reordering) giveUpDoubt(connection)
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
  const { send, congestion, state } = connection
  if (send.sent.size === 0) return
  if (connection.timeouts >= mostTimeouts(connection)) {
    connection.end(connection.softError ?? 'ETIMEDOUT')
    return
  }
  connection.followPath()
  congestion.timedOut(send.next)
  send.sent.markAllLost()
  connection.netns.counters.tcpTimeouts++
  if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') connection.netns.counters.tcpSynRetrans++
  connection.timeouts++
  connection.allTimeouts++
  connection.rehash()
  resend(connection, 0)
  // The first SYNs are sent at an even pace, newer kernels only (tcp_syn_linear_timeouts).
  const linear = connection.netns.sysctl.number('net.ipv4.tcp_syn_linear_timeouts')
  if (state !== 'SYN-SENT' || connection.allTimeouts > linear) connection.backoff++
  connection.rearm()
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

function giveUpDoubt(connection: Connection): void {
  connection.reordering = false
  reorderingOver(connection)
}

/** tcp_send_loss_probe: something new when there is room for it, otherwise the last segment again. */
function probeTail(connection: Connection): void {
  const { send } = connection
  const { sent } = send
  if (sent.size === 0) return
  if (connection.tailProbed) return connection.rearmFromOldest()
  connection.tailProbed = true
  connection.netns.counters.tcpLossProbes++
  connection.tailResent = send.unsent <= 0 || send.room < Math.min(send.unsent, connection.mss)
  if (connection.tailResent) resend(connection, sent.size - 1)
  else sendProbe(connection)
  connection.tailProbe = send.next
  connection.rearmFromOldest()
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
