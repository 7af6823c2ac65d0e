/** TCP_INFO as the kernel fills it (tcp_get_info of net/ipv4/tcp.c), under struct tcp_info's names and in its units. */
import { JIFFY } from '../../sim/jiffies.ts'
import { MICROSECOND, MILLISECOND } from '../../sim/scheduler.ts'
import type { CongestionState } from './congestion.ts'
import type { Connection } from './connection.ts'
import type { InetStream } from './inet-stream.ts'
import { TIMESTAMPS_LENGTH } from './path-search.ts'
import { deliveryRate } from './rate.ts'
import type { TcpState } from './state.ts'

/** include/net/tcp_states.h. A socket that has come to TIME-WAIT is closed as far as its program can see. */
const states: Readonly<Record<TcpState, number>> = {
  ESTABLISHED: 1,
  'SYN-SENT': 2,
  'SYN-RECEIVED': 3,
  'FIN-WAIT-1': 4,
  'FIN-WAIT-2': 5,
  'TIME-WAIT': 7,
  CLOSED: 7,
  'CLOSE-WAIT': 8,
  'LAST-ACK': 9,
  LISTEN: 10,
  CLOSING: 11,
}

/** enum tcp_ca_state. */
const congestionStates: Readonly<Record<string, number>> = { Open: 0, Disorder: 1, CWR: 2, Recovery: 3, Loss: 4 }

const TCPI_OPT_TIMESTAMPS = 1
const TCPI_OPT_SACK = 2
const TCPI_OPT_WSCALE = 4
const TCPI_OPT_ECN = 8
/** Some packet came that could have been marked (TCP_ECN_SEEN). */
const TCPI_OPT_ECN_SEEN = 16
const UNLIMITED = 0x7fffffff
const UNPACED = 2 ** 64

/** Before there is a connection (tcp_init_sock). */
const fresh: Readonly<Record<string, number>> = {
  tcpi_ca_state: 0,
  tcpi_rto: 1_000_000,
  tcpi_snd_cwnd: 10,
  tcpi_snd_ssthresh: UNLIMITED,
  tcpi_snd_mss: 536,
  tcpi_rcv_mss: 0,
  tcpi_advmss: 0,
  tcpi_reordering: 3,
  tcpi_rttvar: 250_000,
  tcpi_min_rtt: -1 >>> 0,
  tcpi_unacked: 0,
  tcpi_sacked: 0,
  tcpi_pacing_rate: UNPACED,
  tcpi_max_pacing_rate: UNPACED,
}

/** And all of these are 0. */
const zeros = [
  'retransmits probes backoff options ato lost retrans pmtu rcv_ssthresh rtt rcv_rtt rcv_space total_retrans',
  'bytes_acked bytes_received segs_out segs_in notsent_bytes data_segs_in data_segs_out busy_time rwnd_limited',
  'sndbuf_limited delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd',
  'rehash total_rto total_rto_recoveries',
]
  .join(' ')
  .split(' ')
const nothing = Object.fromEntries(zeros.map((name) => [`tcpi_${name}`, 0]))

export function kernelInfo(stream: InetStream): Record<string, number> {
  const { connection, socket } = stream
  if (connection === null) {
    const { waiting, backlog, state } = socket
    return { ...nothing, ...fresh, tcpi_state: states[state], tcpi_unacked: waiting, tcpi_sacked: backlog }
  }
  return { ...progress(connection), ...counts(connection), ...windows(connection) }
}

function microseconds(jiffies: number): number {
  return (jiffies * JIFFY) / MICROSECOND
}

/** A rate without limit has all bits set. */
function wide(rate: number): number {
  return rate === Number.POSITIVE_INFINITY ? UNPACED : rate
}

function congestionState(state: CongestionState): number {
  return congestionStates[state] ?? 0
}

function progress(connection: Connection): Record<string, number> {
  const { acks, roundTrip, congestion, send, receive } = connection
  const now = connection.jiffies()
  const age = (jiffies: number) => ((connection.jiffies() - jiffies) * JIFFY) / MILLISECOND
  const { sent } = send
  return {
    tcpi_state: states[connection.state],
    tcpi_ca_state: congestionState(congestion.state),
    tcpi_retransmits: connection.timeouts,
    tcpi_probes: connection.probes,
    tcpi_backoff: connection.backoff,
    tcpi_options:
      (connection.timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
      (connection.sack ? TCPI_OPT_SACK : 0) |
      (connection.scaling ? TCPI_OPT_WSCALE : 0) |
      (connection.ecn.agreed ? TCPI_OPT_ECN : 0) |
      (connection.ecn.seen ? TCPI_OPT_ECN_SEEN : 0),
    tcpi_snd_wscale: connection.sendScale,
    tcpi_rcv_wscale: connection.receive.scale,
    tcpi_rto: (connection.timeout * JIFFY) / MICROSECOND,
    tcpi_ato: (acks.timeout * JIFFY) / MICROSECOND,
    tcpi_snd_mss: connection.mss,
    tcpi_rcv_mss: acks.segment,
    tcpi_advmss: connection.advertisedMss - (connection.timestamps ? TIMESTAMPS_LENGTH : 0),
    tcpi_pmtu: connection.pmtuCookie,
    tcpi_unacked: sent.size,
    tcpi_sacked: sent.sacked + sent.duplicates,
    tcpi_lost: sent.lost,
    tcpi_retrans: sent.resent,
    tcpi_reordering: connection.reordering,
    tcpi_delivered: connection.delivered,
    tcpi_last_data_sent: age(connection.lastSent),
    tcpi_last_ack_sent: 0,
    tcpi_rtt: roundTrip.smoothed >> 3,
    tcpi_rttvar: roundTrip.deviation >> 2,
    tcpi_min_rtt: roundTrip.least === 0 ? -1 >>> 0 : roundTrip.least,
    tcpi_snd_cwnd: congestion.window,
    tcpi_snd_ssthresh: congestion.thresholdKnown ? congestion.threshold : UNLIMITED,
    tcpi_last_ack_recv: age(connection.lastAcknowledged),
    tcpi_last_data_recv: age(acks.lastReceived),
    tcpi_rcv_rtt: receive.roundTrip,
    tcpi_rcv_space: receive.space,
    tcpi_pacing_rate: wide(congestion.pacingRate),
    tcpi_max_pacing_rate: connection.settings.maxPacingRate < 0 ? UNPACED : connection.settings.maxPacingRate,
    tcpi_delivery_rate: deliveryRate(connection),
    tcpi_delivery_rate_app_limited: Number(connection.rateLimited),
    tcpi_busy_time: microseconds(connection.chrono.busy(now)),
    tcpi_rwnd_limited: microseconds(connection.chrono.window(now)),
    tcpi_sndbuf_limited: microseconds(connection.chrono.buffer(now)),
  }
}

function counts(connection: Connection): Record<string, number> {
  return {
    tcpi_total_retrans: connection.resent,
    tcpi_delivered_ce: connection.deliveredMarked,
    tcpi_dsack_dups: connection.undo.duplicates,
    tcpi_reord_seen: connection.reorderings,
    tcpi_rcv_ooopack: connection.outOfOrder,
    tcpi_rehash: connection.rehashed,
    tcpi_total_rto: connection.allTimeouts,
    tcpi_total_rto_recoveries: connection.timeoutRows,
    tcpi_bytes_acked: connection.bytesAcked,
    tcpi_bytes_received: connection.bytesReceived,
    tcpi_bytes_sent: connection.bytesSent,
    tcpi_bytes_retrans: connection.bytesResent,
    tcpi_segs_out: connection.segmentsOut,
    tcpi_segs_in: connection.segmentsIn,
    tcpi_data_segs_out: connection.dataOut,
    tcpi_data_segs_in: connection.dataIn,
  }
}

function windows(connection: Connection): Record<string, number> {
  const { send, receive } = connection
  return {
    tcpi_rcv_ssthresh: receive.threshold,
    tcpi_snd_wnd: send.window,
    tcpi_rcv_wnd: receive.offered,
    SK_MEMINFO_RCVBUF: receive.buffer,
    SK_MEMINFO_SNDBUF: send.capacity,
    tcpi_notsent_bytes: Math.max(0, send.unsent),
  }
}
