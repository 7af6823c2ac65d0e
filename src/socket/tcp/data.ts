/** What arriving data and FIN do to the receiving half (tcp_data_queue of net/ipv4/tcp_input.c). */
import * as tcp from '../../wire/tcp.ts'
import { type Connection, TIMESTAMPS_LENGTH, Wake } from './connection.ts'
import { sendAck } from './output.ts'
import type { Segment } from './segment.ts'

/** Takes the data and the FIN of an acceptable segment. */
export function takeData(connection: Connection, segment: Segment): void {
  const { receive, acks } = connection
  const { sequence, end, bytes, dataAt, dataLength } = segment
  if (sequence === end) return
  if (!tcp.after(end, receive.next)) return repeated(connection, sequence, end)
  const fin = segment.has(tcp.FIN)
  // A bare FIN is taken even when the window is shut: it needs no room.
  const bareFin = fin && dataLength === 0 && sequence === receive.next
  if (receive.startsBeyond(sequence) && !bareFin) return unexpected(connection)
  const before = receive.next
  if (fin) receive.awaitFin((end - 1) | 0)
  if (tcp.after(sequence, before)) {
    acks.owed = true
    if (dataLength > 0) receive.keep(sequence, bytes, dataAt, dataLength)
    else receive.keepEnd(sequence)
    return
  }
  if (tcp.before(sequence, before)) receive.duplicated(sequence, before)
  if (dataLength > 0) {
    if (receive.append(sequence, bytes, dataAt, dataLength) > 0) arrived(connection, segment)
    else {
      receive.refuse()
      acks.owed = true
      acks.now = true
    }
  }
  if (receive.pieces > 0 && receive.join()) {
    // RFC 5681 section 4.2: acknowledge at once when a gap is filled.
    if (receive.pieces === 0) acks.now = true
    acks.owed = true
  }
  const fresh = (receive.next - before) | 0
  connection.bytesReceived += fresh
  if (fresh > 0) connection.wake |= Wake.READABLE
  if (receive.finDue) takeFin(connection)
}

/** Bytes joined the stream (tcp_event_data_recv). */
function arrived(connection: Connection, segment: Segment): void {
  const { receive, acks } = connection
  const options = connection.timestamps ? TIMESTAMPS_LENGTH : 0
  const advertised = connection.advertisedMss - options
  const { dataLength, header } = segment
  const push = segment.has(tcp.PSH)
  connection.dataIn++
  acks.received(connection.jiffies(), dataLength, header, push, advertised, receive.window, connection.timeout)
}

/** All of it was here before: the acknowledgment was lost, or came too late. */
function repeated(connection: Connection, begin: number, end: number): void {
  connection.receive.duplicated(begin, end)
  unexpected(connection)
}

/** Outside the window: the peer should know soon where we are. */
function unexpected(connection: Connection): void {
  const { acks, receive } = connection
  acks.enterQuickMode(receive.window)
  acks.owed = true
  acks.now = true
}

/** The peer will send no more (tcp_fin). */
function takeFin(connection: Connection): void {
  const { receive, acks, state } = connection
  receive.finish()
  acks.owed = true
  connection.wake |= Wake.READABLE
  switch (state) {
    case 'SYN-RECEIVED':
    case 'ESTABLISHED':
      connection.state = 'CLOSE-WAIT'
      // Most programs close soon: the acknowledgment waits for their FIN.
      acks.pingpong = true
      return
    case 'FIN-WAIT-1':
      connection.state = 'CLOSING'
      sendAck(connection)
      return
    case 'FIN-WAIT-2':
      sendAck(connection)
      connection.enterTimeWait()
      return
    default:
      return
  }
}

/** Acknowledges now, later, or not at all (__tcp_ack_snd_check). */
export function acknowledgeData(connection: Connection): void {
  const { receive, acks, state } = connection
  if (!acks.owed || state === 'CLOSED' || state === 'TIME-WAIT') return
  const many = receive.unacknowledged > acks.segment
  // A window that shrinks means that the program is behind: its reading will acknowledge.
  const moving = receive.readable === 0 || receive.selectable(acks.segment) >= receive.window
  const atOnce = (many && moving) || acks.quickMode || acks.now || receive.pieces > 0
  if (atOnce || !connection.delayAcknowledgment()) sendAck(connection)
}

/** The program has read: perhaps an acknowledgment or a wider window is due (tcp_cleanup_rbuf). */
export function acknowledgeReading(connection: Connection): void {
  const { receive, acks, state } = connection
  if (state === 'CLOSED' || state === 'TIME-WAIT') return
  const drained = receive.readable === 0 && (acks.pushedTwice || (acks.pushed && !acks.pingpong))
  if (acks.owed && (receive.unacknowledged > acks.segment || drained)) return sendAck(connection)
  if (receive.finished || !receive.mayReopen) return
  const window = receive.selectable(acks.segment)
  if (window > 0 && window >= 2 * receive.offered) sendAck(connection)
}
