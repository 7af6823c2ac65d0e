/** What `ss -ti` prints of a connection (struct tcp_info). */
import { JIFFY } from '../../sim/jiffies.ts'
import { MILLISECOND } from '../../sim/scheduler.ts'
import { pathMtu } from '../route.ts'
import type { Connection } from './connection.ts'

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
    mss: connection.mss,
    pathMtu: pathMtu(connection.netns, connection.remoteAddress),
    receiveMss: acks.segment,
    advertisedMss: connection.advertisedMss,
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
  }
}
