/**
 * One name server that CoreDNS forwards to (plugin/pkg/proxy of version 1.11): its connections, which are used again
 * for ten seconds, last one first, and its health check, which begins after a failure and asks `. NS` every half second
 * until there is an answer.
 */
import { type DnsMessage, dnsMessage } from '../../host/dns-message.ts'
import { DnsStream, framed } from '../../host/dns-socket.ts'
import { encodeMessage } from '../../host/dns-writer.ts'
import type { Process } from '../../host/process.ts'
import { decodeMessage } from '../../host/resolver.ts'
import { type Errno, strerror } from '../../net/errno.ts'
import { MILLISECOND, type Nanos, SECOND } from '../../sim/scheduler.ts'
import type { TcpSocket } from '../../socket/tcp/socket.ts'
import type { UdpSocket } from '../../socket/udp.ts'
import { formatIpv4, type Ipv4 } from '../../wire/address.ts'

const READ_TIMEOUT = 2 * SECOND
const CHECK_TIMEOUT = SECOND
const CHECK_INTERVAL = 500 * MILLISECOND

/** Either the reply or why there is none, in Go's words. */
export type Exchanged = (reply: DnsMessage | null, error: string) => void

interface Connection {
  /** Null closes it. */
  heard: ((bytes: Uint8Array | null, error: string) => void) | null
  used: Nanos
  readonly local: () => string
  send(bytes: Uint8Array): string | null
  close(): void
}

export class Upstream {
  readonly address: Ipv4
  readonly port: number
  /** Since it last answered a health check. */
  fails = 0
  readonly #self: Process
  readonly #alive: () => boolean
  readonly #expire: Nanos
  readonly #idle = { udp: [] as Connection[], tcp: [] as Connection[] }
  #checking = false

  /** `alive`: whether the program still runs. */
  constructor(self: Process, alive: () => boolean, address: Ipv4, port: number, expire: Nanos) {
    this.#self = self
    this.#alive = alive
    this.address = address
    this.port = port
    this.#expire = expire
  }

  get #where(): string {
    return `${formatIpv4(this.address)}:${this.port}`
  }

  /** Down means that more health checks in a row have failed. */
  isDown(most: number): boolean {
    return most > 0 && this.fails > most
  }

  ask(query: DnsMessage, transport: 'udp' | 'tcp', answer: Exchanged): void {
    this.#exchange(query, transport, READ_TIMEOUT, answer)
  }

  check(): void {
    if (this.#checking) return
    this.#checking = true
    this.#probe()
  }

  /** Closes what is idle. */
  close(): void {
    for (const connection of [...this.#idle.udp, ...this.#idle.tcp]) connection.close()
    this.#idle.udp.length = 0
    this.#idle.tcp.length = 0
  }

  #probe(): void {
    const { scheduler, random } = this.#self.world
    const questions = [{ name: '', type: 'NS', class: 'IN' }]
    const query = dnsMessage({ id: random.below(65536), recursionDesired: true, questions })
    this.#exchange(query, 'udp', CHECK_TIMEOUT, (reply) => {
      if (reply !== null) {
        this.fails = 0
        this.#checking = false
        return
      }
      this.fails++
      scheduler.call(CHECK_INTERVAL, () => {
        if (this.#alive() && this.#checking) this.#probe()
      })
    })
  }

  #exchange(query: DnsMessage, transport: 'udp' | 'tcp', timeout: Nanos, answer: Exchanged): void {
    if (!this.#alive()) return
    const { scheduler } = this.#self.world
    const connection = this.#idleOne(transport) ?? this.#dial(transport)
    if (typeof connection === 'string') return answer(null, connection)
    const bytes = encodeMessage(query)
    const path = () => `${transport} ${connection.local()}->${this.#where}`
    let over = false
    const end = (reply: DnsMessage | null, error: string) => {
      if (over) return
      over = true
      scheduler.cancel(timer)
      connection.heard = null
      if (reply === null) connection.close()
      else {
        connection.used = scheduler.now
        this.#idle[transport].push(connection)
      }
      answer(reply, error)
    }
    const timer = scheduler.call(timeout, () => end(null, `read ${path()}: i/o timeout`))
    connection.heard = (got, error) => {
      if (got === null) return end(null, error.startsWith('dial') ? error : `read ${path()}: ${error}`)
      const reply = decodeMessage(got)
      if (reply?.id === query.id) end(reply, '')
    }
    const failed = connection.send(bytes)
    if (failed !== null) end(null, `write ${path()}: write: ${failed}`)
  }

  #idleOne(transport: 'udp' | 'tcp'): Connection | null {
    const { now } = this.#self.world.scheduler
    const idle = this.#idle[transport]
    const last = idle.pop()
    if (last === undefined) return null
    if (now - last.used < this.#expire) return last
    // The youngest is too old: so are all.
    for (const connection of [last, ...idle]) connection.close()
    idle.length = 0
    return null
  }

  #dial(transport: 'udp' | 'tcp'): Connection | string {
    return transport === 'udp' ? this.#dialUdp() : this.#dialTcp()
  }

  #dialUdp(): Connection | string {
    const socket = this.#self.udp()
    const failed = socket.connect(this.address, this.port)
    if (failed !== null) {
      this.#drop(socket)
      return `dial udp ${this.#where}: connect: ${sentence(failed)}`
    }
    const connection: Connection = {
      heard: null,
      used: 0,
      local: () => `${formatIpv4(socket.localAddress)}:${socket.localPort}`,
      send: (bytes) => {
        const error = socket.send(bytes)
        return error === null ? null : sentence(error)
      },
      close: () => this.#drop(socket),
    }
    socket.onDatagram = (payload) => connection.heard?.(payload, '')
    socket.onError = (errno) => connection.heard?.(null, `read: ${sentence(errno)}`)
    return connection
  }

  #dialTcp(): Connection | string {
    const socket = this.#self.tcp()
    const stream = new DnsStream()
    const chunk = new Uint8Array(4096)
    let open = false
    let first: Uint8Array | null = null
    const connection: Connection = {
      heard: null,
      used: 0,
      local: () => `${formatIpv4(socket.localAddress)}:${socket.localPort}`,
      send: (bytes) => {
        if (open) socket.write(framed(bytes))
        else first = bytes
        return null
      },
      close: () => this.#drop(socket),
    }
    const lost = (why: string) => {
      const { heard } = connection
      this.#idle.tcp = this.#idle.tcp.filter((other) => other !== connection)
      this.#drop(socket)
      heard?.(null, why)
    }
    socket.onConnect = () => {
      open = true
      if (first !== null) socket.write(framed(first))
    }
    socket.onReadable = () => {
      while (socket.readable > 0) stream.push(chunk.slice(0, socket.read(chunk)))
      const message = stream.shift()
      if (message !== null) connection.heard?.(message, '')
      else if (socket.ended) lost('EOF')
    }
    socket.onClose = (error) => {
      const why = sentence(error ?? 'ECONNRESET')
      lost(open ? `read: ${why}` : `dial tcp ${this.#where}: connect: ${why}`)
    }
    const failed = socket.connect(this.address, this.port)
    if (failed === null) return connection
    this.#drop(socket)
    return `dial tcp ${this.#where}: connect: ${sentence(failed)}`
  }

  #drop(socket: UdpSocket | TcpSocket): void {
    if ('onClose' in socket) {
      socket.onClose = null
      socket.onReadable = null
    }
    socket.close()
    this.#self.disclaim(socket)
  }
}

/** Go's syscall.Errno: the C library's words, in lower case. */
function sentence(errno: Errno): string {
  return strerror(errno).toLowerCase()
}
