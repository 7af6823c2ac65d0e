/**
 * The system calls on a TCP socket, with Linux's answers (inet_stream_ops of net/ipv4/af_inet.c, tcp_sendmsg and
 * tcp_recvmsg of net/ipv4/tcp.c). None of them waits: a call that would sleep returns EAGAIN (connect: EINPROGRESS),
 * and `changed` tells when it is worth another try. Whoever lets calls sleep builds upon that.
 */
import type { Errno } from '../../net/errno.ts'
import type { Ipv4 } from '../../wire/address.ts'
import type { Connection } from './connection.ts'
import { Msg } from './message.ts'
import type { Settings } from './settings.ts'
import type { TcpListener, TcpSocket } from './socket.ts'
import { maySend } from './state.ts'

/** Events of poll(2), as bits/poll.h numbers them. */
export const Poll = {
  IN: 0x1,
  PRI: 0x2,
  OUT: 0x4,
  ERR: 0x8,
  HUP: 0x10,
  RDNORM: 0x40,
  WRNORM: 0x100,
  RDHUP: 0x2000,
} as const

const SHUT_RECEIVE = 1
const SHUT_SEND = 2

/** struct socket's state, as far as it differs from the connection's. */
type Phase = 'unconnected' | 'connecting' | 'connected' | 'disconnecting'

export class InetStream {
  readonly socket: TcpSocket
  /** Something happened that a sleeping call may have waited for. */
  changed: (() => void) | null = null
  #listener: TcpListener | null = null
  #phase: Phase = 'unconnected'
  /** Why a connection that is no longer ours ended (sk_err). */
  #error: Errno | null = null

  constructor(socket: TcpSocket) {
    this.socket = socket
    const changed = () => this.changed?.()
    socket.onConnect = changed
    socket.onReadable = changed
    socket.onWritable = changed
    socket.onClose = changed
    if (socket.connection !== null) this.#phase = 'connected'
  }

  get settings(): Readonly<Settings> {
    return this.socket.settings
  }

  /** The settings, to be written. */
  change(): Settings {
    return this.socket.change()
  }

  get connection(): Connection | null {
    return this.socket.connection
  }

  get listening(): boolean {
    return this.#listener !== null
  }

  bind(address: Ipv4, port: number): Errno | null {
    return this.socket.bind(address, port)
  }

  listen(backlog: number): Errno | null {
    if (this.#listener !== null) {
      this.#listener.backlog = backlog
      return null
    }
    if (this.#phase !== 'unconnected') return 'EINVAL'
    if (this.connection !== null) this.socket.disconnect()
    const listener = this.socket.listen(backlog)
    if (typeof listener === 'string') return listener
    listener.onWaiting = () => this.changed?.()
    this.#listener = listener
    return null
  }

  /** inet_csk_accept. */
  accept(): InetStream | Errno {
    if (this.#listener === null) return 'EINVAL'
    const taken = this.#listener.take()
    return taken === null ? 'EAGAIN' : new InetStream(taken)
  }

  /** __inet_stream_connect. A call that slept asks `connecting` afterwards. */
  connect(address: Ipv4, port: number): Errno | null {
    if (this.#phase === 'connected') return 'EISCONN'
    if (this.#phase === 'connecting') return this.connecting('EALREADY')
    if (this.#listener !== null) return 'EISCONN'
    const old = this.connection
    if (old !== null) {
      if (old.state !== 'CLOSED') return 'EISCONN'
      this.socket.disconnect()
    }
    this.#error = null
    const refused = this.socket.connect(address, port)
    if (refused !== null) return refused
    this.#phase = 'connecting'
    return this.connecting('EINPROGRESS')
  }

  /** How far connect() is: `waiting` while it takes its time, null when it is done. */
  connecting(waiting: Errno): Errno | null {
    const state = this.connection?.state ?? 'CLOSED'
    if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') return waiting
    if (state === 'CLOSED') {
      const failed = this.takeError() ?? 'ECONNABORTED'
      this.#phase = 'unconnected'
      this.socket.disconnect()
      return failed
    }
    this.#phase = 'connected'
    return null
  }

  /** connect() to AF_UNSPEC (tcp_disconnect). */
  disconnect(): void {
    const state = this.connection?.state ?? 'CLOSED'
    const listened = this.#listener !== null
    this.socket.disconnect()
    this.#listener = null
    this.#phase = 'unconnected'
    this.#error = listened || state === 'CLOSED' || state === 'TIME-WAIT' ? null : 'ECONNRESET'
    this.changed?.()
  }

  /** tcp_sendmsg: how many bytes were taken, or why none. */
  send(bytes: Uint8Array, at: number, length: number, flags: number): number | Errno {
    const { connection } = this
    if (this.#listener !== null || connection === null) return this.takeError() ?? 'EPIPE'
    const { state } = connection
    if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') {
      connection.savesAck = (flags & Msg.DONTWAIT) === 0
      return 'EAGAIN'
    }
    if (!maySend(state) || connection.send.finQueued) return this.takeError() ?? 'EPIPE'
    const taken = this.socket.write(bytes, at, length, flags)
    return taken === 0 && length > 0 ? 'EAGAIN' : taken
  }

  /** A writer that found no room has not been woken yet (SOCK_NOSPACE). */
  get fills(): boolean {
    const { connection } = this
    return connection?.wantsRoom === true && connection.error === null && maySend(connection.state)
  }

  /** tcp_recvmsg: how many bytes came, 0 at the end of the stream, or why none. */
  receive(into: Uint8Array, length: number, flags: number): number | Errno {
    const { connection } = this
    if (this.#listener !== null) return 'ENOTCONN'
    if (connection === null) return this.takeError() ?? 'ENOTCONN'
    const { receive } = connection
    if ((flags & Msg.OOB) !== 0) return this.#receiveUrgent(connection, into, flags)
    if (receive.readable > 0) {
      if ((flags & Msg.PEEK) !== 0)
        return receive.peek(into, 0, (flags & Msg.TRUNC) !== 0 ? 0 : length) || Math.min(receive.readable, length)
      return (flags & Msg.TRUNC) !== 0 ? this.socket.skip(length) : this.socket.read(into, 0, length)
    }
    if (receive.finished) return 0
    const error = this.takeError()
    if (error !== null) return error
    if ((this.#shut & SHUT_RECEIVE) !== 0) return 0
    return 'EAGAIN'
  }

  /** Bytes that a sleeping recv() still waits for before it returns what it has (SO_RCVLOWAT, MSG_WAITALL). */
  enough(length: number, flags: number): boolean {
    const { connection } = this
    if (connection === null || this.#shut !== 0 || connection.error !== null) return true
    const target = (flags & Msg.WAITALL) !== 0 ? length : Math.min(length, this.settings.receiveLow)
    return connection.receive.readable >= Math.max(target, 1)
  }

  /** inet_shutdown. `how`: SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. */
  shutdown(how: number): Errno | null {
    if (how < 0 || how > 2) return 'EINVAL'
    const bits = how + 1
    const { connection } = this
    if (this.#listener !== null) {
      if ((bits & SHUT_RECEIVE) !== 0) this.disconnect()
      return null
    }
    const state = connection?.state ?? 'CLOSED'
    if (this.#phase === 'connecting') {
      const early = state === 'SYN-SENT' || state === 'SYN-RECEIVED' || state === 'CLOSED'
      this.#phase = early ? 'disconnecting' : 'connected'
    }
    if (connection === null || state === 'CLOSED' || state === 'TIME-WAIT') return 'ENOTCONN'
    if (state === 'SYN-SENT') this.disconnect()
    else {
      if ((bits & SHUT_RECEIVE) !== 0) connection.receiveShut = true
      if ((bits & SHUT_SEND) !== 0) this.socket.shutdown()
      this.changed?.()
    }
    return null
  }

  close(): void {
    this.changed = null
    if (this.#listener !== null) this.#listener.close()
    else this.socket.close()
  }

  /** sock_error: reading it clears it. */
  takeError(): Errno | null {
    const { connection } = this
    const error = this.#error ?? connection?.error ?? null
    this.#error = null
    if (connection !== null) connection.error = null
    return error
  }

  /** tcp_poll: what is the case, as bits of `Poll`. */
  poll(): number {
    if (this.#listener !== null) return this.#listener.waiting > 0 ? Poll.IN | Poll.RDNORM : 0
    const { connection } = this
    const state = connection?.state ?? 'CLOSED'
    const shut = this.#shut
    let mask = 0
    if (shut === (SHUT_RECEIVE | SHUT_SEND) || state === 'CLOSED' || state === 'TIME-WAIT') mask |= Poll.HUP
    if ((shut & SHUT_RECEIVE) !== 0) mask |= Poll.IN | Poll.RDNORM | Poll.RDHUP
    if (state !== 'SYN-SENT' && state !== 'SYN-RECEIVED') {
      if (connection !== null && connection.receive.readable >= this.settings.receiveLow) mask |= Poll.IN | Poll.RDNORM
      if ((shut & SHUT_SEND) !== 0 || connection === null || connection.send.writable) mask |= Poll.OUT | Poll.WRNORM
      else connection.wantsRoom = true
      if (connection?.urgent?.here === true) mask |= Poll.PRI
    }
    if (this.#error !== null || (connection !== null && connection.error !== null)) mask |= Poll.ERR
    return mask
  }

  /** SIOCINQ: unread bytes, up to the urgent one (tcp_inq). */
  unread(): number | Errno {
    if (this.#listener !== null) return 'EINVAL'
    const { connection } = this
    if (connection === null) return 0
    const { state, receive } = connection
    if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') return 0
    const { urgent, settings } = connection
    return urgent === null || settings.urgentInline ? receive.readable : urgent.ahead(receive)
  }

  /** SIOCOUTQ: bytes written that are not acknowledged; SIOCOUTQNSD: not even sent. */
  unacknowledged(unsent: boolean): number | Errno {
    if (this.#listener !== null) return 'EINVAL'
    const { connection } = this
    if (connection === null) return 0
    const { state, send } = connection
    if (state === 'SYN-SENT' || state === 'SYN-RECEIVED') return 0
    return unsent ? Math.max(0, send.unsent) : send.unfinished
  }

  /** tcp_inq_hint: what TCP_INQ reports beside recv(). */
  inq(): number {
    const { connection } = this
    if (connection === null) return 0
    const { receive } = connection
    if (receive.readable > 0) return receive.readable
    return receive.finished ? 1 : 0
  }

  /** tcp_recv_urg. */
  #receiveUrgent({ urgent, state, receive }: Connection, into: Uint8Array, flags: number): number | Errno {
    if (this.settings.urgentInline || urgent === null || urgent.taken) return 'EINVAL'
    if (state === 'CLOSED' && !receive.finished) return 'ENOTCONN'
    if (urgent.here) return urgent.take(into, (flags & Msg.PEEK) !== 0)
    return (this.#shut & SHUT_RECEIVE) !== 0 ? 0 : 'EAGAIN'
  }

  /** SO_ERROR: what ended the connection, or an error that did not; reading clears it. */
  takeAnyError(): Errno | null {
    const error = this.takeError()
    const { connection } = this
    if (error !== null || connection === null) return error
    const soft = connection.softError
    connection.softError = null
    return soft
  }

  /** sk_shutdown: what we shut, what the peer's FIN shut, and all of it at the end (tcp_done). */
  get #shut(): number {
    const { connection } = this
    if (connection === null) return 0
    const { state, receive, send } = connection
    if (state === 'CLOSED' || state === 'TIME-WAIT') return SHUT_RECEIVE | SHUT_SEND
    const receiving = connection.receiveShut || receive.finished ? SHUT_RECEIVE : 0
    return receiving | (send.finQueued ? SHUT_SEND : 0)
  }
}
