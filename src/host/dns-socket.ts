/** How resolvers and DNS tools send queries: a UDP socket with a queue of replies, and one query over TCP. */
import type { Errno } from '../net/errno.ts'
import type { Nanos } from '../sim/scheduler.ts'
import type { UdpSocket } from '../socket/udp.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { Process } from './process.ts'

export const DNS_PORT = 53

export interface DnsSocketOptions {
  /** Null: not connected, hears every server it sends to. */
  readonly server: Ipv4 | null
  readonly port: number
  readonly dontFragment: boolean
  /** IP_RECVERR: ICMP errors that do not end a connection are heard too; glibc sets it. */
  readonly receiveErrors?: boolean
}

export class DnsSocket {
  readonly #self: Process
  readonly #socket: UdpSocket
  readonly #queue: (Uint8Array | Errno)[] = []
  readonly #asked = new Set<Ipv4>()
  readonly #port: number
  #waiting: ((got: Uint8Array | Errno) => void) | null = null
  /** Why it could not be opened. */
  readonly error: Errno | null

  constructor(self: Process, options: DnsSocketOptions) {
    this.#self = self
    this.#port = options.port
    this.#socket = self.udp()
    this.#socket.dontFragment = options.dontFragment
    this.#socket.receiveErrors = options.receiveErrors ?? false
    this.error =
      options.server === null ? this.#socket.bind(0 as Ipv4, 0) : this.#socket.connect(options.server, options.port)
    if (options.server !== null) this.#asked.add(options.server)
    this.#socket.onDatagram = (payload, from, port) => {
      if (port === this.#port && this.#asked.has(from)) this.#arrived(payload)
    }
    this.#socket.onError = (errno) => this.#arrived(errno)
  }

  /** Through a connected socket. */
  send(query: Uint8Array): Errno | null {
    // An error that nobody has read yet is the next call's.
    const at = this.#queue.findIndex((got) => typeof got === 'string')
    if (at >= 0) return this.#queue.splice(at, 1)[0] as Errno
    return this.#socket.send(query)
  }

  sendTo(query: Uint8Array, server: Ipv4): Errno | null {
    this.#asked.add(server)
    return this.#socket.sendTo(query, server, this.#port)
  }

  /** The next reply or error; null when none comes before the deadline. */
  async receive(deadline: Nanos): Promise<Uint8Array | Errno | null> {
    const queued = this.#queue.shift()
    if (queued !== undefined) return queued
    const left = deadline - this.#self.now()
    if (left <= 0) return null
    try {
      return await this.#self.wait<Uint8Array | Errno>((settle) => {
        this.#waiting = settle
      }, left)
    } finally {
      this.#waiting = null
    }
  }

  close(): void {
    this.#socket.close()
    this.#self.disclaim(this.#socket)
  }

  #arrived(got: Uint8Array | Errno): void {
    const waiting = this.#waiting
    this.#waiting = null
    if (waiting === null) this.#queue.push(got)
    else waiting(got)
  }
}

/** A message behind its two length octets, RFC 1035 section 4.2.2. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(message.length + 2)
  bytes[0] = message.length >>> 8
  bytes[1] = message.length
  bytes.set(message, 2)
  return bytes
}

/** Collects a byte stream and cuts it into messages. */
export class DnsStream {
  #bytes = new Uint8Array(0)

  push(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#bytes.length + bytes.length)
    all.set(this.#bytes)
    all.set(bytes, this.#bytes.length)
    this.#bytes = all
  }

  /** The next whole message; null while there is none. */
  shift(): Uint8Array | null {
    if (this.#bytes.length < 2) return null
    const end = 2 + ((this.#bytes[0] << 8) | this.#bytes[1])
    if (this.#bytes.length < end) return null
    const message = this.#bytes.slice(2, end)
    this.#bytes = this.#bytes.slice(end)
    return message
  }
}

/** One query on a TCP connection of its own. Null: no answer in time. */
export async function askByTcp(
  self: Process,
  query: Uint8Array,
  server: Ipv4,
  port: number,
  timeout: Nanos,
): Promise<Uint8Array | Errno | null> {
  const got = await askAllByTcp(self, [query], server, port, timeout)
  return got === null || typeof got === 'string' ? got : got[0]
}

/** These queries in one write on a connection of their own, and as many answers. */
export async function askAllByTcp(
  self: Process,
  queries: readonly Uint8Array[],
  server: Ipv4,
  port: number,
  timeout: Nanos,
): Promise<readonly Uint8Array[] | Errno | null> {
  const socket = self.tcp()
  const stream = new DnsStream()
  const chunk = new Uint8Array(4096)
  const answers: Uint8Array[] = []
  try {
    return await self.wait<readonly Uint8Array[] | Errno>((settle) => {
      const readAll = () => {
        while (socket.readable > 0) stream.push(chunk.slice(0, socket.read(chunk)))
        for (let message = stream.shift(); message !== null; message = stream.shift()) answers.push(message)
        if (answers.length >= queries.length) settle(answers)
        else if (socket.ended) settle('ECONNRESET')
      }
      socket.onConnect = () => void socket.write(Uint8Array.from(queries.flatMap((query) => [...framed(query)])))
      socket.onReadable = readAll
      socket.onClose = (error) => settle(error ?? 'ECONNRESET')
      const failed = socket.connect(server, port)
      if (failed !== null) settle(failed)
    }, timeout)
  } finally {
    socket.onClose = null
    socket.close()
    self.disclaim(socket)
  }
}
