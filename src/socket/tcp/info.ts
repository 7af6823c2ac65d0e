/** What `ss -ti` prints of a connection (struct tcp_info). */

import { JIFFY } from '../../sim/jiffies.ts'
import { MILLISECOND, type Timer } from '../../sim/scheduler.ts'
import { Pending } from './around.ts'
import type { BbrInfo } from './bbr-units.ts'
import type { Connection } from './connection.ts'
import { TIMESTAMPS_LENGTH } from './path-search.ts'
import { deliveryRate } from './rate.ts'

/** Times are milliseconds, sizes are bytes unless they say segments. */
export interface TcpInfo {
  congestionControl: string
  sack: boolean
  timestamps: boolean
  /** Null when window scaling was not agreed. */
  sendScale: number | null
  receiveScale: number | null
  rto: number
  backoff: number
  /** Null before the first measurement. */
  rtt: number | null
  rttVariance: number | null
  minimumRtt: number | null
  ato: number
  /** Quick acknowledgments left, doubled, and pingpong. */
  quick: number
  mss: number
  pathMtu: number
  receiveMss: number
  advertisedMss: number
  /** Segments. */
  cwnd: number
  /** Segments; null before the first loss. */
  ssthresh: number | null
  bytesSent: number
  bytesResent: number
  /** The SYN of an active opener and FINs count one each, as in Linux. */
  bytesAcked: number
  bytesReceived: number
  segmentsOut: number
  segmentsIn: number
  dataSegmentsOut: number
  dataSegmentsIn: number
  /** Segments in the network, thought lost, and ever sent again. */
  unacked: number
  lost: number
  resent: number
  receiveThreshold: number
  sendWindow: number
  receiveWindow: number
  notSent: number
  /** Since data was last sent and received, and the last acknowledgment came; each 0 in a new connection. */
  lastSent: number
  lastReceived: number
  lastAcknowledged: number
  /** Bits per second at which pacing would send; Infinity before the handshake is over. */
  pacingRate: number
  /** SO_MAX_PACING_RATE, bits per second; null: none. */
  maxPacingRate: number | null
  /** Bits per second at which segments arrived lately; 0: not known. */
  deliveryRate: number
  /** What BBR knows of its path; null: another algorithm is at work. */
  bbr: BbrInfo | null
  /** Segments. */
  delivered: number
  appLimited: boolean
  /** With something to send, and of that: waiting for the peer's window, and for room in the send buffer. */
  busy: number
  windowLimited: number
  bufferLimited: number
  /** What the program may read in a round trip, as first guessed (rcvq_space). */
  receiveSpace: number
  /** Marked by SACK; and sent again and not yet answered. */
  sacked: number
  retransmitting: number
  /** Which timer runs: tcpi of inet_diag. Null: none that is shown. */
  timer: TcpTimer | null
  /** SO_RCVBUF, SO_SNDBUF, and what is in the send buffer. */
  receiveBuffer: number
  sendBuffer: number
  sendMemory: number
  receiveMemory: number
  /** We will send, or read, no more. */
  sendShut: boolean
  receiveShut: boolean
}

export interface TcpTimer {
  readonly kind: 'on' | 'keepalive' | 'timewait' | 'persist'
  /** Milliseconds until it runs out. */
  readonly left: number
  readonly tries: number
}

export function infoOf(connection: Connection): TcpInfo {
  const { send, receive, acks, roundTrip, congestion, scaling } = connection
  const measured = roundTrip.smoothed > 0
  return {
    congestionControl: congestion.control.name,
    sack: connection.sack,
    timestamps: connection.timestamps,
    sendScale: scaling ? connection.sendScale : null,
    receiveScale: scaling ? receive.scale : null,
    rto: (connection.timeout * JIFFY) / MILLISECOND,
    backoff: connection.backoff,
    rtt: measured ? roundTrip.smoothed / 8000 : null,
    rttVariance: measured ? roundTrip.deviation / 4000 : null,
    minimumRtt: measured ? roundTrip.least / 1000 : null,
    ato: (acks.timeout * JIFFY) / MILLISECOND,
    quick: (acks.quick << 1) | (acks.pingpong ? 1 : 0),
    mss: connection.mss,
    pathMtu: connection.pmtuCookie,
    receiveMss: acks.segment,
    advertisedMss: connection.advertisedMss - (connection.timestamps ? TIMESTAMPS_LENGTH : 0),
    cwnd: congestion.window,
    ssthresh: congestion.thresholdKnown ? congestion.threshold : null,
    bytesSent: connection.bytesSent,
    bytesResent: connection.bytesResent,
    bytesAcked: connection.bytesAcked,
    bytesReceived: connection.bytesReceived,
    segmentsOut: connection.segmentsOut,
    segmentsIn: connection.segmentsIn,
    dataSegmentsOut: connection.dataOut,
    dataSegmentsIn: connection.dataIn,
    unacked: send.sent.size,
    lost: send.sent.lost,
    resent: connection.resent,
    receiveThreshold: receive.threshold,
    sendWindow: send.window,
    receiveWindow: receive.window,
    notSent: Math.max(0, send.unsent),
    lastSent: since(connection, connection.lastSent),
    lastReceived: since(connection, acks.lastReceived),
    lastAcknowledged: since(connection, connection.lastAcknowledged),
    pacingRate: congestion.pacingRate * 8,
    maxPacingRate: connection.settings.maxPacingRate < 0 ? null : connection.settings.maxPacingRate * 8,
    deliveryRate: deliveryRate(connection) * 8,
    bbr: congestion.control.info?.(connection) ?? null,
    delivered: connection.delivered,
    appLimited: connection.rateLimited,
    busy: (connection.chrono.busy(connection.jiffies()) * JIFFY) / MILLISECOND,
    windowLimited: (connection.chrono.window(connection.jiffies()) * JIFFY) / MILLISECOND,
    bufferLimited: (connection.chrono.buffer(connection.jiffies()) * JIFFY) / MILLISECOND,
    receiveSpace: receive.space,
    sacked: send.sent.sacked + send.sent.duplicates,
    retransmitting: send.sent.resent,
    timer: timerOf(connection),
    receiveBuffer: receive.buffer,
    sendBuffer: send.capacity,
    sendMemory: send.memory,
    receiveMemory: receive.memory,
    sendShut: send.finQueued,
    receiveShut: connection.receiveShut || receive.finished,
  }
}

/** Milliseconds since this jiffy. */
function since(connection: Connection, jiffies: number): number {
  return ((connection.jiffies() - jiffies) * JIFFY) / MILLISECOND
}

/** inet_csk_diag_fill's choice. */
function timerOf(connection: Connection): TcpTimer | null {
  const { retransmission, lifetime, state, timeouts, probes, pending } = connection
  const { scheduler } = connection.world
  const left = (timer: Timer | null) =>
    timer === null ? 0 : Math.max(0, Math.floor((scheduler.dueOf(timer) - scheduler.now) / MILLISECOND))
  if (state === 'TIME-WAIT') return { kind: 'timewait', left: left(lifetime), tries: 0 }
  if (retransmission.armed) {
    const probing = pending === Pending.PROBE
    return { kind: probing ? 'persist' : 'on', left: left(retransmission), tries: probing ? probes : timeouts }
  }
  // The wait of an orphan in FIN-WAIT-2 is shown as TIME-WAIT's.
  return lifetime?.armed ? { kind: 'timewait', left: left(lifetime), tries: 0 } : null
}
