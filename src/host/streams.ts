/**
 * Sockets as programs use them: `await stream.read()`. The sockets underneath call back from inside an event; these
 * wrappers wait for that through the process, so that a killed program lets go and no time passes unnoticed.
 */
import { type Errno, strerror } from '../net/errno.ts'
import { MICROSECOND, type Nanos } from '../sim/scheduler.ts'
import type { TcpListener, TcpSocket } from '../socket/tcp/socket.ts'
import type { UdpSocket } from '../socket/udp.ts'
import { ANY, type Ipv4 } from '../wire/address.ts'
import type { Process } from './process.ts'

/** A socket call failed; the message is the C library's sentence. */
export class SocketError extends Error {
  override readonly name = 'SocketError'
  readonly errno: Errno

  constructor(errno: Errno) {
    super(strerror(errno))
    this.errno = errno
  }
}

/** Nothing came in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'

  constructor() {
    super('timed out')
  }
}

const CHUNK = 65_536
/** A program's time around a system call. */
const COMPUTING = 30 * MICROSECOND
/**
 * From a write to the program's next call. Where links are short, the peer's kernel has answered by then: a veth's far
 * end runs inside the sender's system call, so that the ACK of the last segment comes before a FIN, as captures show.
 */
export const WRITTEN = 200 * MICROSECOND
// One for all: it is read out before anybody else can run.
const scratch = new Uint8Array(CHUNK)

/** One TCP connection. */
export class TcpStream {
  readonly socket: TcpSocket
  /** How long connect, read and write wait; null is for ever (SO_RCVTIMEO, or a program's own poll). */
  timeout: Nanos | null = null
  readonly #self: Process
  #error: Errno | null = null
  #closed = false
  #wake: (() => void) | null = null

  /** Takes over the socket's callbacks. */
  constructor(self: Process, socket: TcpSocket) {
    this.#self = self
    this.socket = socket
    const wake = () => this.#wake?.()
    socket.onConnect = wake
    socket.onReadable = wake
    socket.onWritable = wake
    socket.onClose = (error) => {
      this.#error ??= error
      this.#closed = true
      wake()
    }
  }

  /** @throws SocketError, TimedOut.. */
  static async connect(self: Process, address: Ipv4, port: number, timeout: Nanos | null = null): Promise<TcpStream> {
    const stream = new TcpStream(self, self.tcp())
    stream.timeout = timeout
    try {
      await stream.connect(address, port)
      return stream
    } catch (error) {
      stream.close()
      throw error
    }
  }

  async connect(address: Ipv4, port: number): Promise<void> {
    const refused = this.socket.connect(address, port)
    if (refused !== null) throw new SocketError(refused)
    const began = this.#self.now()
    while (!this.#closed && (this.socket.state === 'SYN-SENT' || this.socket.state === 'SYN-RECEIVED')) {
      await this.#event(began)
    }
    this.#check()
  }

  get remoteAddress(): Ipv4 {
    return this.socket.remoteAddress
  }

  get remotePort(): number {
    return this.socket.remotePort
  }

  /** What is there, at most `limit` bytes; null at the peer's end. @throws SocketError, TimedOut */
  async read(limit = CHUNK): Promise<Uint8Array | null> {
    const began = this.#self.now()
    for (;;) {
      const length = this.socket.read(scratch, 0, Math.min(limit, CHUNK))
      if (length > 0) return scratch.slice(0, length)
      if (this.socket.ended) return null
      this.#check()
      if (this.#closed) return null
      await this.#event(began)
    }
  }

  /** All of it, as sendall does: it is in the send buffer then, not yet with the peer. @throws SocketError, TimedOut */
  async write(bytes: Uint8Array): Promise<void> {
    const began = this.#self.now()
    // A program has made up what it says before, and does the next thing after: no instant of a real one is so full.
    await this.#self.sleep(COMPUTING)
    for (let sent = 0; ; ) {
      this.#check()
      if (this.#closed) throw new SocketError('EPIPE')
      sent += this.socket.write(bytes, sent, bytes.length - sent)
      if (sent >= bytes.length) break
      await this.#event(began)
    }
    await this.#self.sleep(WRITTEN)
  }

  /** FIN: no more will be written. */
  shutdown(): void {
    this.socket.shutdown()
  }

  close(): void {
    this.#self.disclaim(this.socket)
    this.socket.close()
  }

  #check(): void {
    const error = this.#error
    if (error === null) return
    this.#error = null
    throw new SocketError(error)
  }

  async #event(began: Nanos): Promise<void> {
    const left = this.timeout === null ? undefined : began + this.timeout - this.#self.now()
    if (left !== undefined && left <= 0) throw new TimedOut()
    const happened = await this.#self.wait<true>((settle) => {
      this.#wake = () => settle(true)
    }, left)
    this.#wake = null
    if (happened === null) throw new TimedOut()
  }
}

/** A listening socket whose connections are accepted one by one. */
export class TcpAcceptor {
  readonly #self: Process
  readonly #listener: TcpListener
  readonly #queue: TcpStream[] = []
  #wake: (() => void) | null = null

  /** @throws SocketError when the port is taken. */
  constructor(self: Process, port: number, address: Ipv4 = ANY, backlog = 128) {
    this.#self = self
    this.#listener = listen(self, port, address, backlog)
    this.#listener.onAccept = (socket) => {
      this.#queue.push(new TcpStream(self, self.own(socket)))
      this.#wake?.()
    }
  }

  get port(): number {
    return this.#listener.localPort
  }

  async accept(): Promise<TcpStream> {
    for (;;) {
      const stream = this.#queue.shift()
      if (stream !== undefined) return stream
      await this.#self.wait<true>((settle) => {
        this.#wake = () => settle(true)
      })
      this.#wake = null
    }
  }

  close(): void {
    this.#self.disclaim(this.#listener)
    this.#listener.close()
  }
}

/** socket, bind, listen; closed with the process. @throws SocketError */
export function listen(self: Process, port: number, address: Ipv4 = ANY, backlog = 128): TcpListener {
  const socket = self.tcp()
  // Servers say SO_REUSEADDR, so that connections of their last run do not keep them from the port.
  socket.change().reuseAddress = true
  const refused = socket.bind(address, port)
  const listener = refused ?? socket.listen(backlog)
  self.disclaim(socket)
  if (typeof listener !== 'string') return self.own(listener)
  socket.close()
  throw new SocketError(listener)
}

export interface Datagram {
  readonly payload: Uint8Array
  readonly from: Ipv4
  readonly fromPort: number
}

/** A UDP socket whose datagrams are received one by one. */
export class Datagrams {
  readonly socket: UdpSocket
  readonly #self: Process
  readonly #queue: Datagram[] = []
  #error: Errno | null = null
  #wake: (() => void) | null = null

  /** Takes over the socket's callbacks. */
  constructor(self: Process, socket: UdpSocket) {
    this.#self = self
    this.socket = socket
    socket.onDatagram = (payload, from, fromPort) => {
      this.#queue.push({ payload: payload.slice(), from, fromPort })
      this.#wake?.()
    }
    socket.onError = (errno) => {
      this.#error = errno
      this.#wake?.()
    }
  }

  /** Bound to a port on all addresses. @throws SocketError */
  static bind(self: Process, port: number, address: Ipv4 = ANY): Datagrams {
    const socket = self.udp()
    const refused = socket.bind(address, port)
    if (refused !== null) throw new SocketError(refused)
    return new Datagrams(self, socket)
  }

  /** @throws SocketError: an error that came for what was sent before, or this one's own. */
  send(payload: Uint8Array): void {
    this.#check()
    const refused = this.socket.send(payload)
    if (refused !== null) throw new SocketError(refused)
  }

  sendTo(payload: Uint8Array, address: Ipv4, port: number): void {
    const refused = this.socket.sendTo(payload, address, port)
    if (refused !== null) throw new SocketError(refused)
  }

  /** Null after the time-out. @throws SocketError */
  async receive(timeout?: Nanos): Promise<Datagram | null> {
    const began = this.#self.now()
    for (;;) {
      this.#check()
      const datagram = this.#queue.shift()
      if (datagram !== undefined) return datagram
      const left = timeout === undefined ? undefined : began + timeout - this.#self.now()
      if (left !== undefined && left <= 0) return null
      await this.#self.wait<true>((settle) => {
        this.#wake = () => settle(true)
      }, left)
      this.#wake = null
    }
  }

  close(): void {
    this.#self.disclaim(this.socket)
    this.socket.close()
  }

  #check(): void {
    const error = this.#error
    if (error === null) return
    this.#error = null
    throw new SocketError(error)
  }
}
