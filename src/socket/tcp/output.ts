/** Segments on their way out (net/ipv4/tcp_output.c). */
import type { Errno } from '../../net/errno.ts'
import type { Netns } from '../../net/netns.ts'
import type { Ipv4 } from '../../wire/address.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as tcp from '../../wire/tcp.ts'
import { Offer, Pending } from './around.ts'
import { Limit } from './chrono.ts'
import type { Connection } from './connection.ts'
import { inHostQueue } from './host-queue.ts'
import { waits } from './nagle.ts'
import * as options from './options.ts'
import { advertisable } from './path.ts'
import { WAIT } from './path-search.ts'
import { enterNarrower, enterReduction } from './recovery.ts'
import type { Segment } from './segment.ts'
import { JOINED, LIMITED, LOST, RESENT } from './sent.ts'

/** The largest header: 20 bytes and 40 of options. */
const LONGEST_HEADER = 60
/** GSO's limit in bytes. */
const LARGEST_BURST = 65_536

/** Builds one segment of `length` bytes from the send buffer and sends it. ENOBUFS: the local queue refused it. */
function transmit(
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
  const flags = marked ? flagsWanted | connection.ecn.flags(fresh) : flagsWanted
  const frame = world.frames.take(LONGEST_HEADER + length)
  const { bytes, start: at } = frame
  const optionsAt = at + tcp.HEADER
  const header =
    tcp.HEADER + (syn ? synOptions(connection, bytes, optionsAt) : options.write(bytes, optionsAt, connection))
  if (!syn && receive.scarce) acks.quick = 0
  const window = syn ? receive.window : receive.select(acks.segment)
  if (length > 0) send.ring.read(sequence, bytes, at + header, length)
  frame.end = at + header + length
  frame.hash = connection.flow
  const acknowledges = (flags & tcp.ACK) !== 0
  const ack = acknowledges ? receive.next : 0
  tcp.write(bytes, at, frame.end, header, source, destination, localPort, remotePort, sequence, ack, flags, window)
  if (send.urging) tcp.urge(bytes, at, frame.end, source, destination, send.urgentPointer(sequence))
  if (acknowledges) {
    acks.sent()
    connection.acknowledged()
  }
  if (length > 0) {
    const jiffies = connection.jiffies()
    if (send.sent.size === 1 && fresh) congestion.control.resumed(connection, jiffies - connection.lastSent)
    connection.lastSent = jiffies
    connection.sentLimited = connection.appLimited !== 0
    acks.answered(connection.lastSent)
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
  const { refused } = world.frames
  const error = netns.send(frame, source, destination, ipv4.IPPROTO_TCP, connection.ttl, tos, id, fragment)
  if (world.frames.refused === refused) return error
  if (!syn) enterReduction(connection)
  return 'ENOBUFS'
}

function synOptions(connection: Connection, bytes: Uint8Array, at: number): number {
  const { advertisedMss, recentTimestamp, offered } = connection
  // A SYN says what we offer, also the one that answers the peer's own; a listener's answer, what was agreed.
  const answers = connection.acceptor !== null
  // The path may have become narrower since the first SYN (tcp_advertise_mss).
  if (!answers) connection.advertisedMss = Math.min(advertisedMss, advertisable(connection))
  const sack = answers ? connection.sack : (offered & Offer.SACK) !== 0
  const timestamps = answers ? connection.timestamps : (offered & Offer.TIMESTAMPS) !== 0
  const scales = answers ? connection.scaling : (offered & Offer.SCALE) !== 0
  const scale = scales ? connection.offeredScale : -1
  return options.writeSyn(
    bytes,
    at,
    connection.advertisedMss,
    sack,
    timestamps,
    connection.clock(),
    recentTimestamp,
    scale,
  )
}

/** Sends SYN, or SYN-ACK in SYN-RECEIVED, for the first time. */
export function sendSyn(connection: Connection): void {
  const { send, world } = connection
  const active = connection.state === 'SYN-SENT'
  const { ecn } = connection
  if (active) ecn.agreed = connection.tunables.ecn === 1
  const offer = ecn.agreed ? tcp.ECE | tcp.CWR : 0
  const flags = active ? tcp.SYN | offer : tcp.SYN | tcp.ACK | (offer & tcp.ECE)
  send.next = (send.una + 1) | 0
  send.began = world.scheduler.now
  connection.firstResent = connection.clock()
  send.sent.push(send.una, send.next, flags, world.scheduler.now, LIMITED, 0)
  connection.rearm()
  transmit(connection, send.una, 0, flags, true)
}

/** A SYN-ACK that nobody remembers: its number is a cookie. */
export function sendCookie(connection: Connection): void {
  transmit(connection, connection.send.una, 0, tcp.SYN | tcp.ACK, true)
}

/** Both sides sent SYN: ours goes out again, now with ACK (simultaneous open). */
export function answerSyn(connection: Connection): void {
  const { send, world } = connection
  send.sent.clear()
  send.sent.push(send.una, send.next, tcp.SYN | tcp.ACK, world.scheduler.now, LIMITED, 0)
  connection.rearm()
  transmit(connection, send.una, 0, tcp.SYN | tcp.ACK, true)
}

/** A segment that only acknowledges. */
export function sendAck(connection: Connection): void {
  const { send } = connection
  // tcp_acceptable_seq: not beyond a window that the peer took back.
  const edge = (send.una + send.window) | 0
  transmit(connection, tcp.before(edge, send.next) ? edge : send.next, 0, tcp.ACK, false)
}

/**
 * A zero-window probe: what fits into the window, or an old sequence number that the peer must answer. `cut`: what the
 * window cuts off a segment is marked with PSH (tcp_write_wakeup).
 */
export function sendProbe(connection: Connection, cut = false): Errno | null {
  const { send } = connection
  const length = Math.min(send.unsent, send.room, connection.mss)
  if (length > 0) return sendNext(connection, length, false, false, false, cut && length < send.unsent)
  return transmit(connection, (send.una - 1) | 0, 0, tcp.ACK, false)
}

/** The connection is given up: RST from its own socket (tcp_send_active_reset). */
export function sendReset(connection: Connection): void {
  transmit(connection, connection.send.next, 0, tcp.RST | tcp.ACK, false)
}

/** Sends what the windows and Nagle's algorithm allow (tcp_write_xmit). `atOnce`: Nagle is not asked. */
export function push(connection: Connection, atOnce = false): void {
  const { send, congestion, netns } = connection
  const { sent } = send
  if (send.pending && (connection.narrow || !netns.exceptions.empty)) connection.followPath()
  const mss = connection.mss - options.sackLength(connection)
  const probed = connection.search === null ? 0 : probePath(connection)
  if (probed === WAIT) return
  let count = probed
  // How many more segments the present burst may have: at most half a window (tcp_cwnd_test).
  let burst = 0
  let shut = false
  while (send.pending && sent.inFlight < congestion.window) {
    const unsent = send.unsent
    const { room } = send
    const joined = burst > 0
    let length = Math.min(unsent, mss, send.toRecordEnd)
    // What a window's end leaves of a burst goes with it; a window too small for one segment waits.
    if (length > room && joined && room > 0) length = room
    const fin = send.finQueued && length === unsent
    if (length + (fin ? 1 : 0) > room) {
      shut = true
      break
    }
    const small = length < mss && !fin
    // Only the last of what was written waits; what a record's end cut off does not.
    if (small && !atOnce && length === unsent && waits(connection)) break
    count++
    if (!joined) burst = burstOf(connection)
    burst--
    const error = sendNext(connection, length, fin, joined, burst === 0)
    if (error === 'EMSGSIZE' && shrink(connection)) return
    if (error === 'ENOBUFS') {
      count--
      break
    }
  }
  if (shut || connection.chrono.limit === Limit.WINDOW) waitForWindow(connection, connection.jiffies(), shut)
  const limited = sent.inFlight >= congestion.window
  if (count > 0) connection.armTailProbe()
  if (congestion.reducing) congestion.sentNew(count)
  if (count > 0 || limited) {
    congestion.sent(connection, limited)
    if (connection.wantsRoom && send.unsent <= 0) connection.chrono.start(Limit.BUFFER, connection.jiffies())
  }
  if (sent.size === 0 && send.pending && !connection.retransmission.armed) connection.armProbe()
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
  const { next, smallEnd } = send
  if (sendNext(connection, length, false, false, false) !== null) return 0
  send.smallEnd = smallEnd
  search.sent(connection, next)
  return 1
}

/**
 * How many segments make one buffer of Linux's: half a window, and no more than a millisecond's worth at the rate at
 * which the window would be paced, to which a short path adds (tcp_cwnd_test, tcp_tso_autosize).
 */
function burstOf(connection: Connection): number {
  const { congestion, roundTrip, mss, send, tunables } = connection
  const quota = Math.min(Math.max(1, congestion.window >> 1), congestion.window - send.sent.inFlight)
  const rate = congestion.pacingRate(connection)
  if (rate === 0) return quota
  const far = roundTrip.least >> tunables.tsoRttLog
  const nearby = far < 32 ? LARGEST_BURST >> far : 0
  const bytes = Math.min(Math.floor(rate / 1024) + nearby, LARGEST_BURST)
  return Math.min(quota, Math.max(tunables.minimumTsoSegments, Math.floor(bytes / mss)))
}

/**
 * `cut`: a probe, of what fits into the window; `joined`: it continues a burst; `ends`: the burst ends with it, which PSH
 * marks when it had several segments.
 */
function sendNext(
  connection: Connection,
  length: number,
  fin: boolean,
  joined: boolean,
  ends: boolean,
  cut = false,
): Errno | null {
  const { send, world } = connection
  const begin = send.next
  const last = length === send.unsent || length === send.toRecordEnd
  const flags = tcp.ACK | ((last && length > 0) || cut ? tcp.PSH : 0) | (fin ? tcp.FIN : 0)
  const idle = send.sent.size === 0
  const { smallEnd } = send
  connection.netns.counters.tcpOrigDataSent++
  send.next = (begin + length + (fin ? 1 : 0)) | 0
  if (length < connection.mss - options.sackLength(connection) && !cut) send.smallEnd = send.next
  const marks = (joined ? JOINED : 0) | (connection.appLimited === 0 ? 0 : LIMITED)
  send.sent.push(begin, send.next, flags, world.scheduler.now, marks, connection.delivered)
  if (idle) connection.rearm()
  const error = transmit(connection, begin, length, joined && ends ? flags | tcp.PSH : flags, true)
  if (error === 'ENOBUFS') takeBack(connection, begin, smallEnd)
  return error
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
  const { send, world } = connection
  const { sent } = send
  const mss = connection.mss - options.sackLength(connection)
  const begin = sent.begin(i)
  // What a probe meets now tells nothing of the path.
  if (connection.search !== null) connection.search.probe = 0
  if (inHostQueue(connection, begin)) return 'EAGAIN'
  // What the peer took back is not sent, except for the first, which asks (__tcp_retransmit_skb).
  const room = (send.una + send.window - begin) | 0
  if (room <= 0 && begin !== send.una) return 'EAGAIN'
  const longest = room > 0 ? Math.min(room, mss) : mss
  if (connection.tunables.retransmitCollapse) collapse(connection, i)
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
  if ((now & tcp.SYN) !== 0 && (now & tcp.ACK) === 0) now &= ~(tcp.ECE | tcp.CWR)
  if (!probe) connection.undo.resent(connection.clock())
  connection.resent++
  connection.netns.counters.tcpRetransSegs++
  connection.bytesResent += length
  const error = transmit(connection, begin, length, now, false)
  const refused = error === 'ENOBUFS'
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
  const { send, congestion } = connection
  const { sent } = send
  let head = false
  for (let i = 0; i < sent.size && sent.resent < sent.lost && sent.inFlight < congestion.window; i++) {
    if ((sent.marks(i) & (LOST | RESENT)) !== LOST) continue
    if (resend(connection, i) !== null) break
    if (congestion.state !== 'Loss') connection.netns.counters.tcpFastRetrans++
    if (congestion.reducing) congestion.sentNew(1)
    if (i === 0) head = true
  }
  if (head && connection.pending !== Pending.REORDERING) connection.rearmFromNow()
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

/** Answers a segment that belongs to no connection (tcp_v4_send_reset). */
export function refuse(netns: Netns, segment: Segment): void {
  if (segment.has(tcp.RST)) return
  const acknowledged = segment.has(tcp.ACK)
  const sequence = acknowledged ? segment.acknowledgment : 0
  const ack = acknowledged ? 0 : segment.end
  bare(netns, segment, sequence, ack, acknowledged ? tcp.RST : tcp.RST | tcp.ACK)
}

/** A segment without options, from no socket: identification 0. */
function bare(netns: Netns, segment: Segment, sequence: number, ack: number, flags: number): void {
  const frame = netns.world.frames.take(tcp.HEADER)
  const from: Ipv4 = segment.destination
  const to: Ipv4 = segment.source
  const { sourcePort, destinationPort } = segment
  frame.end = frame.start + tcp.HEADER
  netns.counters.tcpOutSegs++
  if ((flags & tcp.RST) !== 0) netns.counters.tcpOutRsts++
  const { bytes, start } = frame
  tcp.write(bytes, start, frame.end, tcp.HEADER, from, to, destinationPort, sourcePort, sequence, ack, flags, 0)
  netns.send(frame, from, to, ipv4.IPPROTO_TCP, netns.defaultTtl, 0, 0, ipv4.DF)
}
