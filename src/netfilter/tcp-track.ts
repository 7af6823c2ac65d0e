/**
 * Conntrack's view of a TCP connection (nf_conntrack_proto_tcp.c): a state machine that sits in the middle, sees
 * both directions and trusts neither.
 */
import * as tcp from '../wire/tcp.ts'
import { type ConntrackSettings, Timeout } from './conntrack-settings.ts'
import { Status } from './status.ts'
import { blame, fault, Why } from './tcp-fault.ts'
import { Fit, inWindow, segmentEnd, TcpEnd, TcpFlag } from './tcp-window.ts'

/** By number, as conntrack prints them. */
export const tcpStateNames: readonly string[] = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
]
const SYN_SENT = 1
const SYN_RECV = 2
const ESTABLISHED = 3
const FIN_WAIT = 4
const LAST_ACK = 6
const TIME_WAIT = 7
const CLOSE = 8
const SYN_SENT2 = 9
const IGNORE = 10
const INVALID = 11

/** Kinds of segment: the rows of the table. */
const Kind = { SYN: 0, SYN_ACK: 1, FIN: 2, ACK: 3, RST: 4, NONE: 5 } as const

// What each kind of segment makes of each state, a column for each of `tcpStateNames`. A digit is the new state,
// `.` means let through and unchanged, `x` invalid. First the client's side, then the server's.
const transitions = [
  ...['11.....119', 'xx2xxxxxx2', 'xx4466678x', '3x3355778x', 'x888888888', 'xxxxxxxxxx'],
  ...['x9xxxxx1x9', 'x2.......2', 'xx4466678x', 'x.2355778.', 'x888888888', 'xxxxxxxxxx'],
]
const table = Int8Array.from(transitions.join(''), (sign) =>
  sign === '.' ? IGNORE : sign === 'x' ? INVALID : Number(sign),
)

function kindOf(flags: number): number {
  if ((flags & tcp.RST) !== 0) return Kind.RST
  if ((flags & tcp.SYN) !== 0) return (flags & tcp.ACK) !== 0 ? Kind.SYN_ACK : Kind.SYN
  if ((flags & tcp.FIN) !== 0) return Kind.FIN
  return (flags & tcp.ACK) !== 0 ? Kind.ACK : Kind.NONE
}

/** Flag combinations that no sane stack sends are invalid; PSH, ECE and CWR may join any. */
function sane(flags: number): boolean {
  switch (flags & ~(tcp.PSH | tcp.ECE | tcp.CWR)) {
    case tcp.SYN:
    case tcp.SYN | tcp.URG:
    case tcp.SYN | tcp.ACK:
    case tcp.RST:
    case tcp.RST | tcp.ACK:
    case tcp.FIN | tcp.ACK:
    case tcp.FIN | tcp.ACK | tcp.URG:
    case tcp.ACK:
    case tcp.ACK | tcp.URG:
      return true
    default:
      return false
  }
}

/** What a tracker makes of a packet. */
export const Tracking = {
  /** Belongs to the flow. */
  ACCEPT: 0,
  /** Goes on, but without a flow. */
  INVALID: 1,
  /** The flow is over and was removed: look up again. */
  REPEAT: 2,
  /** Belongs to the flow and ended it. */
  END: 3,
} as const
export type Tracking = (typeof Tracking)[keyof typeof Tracking]

const SIMULTANEOUS_OPEN = 1
const EXPECT_CHALLENGE = 2

export class TcpTrack {
  state = 0
  /** Which time-out the last segment asked for; -1 when the present one stays. */
  timeout = -1
  /** The handshake was seen whole. */
  assured = false
  #client = new TcpEnd()
  #server = new TcpEnd()
  #retransmissions = 0
  #lastKind: number = Kind.NONE
  #lastReply = false
  #lastSeq = 0
  #lastAck = 0
  #lastEnd = 0
  #lastWindow = 0
  #lastScale = 0
  #lastFlags = 0
  #lastEndFlags = 0

  get established(): boolean {
    return this.state === ESTABLISHED
  }

  /** Behind the highest sequence number that the client has sent. */
  get clientEnd(): number {
    return this.#client.end
  }

  /** A connection that is over or nearly so may go when the table is full (tcp_can_early_drop). */
  get closing(): boolean {
    return this.state >= FIN_WAIT && this.state <= CLOSE
  }

  /** As ctnetlink makes a track: whatever its ends send next is taken as it comes. */
  adopt(state: number): void {
    this.state = state
    this.#client.flags = TcpFlag.SACK_PERMITTED | TcpFlag.BE_LIBERAL
    this.#server.flags = TcpFlag.SACK_PERMITTED | TcpFlag.BE_LIBERAL
  }

  /** The first segment of an unknown connection; false when it cannot begin one. */
  begin(bytes: Uint8Array, at: number, end: number, settings: ConntrackSettings): boolean {
    const next = table[kindOf(tcp.flags(bytes, at)) * 10]
    if (next >= IGNORE) {
      // The combination of flags is judged before the state.
      blame(sane(tcp.flags(bytes, at)) ? Why.NEW : Why.FLAGS)
      return false
    }
    const window = tcp.window(bytes, at)
    const client = this.#client
    client.end = segmentEnd(bytes, at, end)
    client.maxWindow = window === 0 ? 1 : window
    if (next === SYN_SENT) {
      client.maxEnd = client.end
      client.readOptions(bytes, at)
      return true
    }
    if (!settings.loose) return false
    client.maxEnd = (client.end + client.maxWindow) | 0
    client.flags = TcpFlag.SACK_PERMITTED | TcpFlag.BE_LIBERAL
    this.#server.flags = TcpFlag.SACK_PERMITTED | TcpFlag.BE_LIBERAL
    return true
  }

  /** A segment of a known connection (or the one that `begin` took). Sets `state`, `timeout` and `assured`. */
  segment(
    status: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    isReply: boolean,
    settings: ConntrackSettings,
  ): Tracking {
    const flags = tcp.flags(bytes, at)
    if (!sane(flags)) {
      blame(Why.FLAGS)
      return Tracking.INVALID
    }
    const sender = isReply ? this.#server : this.#client
    const receiver = isReply ? this.#client : this.#server
    const kind = kindOf(flags)
    let before = this.state
    let next: number = table[(isReply ? 60 : 0) + kind * 10 + before]
    let judged = false
    this.timeout = -1
    fault.kind = kind
    fault.reply = isReply
    fault.state = before
    if (next === INVALID) {
      blame(Why.INVALID)
      return Tracking.INVALID
    }
    if (next === SYN_SENT && before >= TIME_WAIT) {
      const closing = ((sender.flags | receiver.flags) & TcpFlag.CLOSE_INIT) !== 0
      if (closing || (this.#lastReply === isReply && this.#lastKind === Kind.RST)) return Tracking.REPEAT
      next = IGNORE
    }
    if (next === IGNORE) {
      const answersIgnored = kind === Kind.SYN_ACK && this.#lastKind === Kind.SYN && this.#lastReply !== isReply
      if (!answersIgnored || tcp.acknowledgment(bytes, at) !== this.#lastEnd) {
        this.#ignore(bytes, at, end, kind, isReply)
        blame(Why.IGNORED)
        return Tracking.ACCEPT
      }
      // The SYN that was let through unjudged was the real one: begin again with it.
      before = SYN_SENT
      next = SYN_RECV
      receiver.end = this.#lastEnd
      receiver.maxEnd = this.#lastEnd
      receiver.maxWindow = this.#lastWindow === 0 ? 1 : this.#lastWindow
      receiver.scale = this.#lastScale
      receiver.flags = this.#lastEndFlags
      this.#lastFlags &= ~EXPECT_CHALLENGE
      sender.clear()
    } else if (next === TIME_WAIT) {
      const challenge = before === LAST_ACK && kind === Kind.ACK && this.#lastReply !== isReply
      if (challenge && this.#lastKind === Kind.SYN && (this.#lastFlags & EXPECT_CHALLENGE) !== 0) {
        this.#lastFlags &= ~EXPECT_CHALLENGE
        return Tracking.ACCEPT
      }
    } else if (next === SYN_SENT2) this.#lastFlags |= SIMULTANEOUS_OPEN
    else if (next === SYN_RECV) {
      if (isReply && kind === Kind.ACK && (this.#lastFlags & SIMULTANEOUS_OPEN) !== 0) next = ESTABLISHED
    } else if (next === CLOSE && kind === Kind.RST) {
      next = this.#reset(status, receiver, tcp.sequence(bytes, at), isReply, settings)
      if (next === INVALID) {
        blame(Why.RESET)
        return Tracking.INVALID
      }
      const toIgnored = (status & Status.SEEN_REPLY) !== 0 && this.#lastKind === Kind.SYN
      const toEarlyAck = (status & Status.ASSURED) === 0 && this.#lastKind === Kind.ACK
      judged = (toIgnored || toEarlyAck) && tcp.acknowledgment(bytes, at) === this.#lastEnd
    }
    if (!judged) {
      const opening = this.state === SYN_SENT || this.state === SYN_RECV
      const synSent = this.state === SYN_SENT
      const fit = inWindow(sender, receiver, bytes, at, end, isReply, opening, synSent, settings.beLiberal)
      if (fit === Fit.INVALID) return Tracking.INVALID
      if (fit === Fit.IGNORE) return Tracking.ACCEPT
      if (kind === Kind.ACK) this.#countRetransmission(bytes, at, end, isReply)
    }
    this.#lastKind = kind
    this.#lastReply = isReply
    this.state = next
    if (before !== next && next === FIN_WAIT) sender.flags |= TcpFlag.CLOSE_INIT
    this.timeout = this.#choose(next, kind, settings)
    if ((status & Status.SEEN_REPLY) === 0) {
      if (kind === Kind.RST) return Tracking.END
      if (next === ESTABLISHED) this.timeout = this.#shorter(this.timeout, Timeout.UNACKNOWLEDGED, settings)
    } else if (next === ESTABLISHED && (before === SYN_RECV || before === ESTABLISHED)) this.assured = true
    return Tracking.ACCEPT
  }

  /** Our table and the real ends may be out of step: remember what was let through. */
  #ignore(bytes: Uint8Array, at: number, end: number, kind: number, isReply: boolean): void {
    this.#lastKind = kind
    this.#lastReply = isReply
    this.#lastSeq = tcp.sequence(bytes, at)
    this.#lastEnd = segmentEnd(bytes, at, end)
    this.#lastWindow = tcp.window(bytes, at)
    if (kind === Kind.SYN && !isReply) {
      // The server's end is rebuilt when it answers; until then it serves as a place to read the options into.
      const scale = this.#client.scale
      const flags = this.#client.flags
      this.#client.readOptions(bytes, at)
      this.#lastScale = this.#client.scale
      this.#lastEndFlags = this.#client.flags
      this.#client.scale = scale
      this.#client.flags = flags
      this.#lastFlags = this.state === LAST_ACK ? EXPECT_CHALLENGE : 0
    }
    if (this.state === SYN_SENT && kind === Kind.ACK && isReply) this.#lastAck = tcp.acknowledgment(bytes, at)
  }

  /** What a RST makes of the state: only one that hits the acknowledged sequence number exactly is believed. */
  #reset(status: number, receiver: TcpEnd, seq: number, isReply: boolean, settings: ConntrackSettings): number {
    if ((receiver.flags & TcpFlag.MAX_ACK_SET) === 0) return CLOSE
    const established = this.state === ESTABLISHED && (status & Status.ASSURED) !== 0
    if (seq === 0 && !established) return CLOSE
    if (tcp.before(seq, receiver.maxAck) && !settings.ignoreInvalidRst) return INVALID
    if (!established || seq === receiver.maxAck) return CLOSE
    if (this.#lastKind === Kind.ACK && this.#lastReply === isReply && seq === this.#lastEnd) return CLOSE
    return this.state
  }

  #countRetransmission(bytes: Uint8Array, at: number, end: number, isReply: boolean): void {
    const seq = tcp.sequence(bytes, at)
    const ack = tcp.acknowledgment(bytes, at)
    const stop = segmentEnd(bytes, at, end)
    const window = tcp.window(bytes, at)
    const same = this.#lastSeq === seq && this.#lastAck === ack && this.#lastEnd === stop
    if (same && this.#lastReply === isReply && this.#lastWindow === window) {
      this.#retransmissions++
      return
    }
    this.#lastReply = isReply
    this.#lastSeq = seq
    this.#lastAck = ack
    this.#lastEnd = stop
    this.#lastWindow = window
    this.#retransmissions = 0
  }

  #choose(next: number, kind: number, settings: ConntrackSettings): number {
    if (this.#retransmissions >= settings.maxRetrans) return this.#shorter(next, Timeout.RETRANS, settings)
    if (kind === Kind.RST) return CLOSE
    if (((this.#client.flags | this.#server.flags) & TcpFlag.UNACKNOWLEDGED) !== 0) {
      return this.#shorter(next, Timeout.UNACKNOWLEDGED, settings)
    }
    if (this.#lastWindow === 0) return this.#shorter(next, Timeout.RETRANS, settings)
    return next
  }

  #shorter(a: number, b: number, settings: ConntrackSettings): number {
    return settings.timeouts[a] > settings.timeouts[b] ? b : a
  }
}
