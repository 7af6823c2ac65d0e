/** The requests of the test door that are system calls: their fields in, what they return out. */
import type { Errno } from '../../net/errno.ts'
import { InetStream, Poll } from '../../socket/tcp/inet-stream.ts'
import { kernelInfo } from '../../socket/tcp/kernel-info.ts'
import { Msg } from '../../socket/tcp/message.ts'
import type { OptionValue } from '../../socket/tcp/option.ts'
import { getError, getOption, setOption } from '../../socket/tcp/socket-options.ts'
import { type Answer, type Calls, done, failed } from './calls.ts'
import { Fields, Unsupported } from './fields.ts'
import type { Host } from './host.ts'

/** The first handle. */
const FIRST = 100
const LARGEST = 0x7fffffff
/** UIO_MAXIOV. */
const MOST_PIECES = 1024

const shutdowns: Readonly<Record<string, number>> = { SHUT_RD: 0, SHUT_WR: 1, SHUT_RDWR: 2 }
const sendFlags = {
  MSG_OOB: Msg.OOB,
  MSG_EOR: Msg.EOR,
  MSG_MORE: Msg.MORE,
  MSG_DONTWAIT: Msg.DONTWAIT,
  MSG_NOSIGNAL: Msg.NOSIGNAL,
}
const receiveFlags = {
  MSG_OOB: Msg.OOB,
  MSG_PEEK: Msg.PEEK,
  MSG_TRUNC: Msg.TRUNC,
  MSG_ERRQUEUE: Msg.ERRQUEUE,
  MSG_DONTWAIT: Msg.DONTWAIT,
  MSG_WAITALL: Msg.WAITALL,
  MSG_NOSIGNAL: Msg.NOSIGNAL,
}
const pollEvents: Readonly<Record<string, number>> = {
  POLLIN: Poll.IN,
  POLLPRI: Poll.PRI,
  POLLOUT: Poll.OUT,
  POLLERR: Poll.ERR,
  POLLHUP: Poll.HUP,
  POLLRDNORM: Poll.RDNORM,
  POLLWRNORM: Poll.WRNORM,
  POLLRDHUP: Poll.RDHUP,
}

interface Handle {
  readonly stream: InetStream
  nonblock: boolean
}

export class SocketCalls {
  readonly #host: Host
  readonly #calls: Calls
  readonly #handles = new Map<number, Handle>()
  #next = FIRST

  constructor(host: Host, calls: Calls) {
    this.#host = host
    this.#calls = calls
  }

  make(id: number, op: string, fields: Fields): void {
    switch (op) {
      case 'socket':
        return this.#answer(id, { ret: this.#open(new InetStream(this.#host.sockets.tcp()), fields.flag('nonblock')) })
      case 'poll':
        return this.#poll(id, fields)
      default:
        this.#onHandle(id, op, fields)
    }
  }

  #onHandle(id: number, op: string, fields: Fields): void {
    const act = this.#acts[op]
    if (act === undefined) throw new Unsupported(`op ${JSON.stringify(op)} is not modelled`)
    const handle = this.#handles.get(fields.integer('fd'))
    if (handle === undefined) return this.#answer(id, failed('EBADF'))
    act(id, handle, fields)
  }

  readonly #acts: Readonly<Record<string, (id: number, handle: Handle, fields: Fields) => void>> = {
    bind: (id, { stream }, fields) =>
      this.#answer(id, done(stream.bind(fields.address('ip'), fields.integer('port', 0, 65_535)))),
    listen: (id, { stream }, fields) => this.#answer(id, done(stream.listen(fields.integer('backlog')))),
    accept: (id, handle, fields) => this.#accept(id, handle, fields),
    connect: (id, handle, fields) => this.#connect(id, handle, fields),
    send: (id, handle, fields) => this.#send(id, handle, fields),
    recv: (id, handle, fields) => this.#receive(id, handle, fields),
    close: (id, handle, fields) => this.#close(id, handle, fields),
    shutdown: (id, { stream }, fields) => {
      const how = fields.raw('how')
      const number = typeof how === 'string' ? shutdowns[how] : undefined
      this.#answer(id, done(stream.shutdown(number ?? fields.integer('how'))))
    },
    set_nonblock: (id, handle, fields) => {
      handle.nonblock = fields.flag('on')
      this.#answer(id, { ret: 0 })
    },
    setsockopt: (id, { stream }, fields) => this.#setOption(id, stream, fields),
    getsockopt: (id, { stream }, fields) => {
      const value = getOption(stream, fields.text('level'), fields.text('name'))
      if (value === null) throw new Unsupported(`${fields.text('level')} ${fields.text('name')} is not modelled`)
      const error = getError(fields.text('name'), value)
      this.#answer(id, error === null ? { ret: 0, extras: { value } } : failed(error))
    },
    ioctl: (id, { stream }, fields) => this.#ioctl(id, stream, fields.text('name')),
    tcp_info: (id, { stream }) => this.#answer(id, { ret: 0, extras: { info: kernelInfo(stream) } }),
  }

  #open(stream: InetStream, nonblock: boolean): number {
    const fd = this.#next++
    this.#handles.set(fd, { stream, nonblock })
    return fd
  }

  #answer(id: number, answer: Answer): void {
    this.#calls.make(id, () => answer)
  }

  #accept(id: number, { stream, nonblock }: Handle, fields: Fields): void {
    const childNonblock = fields.flag('nonblock')
    const attempt = (): Answer | null => {
      const child = stream.accept()
      if (child === 'EAGAIN') return nonblock ? failed(child) : null
      if (typeof child === 'string') return failed(child)
      const { remoteAddress, remotePort } = child.socket
      const extras = { peer_ip: textOf(remoteAddress), peer_port: remotePort }
      return { ret: this.#open(child, childNonblock), extras }
    }
    this.#calls.make(id, attempt, stream.settings.receiveTimeout, () => failed('EAGAIN'))
  }

  #connect(id: number, { stream, nonblock }: Handle, fields: Fields): void {
    if (fields.flag('unspec')) {
      stream.disconnect()
      return this.#answer(id, { ret: 0 })
    }
    const address = fields.address('ip')
    const port = fields.integer('port', 0, 65_535)
    let first = true
    let waiting = stream.connect(address, port)
    const attempt = (): Answer | null => {
      if (!first) waiting = stream.connecting('EINPROGRESS')
      first = false
      if (waiting === 'EINPROGRESS' || waiting === 'EALREADY') return nonblock ? failed(waiting) : null
      return done(waiting)
    }
    this.#calls.make(id, attempt, stream.settings.sendTimeout, () => failed(waiting ?? 'EINPROGRESS'))
  }

  #send(id: number, { stream, nonblock }: Handle, fields: Fields): void {
    const flags = fields.bits('flags', sendFlags)
    const bytes = sendBytes(fields)
    if (fields.has('ip')) fields.address('ip')
    if (typeof bytes === 'string') return this.#answer(id, failed(bytes))
    const patient = !nonblock && (flags & Msg.DONTWAIT) === 0
    let sent = 0
    let asleep = false
    const attempt = (): Answer | null => {
      if (asleep && stream.fills) return null
      const taken = stream.send(bytes, sent, bytes.length - sent, patient ? flags : flags | Msg.DONTWAIT)
      if (typeof taken === 'number') sent += taken
      if (sent === bytes.length && typeof taken === 'number') return { ret: sent }
      if (taken !== 'EAGAIN' && typeof taken === 'string') return sent > 0 ? { ret: sent } : failed(taken)
      asleep = patient
      if (patient) return null
      return sent > 0 ? { ret: sent } : failed('EAGAIN')
    }
    const late = () => (sent > 0 ? { ret: sent } : failed('EAGAIN'))
    this.#calls.make(id, attempt, stream.settings.sendTimeout, late)
  }

  #receive(id: number, { stream, nonblock }: Handle, fields: Fields): void {
    const length = fields.integer('len', 0, LARGEST)
    const flags = fields.bits('flags', receiveFlags)
    // A stream's error queue holds what nobody asks for here, time stamps and buffers sent without a copy: it is empty.
    if ((flags & Msg.ERRQUEUE) !== 0) return this.#answer(id, failed('EAGAIN'))
    // Urgent data are never waited for.
    const patient = !nonblock && (flags & (Msg.DONTWAIT | Msg.OOB)) === 0
    const take = (): Answer => {
      const readable = stream.connection?.receive.readable ?? 0
      const taken = stream.receive(new Uint8Array(Math.min(length, Math.max(readable, 1))), length, flags)
      if (typeof taken === 'string') return failed(taken)
      return { ret: taken, extras: stream.settings.inq ? { inq: stream.inq() } : {} }
    }
    const attempt = (): Answer | null => {
      if (patient && !stream.enough(length, flags)) return null
      const answer = take()
      return patient && answer.err === 'EAGAIN' ? null : answer
    }
    this.#calls.make(id, attempt, stream.settings.receiveTimeout, take)
  }

  /** SO_LINGER with a time: close() sleeps until the FIN is acknowledged (sk_stream_wait_close). */
  #close(id: number, { stream }: Handle, fields: Fields): void {
    this.#handles.delete(fields.integer('fd'))
    const { connection, settings } = stream
    stream.close()
    const attempt = (): Answer | null => {
      const state = connection?.state
      const waits = state === 'FIN-WAIT-1' || state === 'CLOSING' || state === 'LAST-ACK'
      return waits && settings.linger > 0 ? null : { ret: 0 }
    }
    this.#calls.make(id, attempt, settings.linger * 1e6)
  }

  #setOption(id: number, stream: InetStream, fields: Fields): void {
    const level = fields.text('level')
    const name = fields.text('name')
    const value = fields.raw('value')
    if (!isOptionValue(value)) throw new Unsupported(`value is a number, a string or an object of numbers`)
    const result = setOption(stream, level, name, value)
    if (result === 'unknown') throw new Unsupported(`${level} ${name} is not modelled`)
    this.#answer(id, done(result))
  }

  #ioctl(id: number, stream: InetStream, name: string): void {
    let value: ReturnType<InetStream['unread']>
    if (name === 'SIOCINQ' || name === 'FIONREAD') value = stream.unread()
    else if (name === 'SIOCOUTQ' || name === 'TIOCOUTQ') value = stream.unacknowledged(false)
    else if (name === 'SIOCOUTQNSD') value = stream.unacknowledged(true)
    else throw new Unsupported(`ioctl ${name} is not modelled`)
    this.#answer(id, typeof value === 'string' ? failed(value) : { ret: 0, extras: { value } })
  }

  #poll(id: number, fields: Fields): void {
    const watched = fields.list('fds').map((each) => {
      const entry = new Fields(typeof each === 'object' && each !== null ? (each as Record<string, unknown>) : {})
      return { fd: entry.integer('fd'), events: entry.bits('events', pollEvents) }
    })
    const milliseconds = fields.integerOr('timeout_ms', -1)
    const look = (): Answer => {
      const revents = watched.map(({ fd, events }) => this.#ready(fd, events))
      return { ret: revents.filter((each) => each.length > 0).length, extras: { revents } }
    }
    const attempt = (): Answer | null => {
      const seen = look()
      return seen.ret > 0 || milliseconds === 0 ? seen : null
    }
    this.#calls.make(id, attempt, milliseconds * 1000, look)
  }

  #ready(fd: number, events: number): string[] {
    if (fd < 0) return []
    const handle = this.#handles.get(fd)
    if (handle === undefined) return ['POLLNVAL']
    const found = handle.stream.poll() & (events | Poll.ERR | Poll.HUP)
    return Object.keys(pollEvents).filter((name) => (found & pollEvents[name]) !== 0)
  }
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

function isOptionValue(value: unknown): value is OptionValue {
  if (typeof value === 'number' || typeof value === 'string') return true
  return typeof value === 'object' && value !== null && Object.values(value).every((each) => typeof each === 'number')
}

/**
 * What sendmsg() gathers: the pieces of `iov`, or one of `len` bytes, filled from `data` and then with zeros. An errno: the
 * vector is not one (import_iovec).
 */
function sendBytes(fields: Fields): Uint8Array | Errno {
  const data = fields.has('data') ? fields.bytes('data') : null
  let length = fields.has('len') ? fields.integer('len', 0, LARGEST) : (data?.length ?? 0)
  if (fields.has('iov')) {
    const pieces = fields.list('iov')
    if (pieces.length > MOST_PIECES) return 'EMSGSIZE'
    length = 0
    for (const piece of pieces) {
      if (!Number.isInteger(piece)) throw new Unsupported(`iov is a list of lengths, not of ${JSON.stringify(piece)}`)
      if ((piece as number) < 0) return 'EINVAL'
      length = Math.min(length + (piece as number), LARGEST)
    }
  }
  if (data !== null && data.length === length) return data
  const bytes = new Uint8Array(length)
  if (data !== null) bytes.set(data.subarray(0, length))
  return bytes
}
