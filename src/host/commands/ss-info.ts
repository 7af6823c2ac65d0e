/** What `ss -i` adds about a TCP connection: tcp_stats_print, as far as podwire keeps the numbers. */
import type { Netns } from '../../net/netns.ts'
import type { SocketInfo } from '../../socket/sockets.ts'
import type { BbrInfo } from '../../socket/tcp/bbr-units.ts'
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
export function tcpInfoText(
  socket: Pick<SocketInfo, 'state' | 'tcp'>,
  control: string,
  numeric: boolean,
  options: boolean,
): string {
  if (socket.state === 'LISTEN') return ` ${control} cwnd:${INITIAL_WINDOW}`
  const { tcp } = socket
  // What remains of a connection in TIME-WAIT has no numbers any more.
  return tcp === null || socket.state === 'TIME-WAIT' ? '' : connectionText(tcp, numeric, options)
}

function connectionText(tcp: TcpInfo, numeric: boolean, options: boolean): string {
  const parts: string[] = []
  if (options && tcp.timestamps) parts.push('ts')
  if (options && tcp.sack) parts.push('sack')
  parts.push(tcp.congestionControl)
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
  if (tcp.bbr !== null) parts.push(bbrText(tcp.bbr, numeric))
  if (tcp.rtt !== null && tcp.rtt > 0) parts.push(`send ${rate((tcp.cwnd * tcp.mss * 8000) / tcp.rtt, numeric)}bps`)
  number('lastsnd', tcp.lastSent)
  number('lastrcv', tcp.lastReceived)
  number('lastack', tcp.lastAcknowledged)
  if (tcp.pacingRate > 0 && tcp.pacingRate < Number.POSITIVE_INFINITY) {
    const most = tcp.maxPacingRate === null ? '' : `/${rate(tcp.maxPacingRate, numeric)}bps`
    parts.push(`pacing_rate ${rate(tcp.pacingRate, numeric)}bps${most}`)
  }
  if (tcp.deliveryRate > 0) parts.push(`delivery_rate ${rate(tcp.deliveryRate, numeric)}bps`)
  number('delivered', tcp.delivered)
  if (tcp.appLimited) parts.push('app_limited')
  if (tcp.busy > 0) {
    const limited = (time: number) => `${time}ms(${((100 * time) / tcp.busy).toFixed(1)}%)`
    parts.push(`busy:${tcp.busy}ms`)
    if (tcp.windowLimited > 0) parts.push(`rwnd_limited:${limited(tcp.windowLimited)}`)
    if (tcp.bufferLimited > 0) parts.push(`sndbuf_limited:${limited(tcp.bufferLimited)}`)
  }
  number('unacked', tcp.unacked)
  if (tcp.retransmitting > 0 || tcp.resent > 0) parts.push(`retrans:${tcp.retransmitting}/${tcp.resent}`)
  number('lost', tcp.lost)
  number('sacked', tcp.sacked)
  number('rcv_space', tcp.receiveSpace)
  number('rcv_ssthresh', tcp.receiveThreshold)
  number('notsent', tcp.notSent)
  if (tcp.minimumRtt !== null) parts.push(`minrtt:${general(tcp.minimumRtt)}`)
  number('snd_wnd', tcp.sendWindow)
  return ` ${parts.join(' ')}`
}

function bbrText({ bandwidth, leastTrip, pacingGain, windowGain }: BbrInfo, numeric: boolean): string {
  const gains = `pacing_gain:${general(pacingGain / 256)},cwnd_gain:${general(windowGain / 256)}`
  return `bbr:(bw:${rate(bandwidth * 8, numeric)}bps,mrtt:${general(leastTrip / 1000)},${gains})`
}

/** `timer:(on,200ms,0)`: which timer runs, and how often it has run out. */
export function timerText({ tcp }: Pick<SocketInfo, 'tcp'>): string {
  if (tcp === null || tcp.timer === null) return ''
  const { kind, left, tries } = tcp.timer
  return ` timer:(${kind},${shortTime(left)},${tries})`
}

/** print_ms_timer: the finer parts only where they matter. */
function shortTime(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000)
  let seconds = Math.floor(milliseconds / 1000) % 60
  let rest = milliseconds % 1000
  let text = ''
  if (minutes > 0) {
    rest = 0
    text += `${minutes}min`
    if (minutes > 9) seconds = 0
  }
  if (seconds > 0) {
    if (seconds > 9) rest = 0
    text += `${seconds}${rest > 0 ? '.' : 'sec'}`
  }
  if (rest > 0) text += `${String(rest).padStart(3, '0')}ms`
  return text
}

const PAGE = 4096
/** net.core.rmem_default and wmem_default. */
const DATAGRAM_BUFFER = 212_992

/** `skmem:(r…)`: the memory of what waits, either way, and the limits. */
export function memoryText(
  netns: Netns,
  socket: Pick<SocketInfo, 'state' | 'recvQ'> & { tcp: TcpInfo | null; protocol: string },
): string {
  const { tcp, state } = socket
  if (state === 'TIME-WAIT' || state === 'SYN-RECEIVED') return ''
  const middle = (name: string) => Number((netns.sysctl.get(name) ?? '').split('\t')[1]) || 0
  const stream = socket.protocol === 'tcp'
  const receiveLimit = stream ? (tcp?.receiveBuffer ?? middle('net.ipv4.tcp_rmem')) : DATAGRAM_BUFFER
  const sendLimit = stream ? (tcp?.sendBuffer ?? middle('net.ipv4.tcp_wmem')) : DATAGRAM_BUFFER
  const received = state === 'LISTEN' ? 0 : (tcp?.receiveMemory ?? socket.recvQ)
  const queued = tcp?.sendMemory ?? 0
  const used = received + queued
  const forward = Math.ceil(used / PAGE) * PAGE - used
  return ` skmem:(r${received},rb${receiveLimit},t0,tb${sendLimit},f${forward},w${queued},o0,bl0,d0)`
}
