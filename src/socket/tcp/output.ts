/** Segments on their way out (net/ipv4/tcp_output.c). */
import { journal } from '../../link/flow-cache.ts'
import type { Errno } from '../../net/errno.ts'
import { addView } from '../../wire/checksum.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { armProbe, armTailProbe } from './arming.ts'
import { Pending } from './around.ts'
import { currentMss, Defer, defers, largestBurst, quotaOf, splitPoint } from './burst.ts'
import { Limit } from './chrono.ts'
import type { Connection } from './connection.ts'
import { inHostQueue } from './host-queue.ts'
import { waits } from './nagle.ts'
import * as options from './options.ts'
import { WAIT } from './path-search.ts'
import { enterNarrower, enterReduction } from './recovery.ts'
import { JOINED, LIMITED, LOST, RESENT } from './sent.ts'
import { TcpSent } from './tcp-decisions.ts'
import { PUSHED } from './write-queue.ts'

/** The largest header: 20 bytes and 40 of options. */
const LONGEST_HEADER = 60
/** Beside the flags: a probe, which does not count for Nagle's algorithm; the end of a burst, which PSH marks. */
const PROBE = 0x100
const BURST = 0x200
/** ... and one of several that are one buffer. */
const PART = 0x400

/** Builds one segment of `length` bytes from the send buffer and sends it. ENOBUFS: the local queue refused it. */
export function transmit(
  connection: Connection,
  sequence: number,
  length: number,
  flagsWanted: number,
  fresh: boolean,
): Errno | null {
  const { netns, world, send, receive, acks, congestion } = connection
  const { localAddress: source, remoteAddress: destination, localPort, remotePort } = connection
  const syn = (flagsWanted & tcp.SYN) !== 0
  const marked = connection.ecn.agreed && !syn
  const flags = (marked ? flagsWanted | connection.ecn.flags(fresh) : flagsWanted) & 0xff
  const frame = world.frames.take(LONGEST_HEADER + length)
  const { bytes, start: at } = frame
  const optionsAt = at + tcp.HEADER
  const header =
    tcp.HEADER + (syn ? options.writeOffer(bytes, optionsAt, connection) : options.write(bytes, optionsAt, connection))
  if (!syn && receive.scarce) acks.quick = 0
  const window = syn ? receive.initial : receive.select(acks.segment)
  if (length > 0) send.ring.read(sequence, bytes, at + header, length)
  frame.end = at + header + length
  frame.hash = connection.flow
  frame.mark = connection.settings.mark
  frame.cut = (flagsWanted & PART) !== 0 ? 2 : 1
  const acknowledges = (flags & tcp.ACK) !== 0
  const ack = acknowledges ? receive.next : 0
  const { end } = frame
  const sum = length > 0 ? addView(0, frame.view, at + header, length) : 0
  tcp.writeSummed(bytes, at, end, header, source, destination, localPort, remotePort, sequence, ack, flags, window, sum)
  if (send.urging) tcp.urge(bytes, at, frame.end, source, destination, send.urgentPointer(sequence))
  if (acknowledges) {
    acks.sent()
    connection.acknowledged()
  }
  if (length > 0) {
    const jiffies = connection.jiffies()
    if (send.sent.inFlight === (fresh ? 1 : 0)) congestion.control.resumed(connection, jiffies - connection.lastSent)
    connection.lastSent = jiffies
    acks.answered(connection.lastSent, connection.tunables.pingpongThreshold)
    connection.dataOut++
    connection.bytesSent += length
  }
  // A SYN-ACK is sent from the request, which has no counters.
  if (!syn || connection.acceptor === null) connection.segmentsOut++
  netns.counters.tcpOutSegs++
  if ((flags & tcp.RST) !== 0) netns.counters.tcpOutRsts++
  // Linux answers from a socket of its own for a connection request and in TIME-WAIT: identification 0.
  const unowned = (syn && connection.acceptor !== null) || connection.state === 'TIME-WAIT'
  const id = unowned ? 0 : connection.nextId()
  const tos = marked ? connection.ecn.tos(connection.tos, fresh) : connection.tos
  // An answer to a connection request is too short to be cut in any case (ip_build_and_send_pkt).
  const whole = connection.whole || (syn && connection.acceptor !== null)
  const fragment = whole ? ipv4.DF : 0
  if (journal.open) world.frames.tell(frame, netns.name, new TcpSent(connection, flags, length, fresh))
  const { refused } = world.frames
  const error = netns.send(frame, source, destination, ipv4.IPPROTO_TCP, connection.ttl, tos, id, fragment)
  if (world.frames.refused === refused) return error
  if (!syn) enterReduction(connection)
  return 'ENOBUFS'
}

/** A segment that only acknowledges. */
export function sendAck(connection: Connection): void {
  const { send } = connection
  // tcp_acceptable_seq: not beyond a window that the peer took back.
  const edge = (send.una + send.window) | 0
  transmit(connection, tcp.before(edge, send.next) ? edge : send.next, 0, tcp.ACK, false)
}

/**
 * A zero-window probe: what fits into the window, or an old sequence number that the peer must answer. `wakes`: it is to
 * wake the peer, and is marked with PSH (tcp_write_wakeup).
 */
export function sendProbe(connection: Connection, wakes = false): Errno | null {
  const { send } = connection
  const whole = send.head(1)
  const length = Math.min(whole, send.room, currentMss(connection))
  if (length > 0) {
    const pushed = length === whole && (send.queue.headMarks & PUSHED) !== 0
    const flags = wakes ? tcp.ACK | tcp.PSH | PROBE : tcp.ACK | (pushed ? tcp.PSH : 0)
    const error = sendNext(connection, length, flags, 0)
    send.queue.sent(send.next)
    return error
  }
  return transmit(connection, (send.una - 1) | 0, 0, tcp.ACK, false)
}

/** The connection is given up: RST from its own socket (tcp_send_active_reset). */
export function sendReset(connection: Connection): void {
  transmit(connection, connection.send.next, 0, tcp.RST | tcp.ACK, false)
}

/**
 * Sends what the windows and Nagle's algorithm allow (tcp_write_xmit). `atOnce`: Nagle is not asked; `once`: only one
 * burst, which waits for nothing that may join it (tcp_push_one).
 */
export function push(connection: Connection, atOnce = false, once = false): void {
  const { send, congestion, netns, pacing, world } = connection
  const { sent, queue } = send
  if (send.pending && (connection.narrow || !netns.exceptions.empty)) connection.followPath()
  const mss = currentMss(connection)
  const probed = connection.search === null || once ? 0 : probePath(connection)
  if (probed === WAIT) return
  let count = probed
  let most = 0
  let deferred: Defer = Defer.NO
  while (send.pending) {
    if (pacing?.holds(world.scheduler)) break
    if (most === 0) most = largestBurst(connection, mss)
    const quota = Math.min(quotaOf(connection), most)
    if (quota === 0) break
    let length = send.head(quota * mss)
    const ends = send.finQueued && queue.size <= 1
    const several = length > mss
    if ((several ? mss : length + (ends ? 1 : 0)) > send.room) {
      deferred = Defer.WINDOW
      break
    }
    if (several) {
      if (!once) deferred = defers(connection, length, most, mss)
      if (deferred !== Defer.NO) break
      length = send.urging ? mss : splitPoint(connection, length, quota, mss, atOnce)
    } else if (length < mss && !ends && queue.size <= 1 && !atOnce && waits(connection)) break
    const before = sent.size
    const error = sendBurst(connection, length, mss, queue.headMarks)
    queue.sent(send.next)
    count += sent.size - before
    if (error === 'EMSGSIZE' && shrink(connection)) return
    if (error === 'ENOBUFS' || once) break
  }
  const shut = deferred === Defer.WINDOW
  if (shut || connection.chrono.limit === Limit.WINDOW) waitForWindow(connection, connection.jiffies(), shut)
  const limited = deferred === Defer.CONGESTION || sent.inFlight >= congestion.window
  if (count > 0) armTailProbe(connection)
  if (congestion.reducing) congestion.sentNew(count)
  if (count > 0 || limited) {
    congestion.sent(connection, limited)
    if (connection.wantsRoom && send.unsent <= 0) connection.chrono.start(Limit.BUFFER, connection.jiffies())
  }
  if (sent.size === 0 && send.pending && !connection.retransmission.armed) armProbe(connection)
}

/** One segment that was never sent leaves, whatever the congestion window says. False: there is none, or no room for it. */
export function sendOne(connection: Connection): boolean {
  const { send, congestion } = connection
  const { sent, queue } = send
  if (!send.pending) return false
  const mss = currentMss(connection)
  const length = Math.min(send.head(1), mss)
  const fin = send.finQueued && length === send.unsent
  if (length + (fin ? 1 : 0) > send.room) return false
  sendBurst(connection, length, mss, queue.headMarks)
  queue.sent(send.next)
  congestion.sent(connection, sent.inFlight >= congestion.window)
  return true
}

/** Sends so many bytes of the first buffer, in segments that stay one buffer; PSH marks the end of several. */
function sendBurst(connection: Connection, length: number, mss: number, marks: number): Errno | null {
  const { send } = connection
  const last = (send.next + length) | 0
  const ends = last === send.queue.headEnd || length === 0
  const fin = ends && send.finQueued && send.queue.size <= 1
  const push = (ends && (marks & PUSHED) !== 0 && length > 0 ? tcp.PSH : 0) | (length > mss ? BURST : 0)
  const cut = length > mss ? PART : 0
  let joined = 0
  for (let left = length; ; joined = JOINED) {
    const part = Math.min(left, mss)
    left -= part
    const flags = cut | (left > 0 ? tcp.ACK : tcp.ACK | push | (fin ? tcp.FIN : 0))
    const error = sendNext(connection, part, flags, joined)
    if (error !== null || left === 0) return error
  }
}

function waitForWindow({ chrono }: Connection, now: number, shut: boolean): void {
  if (shut) chrono.start(Limit.WINDOW, now)
  else chrono.stop(Limit.WINDOW, now)
}

/** Sends a probe of the path's MTU if one is due; returns how many segments left, or WAIT. */
function probePath(connection: Connection): number {
  const { send, search } = connection
  const length = search === null ? 0 : search.next(connection)
  if (search === null || length <= 0) return length
  const { next } = send
  const pushed = (send.queue.marksTo((next + length) | 0) & PUSHED) !== 0
  if (sendNext(connection, length, tcp.ACK | (pushed ? tcp.PSH : 0) | PROBE, 0) !== null) return 0
  send.queue.sent(send.next)
  search.sent(connection, next)
  return 1
}

function sendNext(connection: Connection, length: number, flags: number, joined: number): Errno | null {
  const { send, world } = connection
  const begin = send.next
  const idle = send.sent.size === 0
  const { smallEnd } = send
  connection.netns.counters.tcpOrigDataSent++
  send.next = (begin + length + ((flags & tcp.FIN) !== 0 ? 1 : 0)) | 0
  if (length < currentMss(connection) && (flags & PROBE) === 0) send.smallEnd = send.next
  send.sent.push(
    begin,
    send.next,
    flags & 0xff,
    world.scheduler.now,
    joined | (connection.appLimited === 0 ? 0 : LIMITED),
    connection.delivered,
  )
  if (idle) connection.rearm()
  const error = transmit(connection, begin, length, (flags & BURST) !== 0 ? flags | tcp.PSH : flags, true)
  if (error === 'ENOBUFS') takeBack(connection, begin, smallEnd)
  else if (connection.pacing !== null) {
    paced(connection, length, joined !== 0)
    if (idle) connection.rearm()
  }
  return error
}

function paced({ pacing, congestion, world, dataOut }: Connection, length: number, joined: boolean): void {
  pacing?.sent(length, joined, congestion.pacingRate, dataOut, world.scheduler.now)
}

/** What the local queue refused was never sent, though it was counted. */
function takeBack(connection: Connection, begin: number, smallEnd: number): void {
  const { send, netns, world } = connection
  netns.counters.tcpOrigDataSent--
  send.next = begin
  send.smallEnd = smallEnd
  send.sent.pop()
  if (send.sent.size === 0) world.scheduler.cancel(connection.retransmission)
}

/**
 * Sends segment `i` of the unacknowledged ones again, cut to the present segment size and to the peer's window. A probe counts
 * for nothing. EAGAIN: it has not left yet, or lies beyond the window. ENOBUFS: the local queue refused it.
 */
export function resend(connection: Connection, i: number, probe = false): Errno | null {
  const { sent } = connection.send
  sent.separate(i)
  sent.separate(i + 1)
  return resendPart(connection, i, probe, 0, false)
}

/** The same, of a segment that leaves with others of its buffer, `joined` to those before; `mark`: PSH at their end. */
function resendPart(connection: Connection, i: number, probe: boolean, mark: number, joined: boolean): Errno | null {
  const { send, world } = connection
  const { sent } = send
  const mss = currentMss(connection)
  const begin = sent.begin(i)
  // What a probe meets now tells nothing of the path.
  if (connection.search !== null) connection.search.probe = 0
  if (inHostQueue(connection, begin)) return 'EAGAIN'
  // What the peer took back is not sent, except for the first, which asks (__tcp_retransmit_skb).
  const room = (send.una + send.window - begin) | 0
  if (room <= 0 && begin !== send.una) return 'EAGAIN'
  const longest = room > 0 ? Math.min(room, mss) : mss
  if (connection.tunables.retransmitCollapse && sent.bytes(i) < longest) collapse(connection, i)
  const flags = sent.flags(i)
  const numbers = (sent.end(i) - begin) | 0
  let length = (flags & (tcp.SYN | tcp.FIN)) === 0 ? numbers : numbers - 1
  let now = flags
  if (length > longest) {
    sent.split(i, (begin + longest) | 0, tcp.FIN | tcp.PSH)
    length = longest
    now = sent.flags(i)
  }
  // A peer that does not answer SYNs with ECN may never have seen them.
  const syn = (now & (tcp.SYN | tcp.ACK)) === tcp.SYN
  if (syn && connection.tunables.ecnFallback) now &= ~(tcp.ECE | tcp.CWR)
  if (!probe) connection.undo.resent(connection.clock())
  connection.resent++
  connection.netns.counters.tcpRetransSegs++
  connection.bytesResent += length
  const error = transmit(connection, begin, length, now | mark, false)
  const refused = error === 'ENOBUFS'
  if (!refused && connection.pacing !== null) paced(connection, length, joined)
  if (refused) sent.markTried(i)
  else sent.markResent(i, world.scheduler.now, connection.delivered, probe, connection.appLimited === 0 ? 0 : LIMITED)
  return refused ? error : null
}

/** Small segments go again as one, as far as they fit into a segment and the window (tcp_retrans_try_collapse). */
function collapse(connection: Connection, i: number): void {
  const { send, mss } = connection
  const { sent } = send
  if ((sent.flags(i) & tcp.SYN) !== 0) return
  const edge = (send.una + Math.max(send.window, mss)) | 0
  while (i + 1 < sent.size && sent.mayJoin(i) && sent.mayJoin(i + 1)) {
    const fin = (sent.flags(i + 1) & tcp.FIN) === 0 ? 0 : 1
    const end = sent.end(i + 1)
    if (((end - sent.begin(i)) | 0) - fin > mss || tcp.after(end, edge)) return
    sent.absorbNext(i)
  }
}

/** Sends again what is marked lost, as far as the congestion window goes (tcp_xmit_retransmit_queue). */
export function resendLost(connection: Connection): void {
  const { send, congestion, pacing, world } = connection
  const { sent } = send
  let head = false
  let burst = 0
  let several = false
  for (let i = 0; i < sent.size && sent.resent < sent.lost && sent.inFlight < congestion.window; i++) {
    if ((sent.marks(i) & (LOST | RESENT)) !== LOST) continue
    const joined = burst > 0
    if (!joined) {
      if (pacing?.holds(world.scheduler)) break
      const mss = currentMss(connection)
      const most = Math.min(largestBurst(connection, mss), congestion.window - sent.inFlight)
      cut(connection, i, mss, most)
      burst = sent.run(i, most)
      sent.separate(i)
      sent.separate(i + burst)
      several = burst > 1
    }
    burst--
    const mark = (several ? PART : 0) | (several && burst === 0 ? tcp.PSH : 0)
    if (resendPart(connection, i, false, mark, joined) !== null) break
    if (congestion.state !== 'Loss') connection.netns.counters.tcpFastRetrans++
    if (congestion.reducing) congestion.sentNew(1)
    if (i === 0) head = true
  }
  if (head && connection.pending !== Pending.REORDERING) connection.rearmFromNow()
}

/** Makes segments of the present size of one that is too long, as many as leave in one burst. */
function cut({ send: { sent } }: Connection, i: number, mss: number, most: number): void {
  for (let k = i; ; k++) {
    const fin = (sent.flags(k) & tcp.FIN) === 0 ? 0 : 1
    if (((sent.end(k) - sent.begin(k)) | 0) - fin <= mss) return
    const last = k - i + 1 >= most
    sent.split(k, (sent.begin(k) + mss) | 0, tcp.FIN | tcp.PSH, !last)
    if (last) return
  }
}

/**
 * The path became narrower: smaller segments, and what was too big goes again at once, as far as the window goes; the
 * rest of it goes before anything new (tcp_simple_retransmit). False when nothing changed.
 */
export function shrink(connection: Connection): boolean {
  const { mss, send } = connection
  connection.followPath()
  if (connection.mss >= mss) return false
  send.sent.rejoin(connection.mss)
  if (send.sent.lost > 0) {
    enterNarrower(connection)
    resendLost(connection)
  }
  return true
}
