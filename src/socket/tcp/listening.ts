/**
 * A listening port: half-open connections, and those that nobody has fetched yet (tcp_conn_request). When too many are
 * half open, further SYNs are answered with cookies.
 */
import { DropReason } from '../../link/drop-reason.ts'
import type { Netns } from '../../net/netns.ts'
import { SECOND } from '../../sim/scheduler.ts'
import { type Acceptor, Wake } from './around.ts'
import type { Connection } from './connection.ts'
import type { Cookies } from './cookie.ts'
import { sendCookie, sendSyn } from './handshake.ts'
import { negotiate, receive } from './input.ts'
import { sendReset } from './output.ts'
import { TIMESTAMPS_LENGTH } from './path-search.ts'
import type { Segment } from './segment.ts'
import { needsReset } from './state.ts'
import { TAKEN, type Verdict } from './verdict.ts'

/** What a listening port needs of the stack: a new connection, with what we would offer. */
export type ConnectionMaker = (segment: Segment) => Connection

/** The low bits of TOS (RFC 3168). */
const ECN_BITS = 3
/** TCP_SYNCOOKIE_VALID: cookies are believed so long after the last was given. */
const COOKIES_VALID = 120 * SECOND

export class Listening implements Acceptor<Connection> {
  backlog = 0
  readonly #make: ConnectionMaker
  /** Fetches a connection; null leaves it waiting. */
  fetch: ((connection: Connection) => void) | null = null
  /** Told when one has come to wait. */
  waits: (() => void) | null = null
  readonly #waiting: Connection[] = []
  readonly #halfOpen = new Set<Connection>()
  readonly #netns: Netns
  readonly #cookies: Cookies
  /** When a cookie was given last. */
  #cookieGiven = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(netns: Netns, cookies: Cookies, backlog: number, make: ConnectionMaker) {
    this.#netns = netns
    this.#cookies = cookies
    this.limit(backlog)
    this.#make = make
  }

  /** No backlog is longer than net.core.somaxconn; a negative one is the longest. */
  limit(backlog: number): void {
    this.backlog = Math.min(backlog >>> 0, this.#netns.sysctl.number('net.core.somaxconn'))
  }

  /** Connections that nobody has fetched: ss's Recv-Q of a listener. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Linux lets one more wait than was asked for. */
  get full(): boolean {
    return this.#waiting.length > this.backlog
  }

  /** A SYN for this port that belongs to no connection. */
  receive(segment: Segment): Verdict {
    const { sysctl } = this.#netns
    const cookies = sysctl.number('net.ipv4.tcp_syncookies')
    const queued = this.#halfOpen.size
    const crowded = queued > this.backlog
    if (crowded && cookies === 0) return DropReason.TcpSynQueueFull
    if (this.full) {
      this.#netns.counters.tcpListenDrops++
      return DropReason.TcpSynAcceptFull
    }
    const most = sysctl.number('net.ipv4.tcp_max_syn_backlog')
    if (cookies === 0 && most - queued < most >> 2) return DropReason.TcpSynQueueFull
    if (crowded || cookies === 2) this.#giveCookie(segment)
    else this.#open(this.#make(segment), segment)
    return TAKEN
  }

  /** An ACK for this port that belongs to no connection (cookie_v4_check). TcpListenAck: it brings no cookie of ours. */
  redeem(segment: Segment): Verdict {
    const { world, sysctl } = this.#netns
    if (sysctl.number('net.ipv4.tcp_syncookies') === 0) return DropReason.TcpListenAck
    if (world.scheduler.now - this.#cookieGiven > COOKIES_VALID) return DropReason.TcpListenAck
    if (this.#cookies.check(segment) === 0) return DropReason.TcpListenAck
    const connection = this.#make(segment)
    this.#cookies.unpack(connection, segment)
    if (!connection.scaling) connection.receive.scale = 0
    if (connection.timestamps) connection.recentTimestamp = segment.timestamp
    connection.receive.begin((segment.sequence - 1) | 0)
    connection.send.windowSequence = (segment.sequence - 1) | 0
    connection.send.begin((segment.acknowledgment - 1) | 0)
    connection.send.next = (connection.send.una + 1) | 0
    if (this.full) {
      this.#netns.counters.tcpListenDrops++
      return DropReason.TcpCookieFull
    }
    this.#expect(connection)
    // The cookie remembers the peer's segment size only, and the window is made of it (cookie_v4_check).
    connection.receive.open(connection.peerMss, connection.settings.windowClamp)
    this.#halfOpen.add(connection)
    return receive(connection, segment)
  }

  #giveCookie(segment: Segment): void {
    const connection = this.#make(segment)
    negotiate(connection, segment)
    if (!connection.timestamps) {
      connection.sack = false
      connection.scaling = false
      connection.receive.scale = 0
    }
    connection.acceptor = this
    this.#cookies.bake(connection, segment)
    this.#cookieGiven = this.#netns.world.scheduler.now
    this.#size(connection)
    sendCookie(connection)
  }

  accepted(connection: Connection): void {
    this.#halfOpen.delete(connection)
    if (this.#closed) this.#abort(connection)
    else if (this.fetch === null) {
      this.#waiting.push(connection)
      this.waits?.()
    } else this.fetch(connection)
  }

  abandoned(connection: Connection): void {
    this.#halfOpen.delete(connection)
  }

  /** accept(2): the one that has waited longest. */
  take(): Connection | null {
    return this.#waiting.shift() ?? null
  }

  /** Hands over what has been waiting, and tells what came meanwhile. */
  drain(): void {
    while (this.fetch !== null && this.#waiting.length > 0) {
      const connection = this.#waiting.shift() as Connection
      this.fetch(connection)
      if (connection.receive.readable > 0 || connection.receive.finished) connection.wake |= Wake.READABLE
      if (connection.state === 'CLOSED') connection.wake |= Wake.CLOSED
      connection.tell()
    }
  }

  /** Half-open connections are forgotten, waiting ones reset (inet_csk_listen_stop). */
  close(): void {
    this.#closed = true
    for (const connection of [...this.#halfOpen]) connection.end(null)
    for (const connection of this.#waiting.splice(0)) this.#abort(connection)
  }

  #open(connection: Connection, segment: Segment): void {
    negotiate(connection, segment)
    if (connection.tunables.reflectTos) connection.tos = (segment.tos & ~ECN_BITS) | (connection.tos & ECN_BITS)
    connection.send.window = segment.window
    this.#expect(connection)
    this.#halfOpen.add(connection)
    sendSyn(connection)
  }

  /** Half open from now on. */
  #expect(connection: Connection): void {
    connection.acceptor = this
    this.#size(connection)
    connection.enter('SYN-RECEIVED')
  }

  #size(connection: Connection): void {
    connection.sizeSegments()
    const { advertisedMss, timestamps, settings } = connection
    connection.receive.open(advertisedMss - (timestamps ? TIMESTAMPS_LENGTH : 0), settings.windowClamp)
  }

  #abort(connection: Connection): void {
    if (needsReset(connection.state)) sendReset(connection)
    connection.end(null)
  }
}
