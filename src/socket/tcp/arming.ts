/** What else the retransmission timer waits for, and how long. */
import { JIFFY } from '../../sim/jiffies.ts'
import { MICROSECOND, MILLISECOND, type Nanos } from '../../sim/scheduler.ts'
import { Pending } from './around.ts'
import type { Connection } from './connection.ts'
import { leastTimeout, longestTimeout, RTO_INITIAL, RTO_MIN } from './rtt.ts'

/** On top of two round trips: TCP_TIMEOUT_MIN_US, and room for a delayed acknowledgment of a single segment. */
const TAIL_LEAST = 2 * MILLISECOND
const LEAST_RENEGING = 10 * MILLISECOND

/** A peer that took back what it had reported gets half a round trip to report anew (tcp_check_sack_reneging). */
export function armReneging(connection: Connection): void {
  const wait = (connection.roundTrip.smoothed >> 4) * MICROSECOND
  connection.arm(Pending.RETRANSMISSION, Math.max(wait, LEAST_RENEGING))
}

/** Waits for what may only be late: so much longer than this. */
export function armReordering(connection: Connection, delay: Nanos): void {
  connection.arm(Pending.REORDERING, delay + TAIL_LEAST)
}

/**
 * A lost last segment leaves nothing behind that could report it: after two round trips of silence it goes again,
 * before the time-out, which would close the window (tcp_schedule_loss_probe, RFC 8985 section 7). False: not now.
 */
export function armTailProbe(connection: Connection): boolean {
  const { send, sack, state, tunables, congestion, roundTrip } = connection
  const { sent } = send
  if (!sack || state === 'SYN-SENT' || state === 'SYN-RECEIVED') return false
  const { earlyRetransmit } = tunables
  if (earlyRetransmit !== 3 && earlyRetransmit !== 4) return false
  if (sent.size === 0 || (congestion.state !== 'Open' && congestion.state !== 'CWR')) return false
  const { smoothed } = roundTrip
  const alone = sent.size === 1 ? leastTimeout(connection) * MICROSECOND : TAIL_LEAST
  const delay = smoothed > 0 ? (smoothed >> 2) * MICROSECOND + alone : RTO_INITIAL * JIFFY
  connection.arm(Pending.TAIL, Math.min(delay, connection.timeout * JIFFY))
  return true
}

/** The peer's window is shut: ask again after a while. */
export function armProbe(connection: Connection): void {
  const { roundTrip, backoff } = connection
  const delay = Math.min(Math.max(roundTrip.timeout, RTO_MIN) * 2 ** backoff, longestTimeout(connection))
  connection.arm(Pending.PROBE, delay * JIFFY)
}
