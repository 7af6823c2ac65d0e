/**
 * A small HTTP/1.1 server: callbacks on sockets; an answer is one write, a moment after the request's last byte.
 */

import { MICROSECOND, type Nanos } from '../sim/scheduler.ts'
import type { TcpSocket } from '../socket/tcp/socket.ts'
import type { Ipv4 } from '../wire/address.ts'
import {
  closesAfter,
  encodeText,
  formatMessage,
  type Header,
  type HttpMessage,
  HttpReader,
  requestLine,
} from './http.ts'
import { Killed, type Process } from './process.ts'
import { listen, WRITTEN } from './streams.ts'

export interface HttpRequest extends HttpMessage {
  readonly method: string
  /** Path and query, as sent. */
  readonly target: string
  /** Without the query, percent-decoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly clientAddress: Ipv4
  readonly clientPort: number
}

export interface HttpResponse {
  readonly status?: number
  /** Instead of the status's usual words. */
  readonly reason?: string
  readonly headers?: readonly Header[]
  readonly body?: string | Uint8Array
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>

export interface HttpServerOptions {
  /** Only at this address of the machine; at all unless it is said. */
  readonly address?: Ipv4
  /** Headers of every answer, before its own. */
  readonly headers?: () => readonly Header[]
  /** listen(2)'s; 511, as web servers have it, when nothing is said. */
  readonly backlog?: number
  /** HTTP/1.0 closes behind each answer, and says nothing about it. */
  readonly version?: '1.0' | '1.1'
  /** The head is a write of its own, before the body's. */
  readonly headFirst?: boolean
}

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
}

/** Listens until the process ends. @throws SocketError when the port is taken. */
export function serveHttp(self: Process, port: number, handler: HttpHandler, options: HttpServerOptions = {}): void {
  const listener = listen(self, port, options.address, options.backlog ?? 511)
  listener.onAccept = (socket) => {
    new Connection(self, self.own(socket), handler, options).readable()
  }
}

/** The time as HTTP's Date header has it (RFC 9110, 5.6.7). */
export function httpDate(self: Process): string {
  return new Date(self.runner.wallClock).toUTCString()
}

/** From a request's arrival to its answer: what programs take on an idle machine. */
const SERVING: Nanos = 80 * MICROSECOND
/** Between two writes of one answer. */
const WRITING: Nanos = 30 * MICROSECOND
/** From the peer's end to ours: another thread has to wake up for it. */
const CLOSING: Nanos = 300 * MICROSECOND

class Connection {
  readonly #self: Process
  readonly #socket: TcpSocket
  readonly #handler: HttpHandler
  readonly #options: HttpServerOptions
  readonly #reader = new HttpReader('request')
  readonly #scratch = new Uint8Array(16_384)
  /** Bytes that the send buffer did not take yet. */
  #unsent: Uint8Array = new Uint8Array(0)
  #busy = false
  #closing = false
  /** The head is written, the body not yet. */
  #owing = false

  constructor(self: Process, socket: TcpSocket, handler: HttpHandler, options: HttpServerOptions) {
    this.#self = self
    this.#socket = socket
    this.#handler = handler
    this.#options = options
    socket.onReadable = () => this.readable()
    socket.onWritable = () => this.#flush()
    socket.onClose = () => self.disclaim(socket)
  }

  get #old(): boolean {
    return this.#options.version === '1.0'
  }

  readable(): void {
    for (;;) {
      const length = this.#socket.read(this.#scratch, 0, this.#scratch.length)
      if (length === 0) break
      this.#reader.push(this.#scratch.slice(0, length))
    }
    this.#next()
  }

  /** One request at a time, in order (pipelining). */
  #next(): void {
    while (!this.#busy && !this.#closing) {
      const message = this.#reader.take()
      if (message === null) break
      this.#serve(message)
    }
    if (this.#busy || this.#closing) return
    if (this.#reader.malformed) {
      this.#closing = true
      this.#reply({ status: 400, body: 'Bad Request\n' }, 'GET')
    } else if (this.#socket.ended) {
      this.#closing = true
      this.#later(CLOSING, () => this.#close())
    }
  }

  #serve(message: HttpMessage): void {
    const line = requestLine(message.start)
    if (line === null) return
    const request = { ...message, ...line, ...splitTarget(line.target), ...clientOf(this.#socket) }
    if (closesAfter(message) || this.#old) this.#closing = true
    const answer = this.#handler(request)
    this.#busy = true
    if (!(answer instanceof Promise)) {
      return this.#later(SERVING, () => {
        this.#busy = false
        this.#reply(answer, line.method)
        this.#next()
      })
    }
    // The handler was begun inside an event: it goes on before time does.
    this.#self.runner.wake()
    answer.then(
      (response) => {
        this.#busy = false
        this.#reply(response, line.method)
        this.#next()
      },
      (error) => {
        // Killed while it worked on this: the connection goes with the process. Anything else is a fault of ours.
        this.#busy = false
        this.#close()
        if (!(error instanceof Killed)) throw error
      },
    )
  }

  #reply(response: HttpResponse, method: string): void {
    const body = typeof response.body === 'string' ? encodeText(response.body) : (response.body ?? new Uint8Array(0))
    const status = response.status ?? 200
    const headers: Header[] = [...(this.#options.headers?.() ?? []), ...(response.headers ?? [])]
    if (!headers.some(([name]) => name === 'Content-Length')) headers.push(['Content-Length', String(body.length)])
    if (this.#closing && !this.#old) headers.push(['Connection', 'close'])
    const start = `HTTP/${this.#old ? '1.0' : '1.1'} ${status} ${response.reason ?? reasons[status] ?? 'Unknown'}`
    const sent = method === 'HEAD' ? undefined : body
    if (this.#options.headFirst !== true || sent === undefined || sent.length === 0) {
      return this.#send(formatMessage(start, headers, sent))
    }
    this.#owing = true
    this.#send(formatMessage(start, headers))
    this.#later(WRITING, () => {
      this.#owing = false
      this.#send(sent)
    })
  }

  #send(bytes: Uint8Array): void {
    if (this.#unsent.length > 0) {
      const all = new Uint8Array(this.#unsent.length + bytes.length)
      all.set(this.#unsent)
      all.set(bytes, this.#unsent.length)
      this.#unsent = all
    } else this.#unsent = bytes
    this.#flush()
  }

  #flush(): void {
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.subarray(this.#socket.write(this.#unsent))
    if (this.#unsent.length === 0 && this.#closing && !this.#owing) this.#later(WRITTEN, () => this.#close())
  }

  /** The kernel's own answer, an ACK, is on the wire before the program's. */
  #later(delay: Nanos, action: () => void): void {
    this.#self.world.scheduler.call(delay, () => {
      if (!this.#self.killed) action()
    })
  }

  #close(): void {
    this.#closing = true
    this.#self.disclaim(this.#socket)
    this.#socket.close()
  }
}

function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const mark = target.indexOf('?')
  const raw = mark < 0 ? target : target.slice(0, mark)
  return { path: percentDecoded(raw), query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)) }
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function clientOf(socket: TcpSocket): { clientAddress: Ipv4; clientPort: number } {
  return { clientAddress: socket.remoteAddress, clientPort: socket.remotePort }
}
