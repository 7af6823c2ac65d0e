/** What `ss -i` adds about a TCP connection: tcp_stats_print, as far as podwire keeps the numbers. */
import type { SocketInfo } from '../../socket/sockets.ts'
import type { TcpInfo } from '../../socket/tcp/info.ts'

/** The window of a socket that has not sent anything yet (TCP_INIT_CWND). */
const INITIAL_WINDOW = 10

/** printf's %g. */
function general(value: number): string {
  return String(Number(value.toPrecision(6)))
}

function rate(bitsPerSecond: number, numeric: boolean): string {
  if (numeric) return bitsPerSecond.toFixed(0)
  if (bitsPerSecond > 1e9) return `${Number((bitsPerSecond / 1e9).toPrecision(3))}G`
  if (bitsPerSecond > 1e6) return `${Number((bitsPerSecond / 1e6).toPrecision(3))}M`
  if (bitsPerSecond > 1e3) return `${Number((bitsPerSecond / 1e3).toPrecision(3))}K`
  return general(bitsPerSecond)
}

/** Begins with a space when there is anything to say. `control` is what a listener would use. */
export function tcpInfoText(socket: SocketInfo, control: string, numeric: boolean): string {
  if (socket.state === 'LISTEN') return ` ${control} cwnd:${INITIAL_WINDOW}`
  const { tcp } = socket
  // What remains of a connection in TIME-WAIT has no numbers any more.
  return tcp === null || socket.state === 'TIME-WAIT' ? '' : connectionText(tcp, numeric)
}

function connectionText(tcp: TcpInfo, numeric: boolean): string {
  const parts: string[] = [tcp.congestionControl]
  const number = (name: string, value: number | null) => {
    if (value !== null && value !== 0) parts.push(`${name}:${value}`)
  }
  if (tcp.sendScale !== null && tcp.receiveScale !== null) parts.push(`wscale:${tcp.sendScale},${tcp.receiveScale}`)
  if (tcp.rto > 0) parts.push(`rto:${general(tcp.rto)}`)
  number('backoff', tcp.backoff)
  if (tcp.rtt !== null) parts.push(`rtt:${general(tcp.rtt)}/${general(tcp.rttVariance ?? 0)}`)
  if (tcp.ato > 0) parts.push(`ato:${general(tcp.ato)}`)
  number('mss', tcp.mss)
  number('pmtu', tcp.pathMtu)
  number('rcvmss', tcp.receiveMss)
  number('advmss', tcp.advertisedMss)
  number('cwnd', tcp.cwnd)
  number('ssthresh', tcp.ssthresh)
  number('bytes_sent', tcp.bytesSent)
  number('bytes_retrans', tcp.bytesResent)
  number('bytes_acked', tcp.bytesAcked)
  number('bytes_received', tcp.bytesReceived)
  number('segs_out', tcp.segmentsOut)
  number('segs_in', tcp.segmentsIn)
  number('data_segs_out', tcp.dataSegmentsOut)
  number('data_segs_in', tcp.dataSegmentsIn)
  if (tcp.rtt !== null && tcp.rtt > 0) parts.push(`send ${rate((tcp.cwnd * tcp.mss * 8000) / tcp.rtt, numeric)}bps`)
  number('unacked', tcp.unacked)
  if (tcp.resent > 0) parts.push(`retrans:0/${tcp.resent}`)
  number('lost', tcp.lost)
  number('rcv_ssthresh', tcp.receiveThreshold)
  number('notsent', tcp.notSent)
  if (tcp.minimumRtt !== null) parts.push(`minrtt:${general(tcp.minimumRtt)}`)
  number('snd_wnd', tcp.sendWindow)
  return ` ${parts.join(' ')}`
}
