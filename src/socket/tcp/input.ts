/**
 * Arriving segments of a connection, in the order of RFC 9293 section 3.10.7 and with Linux's refinements
 * (tcp_rcv_state_process, tcp_validate_incoming: RFC 5961's challenge ACKs, RFC 7323's PAWS).
 */
import { DropReason } from '../../link/drop-reason.ts'
import type { Errno } from '../../net/errno.ts'
import { MILLISECOND } from '../../sim/scheduler.ts'
import * as tcp from '../../wire/tcp.ts'
import { Ack, acknowledge, makeRoom } from './acknowledge.ts'
import { answer, answerSeldom, challenge, reject, sayAgain } from './answers.ts'
import { Wake } from './around.ts'
import { expandBuffer } from './burst.ts'
import type { Connection } from './connection.ts'
import { acknowledgeData, takeData } from './data.ts'
import { answerSyn } from './handshake.ts'
import { Because } from './occasion.ts'
import { push, sendAck } from './output.ts'
import { PathSearch, TIMESTAMPS_LENGTH } from './path-search.ts'
import { refuse } from './refuse.ts'
import type { Segment } from './segment.ts'
import { Urgent } from './urgent.ts'
import { TAKEN, type Verdict } from './verdict.ts'

/** Nothing is wrong with the segment so far. */
const GOOD = -2
type Fault = Verdict | typeof GOOD

/** Takes a segment. The reason why it is dropped, or TAKEN. */
export function receive(connection: Connection, segment: Segment): Verdict {
  connection.segmentsIn++
  if (segment.dataLength > 0) connection.dataIn++
  const { state } = connection
  if (state === 'CLOSED' || state === 'LISTEN') return DropReason.TcpClosed
  const verdict = judge(connection, segment)
  connection.tell()
  return verdict
}

function judge(connection: Connection, segment: Segment): Verdict {
  switch (connection.state) {
    case 'SYN-SENT':
      return synSent(connection, segment)
    case 'TIME-WAIT':
      return timeWait(connection, segment)
    default:
      return synchronised(connection, segment)
  }
}

/** Agrees on the options of the peer's SYN; ours are those that we (would) offer. */
export function negotiate(connection: Connection, segment: Segment): void {
  if (segment.mss > 0) connection.peerMss = segment.mss
  const { maxSegment } = connection.settings
  if (maxSegment > 0 && maxSegment < connection.peerMss) connection.peerMss = maxSegment
  connection.timestamps = connection.timestamps && segment.timestamps
  connection.sack = connection.sack && segment.sackPermitted
  connection.scaling = connection.scaling && segment.windowScale >= 0
  if (connection.scaling) connection.sendScale = segment.windowScale
  else connection.receive.scale = 0
  const { ecn } = connection
  const wants = segment.has(tcp.ECE)
  if (connection.state === 'SYN-SENT') ecn.agreed = ecn.agreed && wants && !segment.has(tcp.CWR)
  else ecn.agreed = wants && segment.has(tcp.CWR) && connection.tunables.ecn > 0
  if (connection.timestamps) connection.recentTimestamp = segment.timestamp
  connection.receive.begin(segment.sequence)
  connection.send.windowSequence = segment.sequence
}

function synSent(connection: Connection, segment: Segment): Verdict {
  const { send, netns, acks } = connection
  const acknowledges = segment.has(tcp.ACK)
  if (acknowledges) {
    const ack = segment.acknowledgment
    if (!tcp.after(ack, send.una) || tcp.after(ack, send.next)) {
      // The SYN goes again soon: its answer may have been lost among what is old.
      if (connection.timeouts === 0) connection.hurry()
      refuse(netns, segment)
      return DropReason.TcpInvalidAck
    }
    // The echo must be of a timestamp of ours (RFC 7323 section 3.2).
    if (connection.timestamps && segment.timestamps && segment.echo !== 0 && !ours(connection, segment.echo)) {
      refuse(netns, segment)
      return DropReason.TcpInvalidEcho
    }
  }
  if (segment.has(tcp.RST)) {
    if (!acknowledges) return DropReason.TcpReset
    connection.end('ECONNREFUSED')
    return TAKEN
  }
  if (!segment.has(tcp.SYN)) return DropReason.TcpNoSyn
  negotiate(connection, segment)
  if (!acknowledges) {
    connection.state = 'SYN-RECEIVED'
    // What our SYN said of the scale stands, whatever the peer's said (Linux; with RFC 7323 it would be none).
    connection.receive.scale = connection.offeredScale
    send.window = segment.window
    connection.sizeSegments()
    answerSyn(connection)
    return TAKEN
  }
  acknowledge(connection, segment)
  connection.sizeSegments()
  establish(connection, segment)
  connection.wake |= Wake.CONNECTED
  // A program that waits to write will soon: the acknowledgment rides on its data.
  if (connection.savesAck) {
    acks.owed = true
    connection.delayAcknowledgment()
  } else sendAck(connection)
  return TAKEN
}

/** Was it our clock's since the SYN first left? */
function ours(connection: Connection, echo: number): boolean {
  const now = connection.clock()
  const { world, send } = connection
  const age = Math.ceil((world.scheduler.now - send.began) / MILLISECOND)
  return !tcp.after(echo, now) && ((now - echo) | 0) <= age
}

/** The handshake is over on our side. */
function establish(connection: Connection, segment: Segment): void {
  const { receive, acks, congestion, timestamps } = connection
  const advertised = connection.advertisedMss - (timestamps ? TIMESTAMPS_LENGTH : 0)
  if (connection.acceptor !== null) {
    connection.netns.counters.tcpPassiveOpens++
    // The SYN, which came to the listener.
    connection.segmentsIn++
    // The peer's window, which bounds a segment, is known only now.
    connection.sizeSegments()
  }
  connection.state = 'ESTABLISHED'
  const lossy = connection.resent > 1 && connection.allTimeouts > 0 && !answersFirst(connection, segment)
  connection.timeouts = 0
  connection.backoff = 0
  congestion.begin(connection, lossy)
  if (connection.tunables.mtuProbing > 1) connection.search = new PathSearch(connection, connection.jiffies())
  connection.undo.end()
  connection.tailProbed = false
  acks.start(advertised, connection.mss, receive.window)
  const now = connection.jiffies()
  acks.lastReceived = now
  connection.lastSent = now
  receive.established(advertised, connection.world.scheduler.now)
  expandBuffer(connection)
}

/** Our SYN went again for nothing: this echoes the timestamp of the first (tcp_try_undo_spurious_syn). */
function answersFirst(connection: Connection, segment: Segment): boolean {
  const { timestamps, send } = connection
  return timestamps && segment.timestamps && segment.echo === connection.clockAt(send.began)
}

/** Everything from SYN-RECEIVED to LAST-ACK. */
function synchronised(connection: Connection, segment: Segment): Verdict {
  const fault = validate(connection, segment)
  if (fault !== GOOD) return fault
  const opening = connection.state === 'SYN-RECEIVED'
  if (opening) {
    const unwanted = openingFault(connection, segment)
    if (unwanted !== GOOD) return unwanted
  }
  const result = acknowledge(connection, segment)
  if (result === Ack.UNSENT || result === Ack.ANCIENT) {
    challenge(connection)
    return result === Ack.UNSENT ? DropReason.TcpAckUnsent : DropReason.TcpAckOld
  }
  if (opening) {
    establish(connection, segment)
    if (connection.acceptor === null) connection.wake |= Wake.CONNECTED
    else {
      connection.wake |= Wake.ACCEPTED
      connection.bytesAcked = 0
    }
  }
  const ended = closing(connection, segment)
  if (ended !== GOOD) return ended
  if (segment.has(tcp.URG)) takeUrgent(connection, segment)
  let verdict: Verdict = TAKEN
  if (mayCarryData(connection, segment)) verdict = takeData(connection, segment)
  else if (segment.sequence !== segment.end) verdict = DropReason.TcpBehindFin
  push(connection)
  if (connection.wantsRoom) makeRoom(connection)
  acknowledgeData(connection)
  return verdict
}

/** What the ACK of our SYN must be, and whether a connection is wanted at all (tcp_check_req). */
function openingFault(connection: Connection, segment: Segment): Fault {
  const { acceptor, settings, netns, send } = connection
  const ack = segment.acknowledgment
  const old = !tcp.after(ack, send.una)
  if (old || tcp.after(ack, send.next)) {
    refuse(netns, segment)
    // To a listener it is one of no connection.
    if (acceptor !== null) return DropReason.TcpListenAck
    return old ? DropReason.TcpAckOld : DropReason.TcpAckUnsent
  }
  if (acceptor === null) return GOOD
  if (connection.timeouts < settings.deferAccept && segment.end === connection.receive.next) {
    connection.deferred = true
    return DropReason.TcpDeferred
  }
  if (!acceptor.full) return GOOD
  netns.counters.tcpListenDrops++
  connection.deferred = true
  if (netns.sysctl.number('net.ipv4.tcp_abort_on_overflow') !== 0) {
    refuse(netns, segment)
    connection.end(null)
  }
  return DropReason.TcpAcceptFull
}

/** tcp_validate_incoming: timestamp, sequence, RST, SYN, and whether there is an ACK at all. */
function validate(connection: Connection, segment: Segment): Fault {
  const { receive, send } = connection
  const { sequence, end } = segment
  const reset = segment.has(tcp.RST)
  if (segment.has(tcp.SYN) && connection.state === 'SYN-RECEIVED' && sequence === ((receive.next - 1) | 0)) {
    // The peer did not hear our SYN-ACK: its SYN came again.
    if (!reset && !segment.has(tcp.ACK) && send.sent.size > 0) sayAgain(connection)
    else if (segment.has(tcp.ACK)) return GOOD
    return DropReason.TcpSynAgain
  }
  if (!reset && connection.timestamps && segment.timestamps && tooOld(connection, segment)) {
    reject(connection, segment)
    return DropReason.TcpPaws
  }
  if (!receive.acceptable(sequence, end)) {
    if (segment.has(tcp.SYN)) {
      challenge(connection)
      return DropReason.TcpSyn
    }
    if (!reset) reject(connection, segment)
    return outside(connection, segment)
  }
  if (reset) {
    if (sequence === receive.next) {
      connection.end(resetError(connection))
      return TAKEN
    }
    challenge(connection)
    return DropReason.TcpReset
  }
  if (segment.has(tcp.SYN)) {
    challenge(connection)
    return DropReason.TcpSyn
  }
  return segment.has(tcp.ACK) ? GOOD : DropReason.TcpNoAck
}

/** On which side of the window it lies (tcp_sequence); a listener's half-open connections do not ask (tcp_check_req). */
function outside({ receive, state, acceptor }: Connection, { sequence, end }: Segment): DropReason {
  if (state === 'SYN-RECEIVED' && acceptor !== null) return DropReason.TcpHandshakeWindow
  if (receive.endsBefore(end)) return DropReason.TcpOldSequence
  return receive.startsBehind(sequence) ? DropReason.TcpBeyondWindow : DropReason.TcpEndBeyondWindow
}

/** PAWS (RFC 7323 section 5): a timestamp from before the last one belongs to an old segment. */
function tooOld(connection: Connection, segment: Segment): boolean {
  return ((connection.recentTimestamp - segment.timestamp) | 0) > 1
}

/** What RST means in this state (tcp_reset). */
function resetError(connection: Connection): Errno | null {
  switch (connection.state) {
    case 'SYN-RECEIVED':
      return connection.acceptor === null ? 'ECONNREFUSED' : 'ECONNRESET'
    case 'CLOSE-WAIT':
      return 'EPIPE'
    default:
      return 'ECONNRESET'
  }
}

/** Did this acknowledge our FIN? GOOD, or there is nothing more to do with the segment. */
function closing(connection: Connection, segment: Segment): Fault {
  const { send, receive, netns } = connection
  switch (connection.state) {
    case 'FIN-WAIT-1':
      if (!send.finished) break
      connection.state = 'FIN-WAIT-2'
      if (connection.owner === null && !connection.awaitFin()) {
        const abort = connection.settings.finTimeout < 0
        if (abort) refuse(netns, segment)
        connection.end(null)
        return abort ? DropReason.TcpAbort : TAKEN
      }
      break
    case 'FIN-WAIT-2':
      break
    case 'CLOSING':
      if (!send.finished) break
      connection.enterTimeWait()
      return TAKEN
    case 'LAST-ACK':
      if (!send.finished) break
      connection.end(null)
      return TAKEN
    default:
      return GOOD
  }
  const data = (segment.sequence + segment.dataLength) | 0
  if (connection.receiveShut && segment.dataLength > 0 && tcp.after(data, receive.next)) {
    // Nobody will read it: the peer must know (RFC 1122 section 4.2.2.13).
    const orphan = connection.state === 'FIN-WAIT-2' && connection.owner === null
    refuse(netns, segment)
    connection.end('ECONNRESET')
    return orphan ? DropReason.TcpOrphan : DropReason.TcpAbort
  }
  return GOOD
}

/** tcp_urg: the pointer counts before the data do. */
function takeUrgent(connection: Connection, segment: Segment): void {
  connection.urgent ??= new Urgent()
  const standard = connection.netns.sysctl.number('net.ipv4.tcp_stdurg') !== 0
  connection.urgent.arrived(segment, connection.receive, connection.settings.urgentInline, standard)
}

/** Behind the peer's FIN only repetitions count, which are answered. */
function mayCarryData(connection: Connection, segment: Segment): boolean {
  const { state, receive } = connection
  if (state === 'ESTABLISHED' || state === 'FIN-WAIT-1' || state === 'FIN-WAIT-2') return true
  return tcp.before(segment.sequence, receive.next)
}

/** tcp_timewait_state_process: what comes now is old, and is answered if the peer seems not to know. */
function timeWait(connection: Connection, segment: Segment): Verdict {
  const { receive } = connection
  const { sequence, end } = segment
  const old = connection.timestamps && segment.timestamps && tooOld(connection, segment)
  const expected = !old && sequence === receive.next
  if (segment.has(tcp.RST)) {
    // RFC 1337: an old reset may end the wait too early, if that is what it is for.
    if (expected && connection.netns.sysctl.number('net.ipv4.tcp_rfc1337') === 0) connection.end(null)
    return DropReason.TcpTimeWait
  }
  if (expected && sequence === end) return DropReason.TcpTimeWait
  if (old || segment.has(tcp.ACK)) connection.enterTimeWait()
  // A segment that carries something is no part of a loop of acknowledgments (tcp_oow_rate_limited).
  if (sequence !== end && !segment.has(tcp.SYN)) answer(connection, Because.OUTSIDE)
  else answerSeldom(connection)
  return old ? DropReason.TcpTimeWaitPaws : DropReason.TcpTimeWait
}

/** May this SYN begin a new connection on a tuple that is in TIME-WAIT? (RFC 6191) */
export function mayReopen(connection: Connection, segment: Segment): boolean {
  if (!segment.has(tcp.SYN) || segment.has(tcp.RST) || segment.has(tcp.ACK)) return false
  if (tcp.after(segment.sequence, connection.receive.next)) return true
  return connection.timestamps && segment.timestamps && tcp.after(segment.timestamp, connection.recentTimestamp)
}
