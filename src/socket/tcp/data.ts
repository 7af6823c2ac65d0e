/** What arriving data and FIN do to the receiving half (tcp_data_queue of net/ipv4/tcp_input.c). */
import { DropReason } from '../../link/drop-reason.ts'
import { MICROSECOND } from '../../sim/scheduler.ts'
import * as tcp from '../../wire/tcp.ts'
import { Wake } from './around.ts'
import { DUPLICATES } from './congestion.ts'
import type { Connection } from './connection.ts'
import { Because, occasion } from './occasion.ts'
import { sendAck } from './output.ts'
import { TIMESTAMPS_LENGTH } from './path-search.ts'
import type { Segment } from './segment.ts'
import { TAKEN, type Verdict } from './verdict.ts'

/** Smaller segments do not let the window grow. */
const WORTH_GROWING = 128
/** The part of a round trip that an acknowledgment may be kept back: a twentieth. */
const COMPRESS_PART = 20
/** TCP_SACK_BLOCKS_EXPECTED. */
const BLOCKS_EXPECTED = 2

/** Takes the data and the FIN of an acceptable segment. */
export function takeData(connection: Connection, segment: Segment): Verdict {
  const { receive, acks } = connection
  const { sequence, end, bytes, dataAt, dataLength } = segment
  if (connection.timestamps && segment.timestamps) measureEcho(connection, segment)
  if (sequence === end) return TAKEN
  if (connection.urgent !== null) connection.urgent.look(segment)
  if (!tcp.after(end, receive.next)) return repeated(connection, sequence, end)
  const fin = segment.has(tcp.FIN)
  // A bare FIN is taken even when the window is shut: it needs no room.
  const bareFin = fin && dataLength === 0 && sequence === receive.next
  if (receive.startsBeyond(sequence) && !bareFin) {
    unexpected(connection)
    return sequence === receive.next ? DropReason.TcpZeroWindow : DropReason.TcpOverWindow
  }
  const before = receive.next
  if (fin) receive.awaitFin((end - 1) | 0)
  if (tcp.after(sequence, before)) {
    acks.owed = true
    if (dataLength > 0) return keep(connection, segment)
    receive.keepEnd(sequence)
    tell(connection, sequence, end)
    return TAKEN
  }
  if (tcp.before(sequence, before)) {
    twice(connection, sequence, before)
    if (receive.offered === 0) {
      unexpected(connection)
      return DropReason.TcpZeroWindow
    }
  }
  let verdict: Verdict = TAKEN
  if (dataLength > 0) {
    const room = receive.admits(dataLength, connection.advertisedMss, true, isFull(connection, segment, dataLength))
    if (!room) {
      receive.refuse()
      acks.owed = true
      acks.now = true
    }
    if (room || receive.readable === 0) {
      receive.append(sequence, bytes, dataAt, dataLength, isFull(connection, segment, dataLength))
      arrived(connection, segment)
    } else {
      connection.wake |= Wake.READABLE
      verdict = DropReason.TcpMemory
    }
  }
  if (receive.pieces > 0 && receive.join()) {
    // RFC 5681 section 4.2: acknowledge at once when a gap is filled.
    if (receive.pieces === 0) acks.now = true
    acks.owed = true
  }
  if (receive.told.count > 0) receive.told.advance(receive.next, receive.pieces > 0)
  const fresh = (receive.next - before) | 0
  connection.bytesReceived += fresh
  if (fresh > 0) connection.wake |= Wake.READABLE
  if (receive.finDue) takeFin(connection)
  return verdict
}

/** Bytes joined the stream (tcp_event_data_recv). */
function arrived(connection: Connection, segment: Segment): void {
  const { receive, acks } = connection
  const advertised = segmentSize(connection)
  const { dataLength, header } = segment
  const push = segment.has(tcp.PSH)
  const jiffies = connection.jiffies()
  const full = isFull(connection, segment, dataLength)
  if (acks.received(jiffies, segment.unit, header, push, advertised, receive.window, connection.timeout)) {
    receive.learn(segment.unit, isFull(connection, segment, segment.unit))
  }
  if (connection.ecn.arrived(segment)) acks.hurry(2, receive.window)
  receive.measureByWindow(connection.world.scheduler.now)
  if (dataLength < WORTH_GROWING) return
  if (receive.grow(dataLength, full, acks.segment, advertised)) acks.hasten()
}

/** Beyond a gap (tcp_data_queue_ofo). */
function keep(connection: Connection, segment: Segment): Verdict {
  const { receive, acks } = connection
  const { sequence, end, bytes, dataAt, dataLength } = segment
  const full = isFull(connection, segment, dataLength)
  if (!receive.admits(dataLength, connection.advertisedMss, false, full)) {
    connection.wake |= Wake.READABLE
    return DropReason.TcpMemory
  }
  const advertised = segmentSize(connection)
  if (acks.measure(segment.unit, segment.header, segment.has(tcp.PSH), advertised)) {
    receive.learn(segment.unit, isFull(connection, segment, segment.unit))
  }
  connection.outOfOrder++
  const memory = receive.keep(sequence, bytes, dataAt, dataLength, full)
  if (memory < 0) return DropReason.TcpMemory
  tell(connection, sequence, end)
  if (memory === 0) return DropReason.TcpOutOfOrderAgain
  if (connection.owner !== null) receive.growForGap(receive.behindGap)
  if (connection.sack && receive.grow(dataLength, full, acks.segment, advertised)) acks.hasten()
  return TAKEN
}

/** Our segment size, less the options of each segment. */
function segmentSize({ advertisedMss, timestamps }: Connection): number {
  return advertisedMss - (timestamps ? TIMESTAMPS_LENGTH : 0)
}

/** SACK's blocks with this segment. Who has to name many is not silent for long (tcp_sack_new_ofo_skb). */
function tell(connection: Connection, begin: number, end: number): void {
  const { told } = connection.receive
  if (!connection.sack) return
  const place = told.extend(begin, end)
  if ((place < 0 ? told.count : place) >= BLOCKS_EXPECTED && connection.acks.compressed > 0) sendAck(connection)
  if (place < 0) told.put(begin, end)
  else told.raise(place)
}

/**
 * Was it cut out of a larger buffer? Then its memory is that of a head of its own. Of a segment from elsewhere only the
 * size tells.
 */
function isFull(connection: Connection, segment: Segment, length: number): boolean {
  if (segment.cut !== 0) return segment.cut === 2
  const { mss, advertisedMss, timestamps } = connection
  return length >= Math.min(mss, advertisedMss - (timestamps ? TIMESTAMPS_LENGTH : 0))
}

/** The peer echoes when we last sent: a receiver's view of the round trip. */
function measureEcho(connection: Connection, segment: Segment): void {
  const { receive, acks } = connection
  if (segment.echo === 0) return
  const whole = ((segment.end - segment.sequence) | 0) >= acks.segment
  receive.measureByEcho(segment.echo, (connection.clock() - segment.echo) | 0, whole)
}

/** To be told by D-SACK, if both sides know SACK (tcp_dsack_set). */
function twice(connection: Connection, begin: number, end: number): void {
  if (connection.sack && connection.tunables.dsack) connection.receive.duplicated(begin, end)
}

/** All of it was here before: the acknowledgment was lost, or came too late. */
function repeated(connection: Connection, begin: number, end: number): DropReason {
  twice(connection, begin, end)
  unexpected(connection)
  return DropReason.TcpOldData
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
  connection.bytesReceived++
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
  const moving = many && (receive.readable === 0 || selectable(connection) >= receive.window)
  if (moving || acks.quickMode || acks.now) return sendAck(connection)
  if (receive.pieces > 0) return compress(connection)
  if (!connection.delayAcknowledgment()) sendAck(connection)
}

/** Behind a gap each segment is reported, but not the hundredth as soon as the first: SACK compression. */
function compress(connection: Connection): void {
  const { receive, acks, tunables, roundTrip } = connection
  if (!connection.sack || acks.compressed >= tunables.compressMost) return sendAck(connection)
  if (acks.duplicatesOf !== receive.next) {
    acks.duplicatesOf = receive.next
    acks.duplicates = 0
  }
  if (acks.duplicates < DUPLICATES) {
    acks.duplicates++
    return sendAck(connection)
  }
  acks.compressed++
  if (connection.compression?.armed) return
  let trip = receive.trip
  if (roundTrip.smoothed > 0 && roundTrip.smoothed < trip) trip = roundTrip.smoothed
  const part = Math.floor((trip * (MICROSECOND >> 3)) / COMPRESS_PART)
  connection.compressFor(Math.min(tunables.compressDelay, part) + tunables.compressSlack)
}

/** The program has read: perhaps an acknowledgment or a wider window is due (tcp_cleanup_rbuf). */
export function acknowledgeReading(connection: Connection): void {
  const { receive, acks, state } = connection
  receive.adjust(connection.world.scheduler.now, receive.behindGap)
  if (state === 'CLOSED' || state === 'TIME-WAIT') return
  const drained = receive.memory === 0 && (acks.pushedTwice || (acks.pushed && !acks.pingpong))
  if (acks.owed && (receive.unacknowledged > acks.segment || drained)) return sendAck(connection)
  if (receive.finished || !receive.mayReopen) return
  const window = selectable(connection)
  if (window <= 0 || window < 2 * receive.offered) return
  occasion.because = Because.READING
  sendAck(connection)
  occasion.because = Because.NONE
}

/** The window that would be offered; when the buffer is half full, acknowledgments are not hurried. */
function selectable(connection: Connection): number {
  const { receive, acks } = connection
  if (receive.scarce) acks.quick = 0
  return receive.selectable(acks.segment)
}
