/**
 * How long a connection bears with a silent peer (tcp_write_timeout, tcp_keepalive_timer of net/ipv4/tcp_timer.c):
 * retransmissions by the time they model, keepalive by its own count, both by TCP_USER_TIMEOUT.
 */
import { HZ, JIFFY } from '../../sim/jiffies.ts'
import { MILLISECOND } from '../../sim/scheduler.ts'
import type { Connection } from './connection.ts'
import { Because, occasion } from './occasion.ts'
import { sendProbe, sendReset } from './output.ts'
import { longestTimeout, RTO_INITIAL, RTO_MIN } from './rtt.ts'

const MILLISECONDS_PER_JIFFY = JIFFY / MILLISECOND
/** What tcp_orphan_retries 0 means while the time-out has not grown to its limit. */
const ORPHAN_RETRIES = 8

function sysctl(connection: Connection, name: string): number {
  return connection.netns.sysctl.number(`net.ipv4.${name}`)
}

/** Has the oldest segment been sent again for too long? (tcp_write_timeout) */
export function outOfPatience(connection: Connection): boolean {
  const { state, settings, timeouts } = connection
  if (state === 'SYN-RECEIVED' && connection.acceptor !== null) {
    return timeouts >= (settings.synRetries || sysctl(connection, 'tcp_synack_retries'))
  }
  if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') {
    const retries = settings.synRetries || sysctl(connection, 'tcp_syn_retries')
    const linear = state === 'SYN-SENT' ? sysctl(connection, 'tcp_syn_linear_timeouts') : 0
    return timeouts >= retries + linear || timedOut(connection, retries, RTO_INITIAL)
  }
  return timedOut(connection, mostRetries(connection), RTO_MIN)
}

/** After tcp_retries1 time-outs the path itself is doubted (tcp_write_timeout). */
export function seemsBlackHole(connection: Connection): boolean {
  const { mtuProbing, retries1 } = connection.tunables
  if (mtuProbing === 0 || connection.timeouts === 0) return false
  return elapsed(connection) >= modelled(connection, retries1, RTO_MIN) * MILLISECONDS_PER_JIFFY
}

/** tcp_retries2; an orphan is not waited for as long (tcp_orphan_retries). */
export function mostRetries(connection: Connection): number {
  if (connection.owner !== null) return sysctl(connection, 'tcp_retries2')
  const alive = connection.timeout < longestTimeout(connection)
  if (connection.softError !== null && !alive) return 0
  return sysctl(connection, 'tcp_orphan_retries') || (alive ? ORPHAN_RETRIES : 0)
}

/** retransmits_timed_out: so many retransmissions, had each waited twice as long as the one before. */
function timedOut(connection: Connection, retries: number, base: number): boolean {
  if (connection.timeouts === 0) return false
  const waited = elapsed(connection)
  const { userTimeout } = connection.settings
  return waited >= (userTimeout || modelled(connection, retries, base) * MILLISECONDS_PER_JIFFY)
}

/** tcp_model_timeout, in jiffies: doubled until the limit, linear from there. */
function modelled(connection: Connection, retries: number, base: number): number {
  const longest = longestTimeout(connection)
  const doublings = 31 - Math.clz32(Math.floor(longest / base))
  if (retries <= doublings) return (2 ** (retries + 1) - 1) * base
  return (2 ** (doublings + 1) - 1) * base + (retries - doublings) * longest
}

/** Milliseconds since the oldest segment was first sent again. */
function elapsed(connection: Connection): number {
  return (connection.clock() - connection.firstResent) | 0
}

export function keepIdle(connection: Connection): number {
  return (connection.settings.keepIdle || sysctl(connection, 'tcp_keepalive_time')) * HZ
}

/** SO_KEEPALIVE: how long until the peer is asked whether it is there. */
export function keepAlive(connection: Connection): void {
  const { settings, state, world } = connection
  if (state === 'CLOSED' || state === 'SYN-SENT' || connection.owner === null || state === 'TIME-WAIT') return
  if (settings.keepAlive) return connection.expireIn(Math.max(keepIdle(connection) - silence(connection), 0))
  if (connection.lifetime !== null) world.scheduler.cancel(connection.lifetime)
}

/** Jiffies since anything came (keepalive_time_elapsed). */
function silence(connection: Connection): number {
  const now = connection.jiffies()
  return Math.min(now - connection.acks.lastReceived, now - connection.lastAcknowledged)
}

/** tcp_keepalive_timer of a connection that its program has open. */
export function askAlive(connection: Connection): void {
  const { settings, state, send } = connection
  if (!settings.keepAlive || state === 'CLOSED' || state === 'SYN-SENT') return
  const idle = keepIdle(connection)
  if (send.sent.size > 0 || send.pending) return connection.expireIn(idle)
  const silent = silence(connection)
  if (silent < idle) return connection.expireIn(idle - silent)
  const { userTimeout } = settings
  const most = settings.keepCount || sysctl(connection, 'tcp_keepalive_probes')
  const over =
    userTimeout > 0
      ? silent * MILLISECONDS_PER_JIFFY >= userTimeout && connection.probes > 0
      : connection.probes >= most
  if (over) {
    sendReset(connection)
    return connection.end(connection.softError ?? 'ETIMEDOUT')
  }
  occasion.because = Because.KEEPALIVE
  sendProbe(connection)
  occasion.because = Because.NONE
  connection.probes++
  connection.expireIn((settings.keepInterval || sysctl(connection, 'tcp_keepalive_intvl')) * HZ)
}
