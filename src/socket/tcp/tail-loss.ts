/**
 * Tail loss probes (RFC 8985 section 7): a lost last segment leaves nothing behind that could report it, so after two
 * round trips of silence something goes again, before the time-out, which would close the window.
 */
import * as tcp from '../../wire/tcp.ts'
import type { Connection } from './connection.ts'
import { Because, occasion } from './occasion.ts'
import { resend, sendOne } from './output.ts'
import { reduceOnce } from './recovery.ts'
import * as to from './round.ts'
import { round } from './round.ts'

/** tcp_send_loss_probe: something new when there is room for it, otherwise the last segment again. */
export function probeTail(connection: Connection): void {
  const { send, netns } = connection
  const { sent } = send
  if (sent.size === 0) return
  if (connection.tailProbed) return connection.rearm()
  if (send.pending && send.room > 0 && connection.pacing?.holds(connection.world.scheduler)) return connection.rearm()
  occasion.because = Because.TAIL_PROBE
  connection.tailResent = !sendOne(connection)
  const error = connection.tailResent ? resend(connection, sent.size - 1, true) : null
  occasion.because = Because.NONE
  if (error === 'EAGAIN') return connection.rearm()
  netns.counters.tcpLossProbes++
  connection.tailProbed = true
  connection.tailProbe = send.next
  connection.rearmFromNow()
}

/** What became of a probe, and so of what it repeated (tcp_process_tlp_ack). */
export function judgeProbe(connection: Connection, ack: number): void {
  const { tailProbe } = connection
  if (tcp.before(ack, tailProbe)) return
  if (!connection.tailResent || round.has(to.PROBE_DUPLICATED)) connection.tailProbed = false
  // It repaired a loss that nobody else saw: beginning the reduction forgets the probe.
  else if (tcp.after(ack, tailProbe)) reduceOnce(connection)
  else if (!round.has(to.ADVANCED | to.NOT_DUPLICATE | to.DATA_SACKED)) connection.tailProbed = false
}
