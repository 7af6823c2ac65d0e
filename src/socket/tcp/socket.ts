/**
 * TCP sockets as programs use them. Callbacks are set once; each is called at the end of the event that caused
 * it. After close() or abort() the program hears no more, as after close(2).
 */
import type { Errno } from '../../net/errno.ts'
import { ANY_PORT } from '../../net/multipath-hash.ts'
import type { Netns } from '../../net/netns.ts'
import type { Nanos } from '../../sim/scheduler.ts'
import { ANY, type Ipv4, isMulticast } from '../../wire/address.ts'
import { IPPROTO_TCP } from '../../wire/ipv4.ts'
import { chooseEphemeral, NO_REUSE } from '../ports.ts'
import { isBroadcast, realDestination, routeError, sourceTo } from '../route.ts'
import type { Owner } from './around.ts'
import { Backlog } from './backlog.ts'
import { mayBind } from './bind.ts'
import { finish, reset } from './close.ts'
import type { Connection } from './connection.ts'
import { acknowledgeReading } from './data.ts'
import { sendSyn } from './handshake.ts'
import { infoOf, type TcpInfo } from './info.ts'
import { Listener } from './listener.ts'
import { Listening } from './listening.ts'
import { push } from './output.ts'
import { PathSearch, TIMESTAMPS_LENGTH } from './path-search.ts'
import type { Segment } from './segment.ts'
import { sendmsg } from './sendmsg.ts'
import type { Settings } from './settings.ts'
import { succeed, type TcpPort, type TcpStack } from './stack.ts'
import { maySend, type TcpState } from './state.ts'
import type { Urgent } from './urgent.ts'

export type TcpListener = Listener<TcpSocket>

export class TcpSocket implements Owner, TcpPort {
  readonly #stack: TcpStack
  settings: Readonly<Settings>
  #connection: Connection | null = null
  #bound = false
  localAddress: Ipv4 = ANY
  localPort = 0
  remoteAddress: Ipv4 = ANY
  remotePort = 0
  get reuse(): boolean {
    // Two may share a port only while none of them listens on it.
    return this.settings.reuseAddress && this.listening === null
  }

  get reusePort(): boolean {
    return this.settings.reusePort
  }

  listening: Listening | null = null
  /** SO_LINGER with no time: close() sends RST. */
  lingerZero = false
  /** How long connect() and close() own the socket, while the kernel is at work for them. */
  callTime: Nanos = 0
  onConnect: (() => void) | null = null
  /** There is data to read, or the peer's end. */
  onReadable: (() => void) | null = null
  /** There is room again after a write that took less than it was given. */
  onWritable: (() => void) | null = null
  /** The connection is over: in order (null), or why not. */
  onClose: ((error: Errno | null) => void) | null = null

  constructor(stack: TcpStack, settings: Readonly<Settings>) {
    this.#stack = stack
    this.settings = settings
  }

  /** The socket of a connection that the peer opened. */
  static accepted(stack: TcpStack, connection: Connection): TcpSocket {
    const socket = new TcpSocket(stack, connection.settings)
    socket.#adopt(connection)
    return socket
  }

  get state(): TcpState {
    if (this.listening !== null) return 'LISTEN'
    return this.#connection?.state ?? 'CLOSED'
  }

  /** Null before connect(), and of a listener. */
  get connection(): Connection | null {
    return this.#connection
  }

  get netns(): Netns {
    return this.#stack.netns
  }

  get bound(): boolean {
    return this.#bound
  }

  get backlog(): number {
    return this.listening?.backlog ?? 0
  }

  /** Of a listener: connections that nobody has fetched. */
  get waiting(): number {
    return this.listening?.waiting ?? 0
  }

  /** What SocketInfo names it by; null before it listens or connects. */
  get holder(): object | null {
    return this.listening ?? this.#connection
  }

  /** The settings, to be written: a copy, since others may share them. */
  change(): Settings {
    const settings = this.settings.copy()
    this.settings = settings
    if (this.#connection !== null) this.#connection.settings = settings
    return settings
  }

  /** TCP_CORK: only full segments leave, until it is taken away. */
  set cork(value: boolean) {
    this.change().cork = value
    const connection = this.#connection
    if (!value && connection !== null && synchronised(connection.state)) push(connection)
  }

  get noDelay(): boolean {
    return this.settings.noDelay
  }

  /** TCP_NODELAY: small segments do not wait for acknowledgments. */
  set noDelay(value: boolean) {
    this.change().noDelay = value
    const connection = this.#connection
    if (connection === null) return
    connection.noDelay = value
    if (value && synchronised(connection.state)) push(connection)
  }

  /** TCP_QUEUE_SEQ of TCP_REPAIR: what comes next, either way. */
  sequences(): { sent: number; received: number } {
    const connection = this.#connection
    return { sent: connection?.send.end ?? 0, received: connection?.receive.next ?? 0 }
  }

  bind(address: Ipv4, port: number): Errno | null {
    const stack = this.#stack
    if (this.#bound || this.#connection !== null) return 'EINVAL'
    const { netns, ports } = stack
    if (!mayBind(netns, this.settings, address)) return 'EADDRNOTAVAIL'
    this.localAddress = address
    // IP_BIND_ADDRESS_NO_PORT: connect() chooses, when both ends are known.
    if (port === 0 && this.settings.portLater) return null
    const free = (candidate: number): boolean => !ports.conflicts(address, candidate, this)
    const chosen = port === 0 ? chooseEphemeral(netns, free) : port
    const taken = chosen === 0 || !free(chosen) || stack.waits(address, chosen, this.settings.reuseAddress)
    if (taken) {
      this.localAddress = ANY
      return 'EADDRINUSE'
    }
    this.localPort = chosen
    this.#bound = true
    ports.add(this)
    return null
  }

  listen(backlog: number): TcpListener | Errno {
    const stack = this.#stack
    if (this.#connection !== null || this.listening !== null) return 'EINVAL'
    if (!this.#bound) {
      const failed = this.bind(ANY, 0)
      if (failed !== null) return failed
    }
    if (stack.ports.taken(this.localAddress, this.localPort, this)) return 'EADDRINUSE'
    const make = ({ destination, destinationPort, source, sourcePort }: Segment): Connection =>
      stack.connection(this.settings, destination, destinationPort, source, sourcePort)
    const listening = new Listening(stack.netns, stack.cookies, backlog, make)
    this.listening = listening
    return new Listener(
      (connection) => TcpSocket.accepted(stack, connection),
      this.localAddress,
      this.localPort,
      listening,
      () => this.#release(),
    )
  }

  /** Begins the handshake; onConnect or onClose tells how it ended. */
  connect(to: Ipv4, port: number): Errno | null {
    const stack = this.#stack
    if (this.#connection !== null || this.listening !== null) return 'EINVAL'
    const { netns } = stack
    const destination = realDestination(to)
    const unroutable = routeError(netns, destination)
    if (unroutable !== null) return unroutable
    if (isMulticast(destination) || isBroadcast(netns, destination)) return 'ENETUNREACH'
    const ownPort = this.#bound ? this.localPort : ANY_PORT
    const source =
      this.localAddress === ANY ? sourceTo(netns, destination, IPPROTO_TCP, ownPort, port) : this.localAddress
    const free = (candidate: number): boolean =>
      this.#unused(stack.connections.find(source, candidate, destination, port)) &&
      (this.#bound || !stack.ports.conflicts(source, candidate, NO_REUSE))
    const chosen = this.#bound ? this.localPort : chooseEphemeral(netns, free)
    if (chosen === 0 || !free(chosen)) return 'EADDRNOTAVAIL'
    const old = stack.connections.find(source, chosen, destination, port)
    const connection = stack.connection(this.settings, source, chosen, destination, port)
    if (old !== null) succeed(connection, old)
    this.#adopt(connection)
    connection.receive.open(
      connection.advertisedMss - (old !== null ? TIMESTAMPS_LENGTH : 0),
      this.settings.windowClamp,
    )
    if (connection.tunables.mtuProbing > 1) connection.search = new PathSearch(connection, connection.jiffies())
    connection.sizeSegments()
    connection.enter('SYN-SENT')
    netns.counters.tcpActiveOpens++
    sendSyn(connection)
    this.#hold(connection)
    return null
  }

  #unused(found: Connection | null): boolean {
    return found === null || this.#stack.reusable(found, this.#bound)
  }

  /** How many of the bytes the send buffer took; 0 as well when nothing can be sent (any more, or yet). */
  write(bytes: Uint8Array, at = 0, length = bytes.length - at, flags = 0): number {
    const connection = this.#connection
    if (connection === null || !maySend(connection.state) || connection.send.finQueued) return 0
    return sendmsg(connection, bytes, at, length, flags)
  }

  /** Bytes that read() would return. */
  get readable(): number {
    return this.#connection?.receive.readable ?? 0
  }

  read(into: Uint8Array, at = 0, length = into.length - at): number {
    const connection = this.#connection
    if (connection === null) return 0
    const { receive, urgent } = connection
    if (urgent !== null) return this.#readAround(connection, urgent, into, at, length)
    const taken = receive.read(into, at, length)
    if (taken > 0) acknowledgeReading(connection)
    return taken
  }

  /** Reads as far as the urgent byte. */
  #readAround(connection: Connection, urgent: Urgent, into: Uint8Array, at: number, length: number): number {
    const { receive } = connection
    const { urgentInline } = this.settings
    const most = Math.min(length, urgent.readable(receive, urgentInline))
    urgent.step(receive, urgentInline)
    const taken = receive.read(into, at, most)
    urgent.passed(receive)
    if (taken > 0) acknowledgeReading(connection)
    return taken
  }

  /** MSG_TRUNC: bytes are taken without being copied. */
  skip(length: number): number {
    const connection = this.#connection
    if (connection === null) return 0
    const taken = connection.receive.skip(length)
    if (taken > 0) acknowledgeReading(connection)
    return taken
  }

  /** The peer has sent its last byte, and it was read. */
  get ended(): boolean {
    const connection = this.#connection
    return connection !== null && connection.receive.finished && connection.receive.readable === 0
  }

  /** Bytes written that the peer has not acknowledged. */
  get unacknowledged(): number {
    return this.#connection?.send.queued ?? 0
  }

  /** We send no more: FIN follows the last byte. Reading goes on. */
  shutdown(): void {
    const connection = this.#connection
    if (connection !== null) finish(connection)
  }

  /** The program is done with it; what was written is still delivered (tcp_close). */
  close(): void {
    this.#forget()
    if (this.listening !== null) {
      this.listening.close()
      this.#release()
      return
    }
    const connection = this.#connection
    this.#release()
    if (connection === null) return
    connection.owner = null
    const { state, receive } = connection
    if (state === 'CLOSED' || state === 'TIME-WAIT') return
    if (state === 'SYN-SENT') return connection.end(null)
    connection.receiveShut = true
    // Unread data would be lost in silence: the peer must know (RFC 2525 section 2.17).
    if (receive.readable > 0 || this.lingerZero) return reset(connection)
    receive.release()
    finish(connection)
    this.#hold(connection)
    if (connection.state === 'FIN-WAIT-2' && !connection.awaitFin()) reset(connection)
    else if (this.#stack.tooManyOrphans) reset(connection)
  }

  /** Ends the connection at once; the peer gets RST. */
  abort(): void {
    this.#forget()
    const connection = this.#connection
    this.#release()
    if (connection === null) return
    connection.owner = null
    reset(connection)
  }

  /**
   * AF_UNSPEC (tcp_disconnect): the connection is given up, and the socket may connect or listen again. A port and an
   * address that bind() named stay.
   */
  disconnect(): void {
    if (this.listening !== null) {
      this.listening.close()
      this.listening = null
      return
    }
    const connection = this.#connection
    if (connection === null) return
    connection.owner = null
    this.#connection = null
    if (connection.state === 'TIME-WAIT') return
    reset(connection)
    this.remoteAddress = ANY
    this.remotePort = 0
    if (!this.#bound) {
      this.localAddress = ANY
      this.localPort = 0
    }
  }

  /** Null before connect(). */
  info(): TcpInfo | null {
    return this.#connection === null ? null : infoOf(this.#connection)
  }

  connected(): void {
    this.onConnect?.()
  }

  arrived(): void {
    this.onReadable?.()
  }

  writable(): void {
    this.onWritable?.()
  }

  closed(error: Errno | null): void {
    this.#release()
    this.onClose?.(error)
  }

  #adopt(connection: Connection): void {
    this.#connection = connection
    connection.owner = this
    this.localAddress = connection.localAddress
    this.localPort = connection.localPort
    this.remoteAddress = connection.remoteAddress
    this.remotePort = connection.remotePort
  }

  /** The call takes its time: what comes meanwhile waits (lock_sock). */
  #hold(connection: Connection): void {
    if (this.callTime === 0 || connection.state === 'CLOSED') return
    connection.backlog ??= new Backlog(connection, this.#stack.segment)
    connection.backlog.own(this.callTime)
  }

  #forget(): void {
    this.onConnect = null
    this.onReadable = null
    this.onWritable = null
    this.onClose = null
  }

  #release(): void {
    this.listening = null
    if (this.#bound) this.#stack.ports.remove(this)
    this.#bound = false
  }
}

function synchronised(state: TcpState): boolean {
  return state !== 'CLOSED' && state !== 'SYN-SENT' && state !== 'SYN-RECEIVED' && state !== 'TIME-WAIT'
}
