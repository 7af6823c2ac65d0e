/**
 * A listening port: half-open connections, and those that nobody has fetched yet. SYN cookies are not modelled:
 * when too many are half open, further SYNs are dropped and come again.
 */
import { type Acceptor, Wake } from './around.ts'
import { type Connection, TIMESTAMPS_LENGTH } from './connection.ts'
import { negotiate } from './input.ts'
import { sendReset, sendSyn } from './output.ts'
import type { Segment } from './segment.ts'
import { needsReset } from './state.ts'

/** What a listening port needs of the stack: a new connection, with what we would offer. */
export type ConnectionMaker = (segment: Segment) => Connection

export class Listening implements Acceptor<Connection> {
  backlog: number
  readonly #make: ConnectionMaker
  /** Fetches a connection; null leaves it waiting. */
  fetch: ((connection: Connection) => void) | null = null
  /** Told when one has come to wait. */
  waits: (() => void) | null = null
  readonly #waiting: Connection[] = []
  readonly #halfOpen = new Set<Connection>()
  #closed = false

  constructor(backlog: number, make: ConnectionMaker) {
    this.backlog = backlog
    this.#make = make
  }

  /** Connections that nobody has fetched: ss's Recv-Q of a listener. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Linux lets one more wait than was asked for. */
  get full(): boolean {
    return this.#waiting.length > this.backlog
  }

  /** A segment for this port that belongs to no connection; one that is no SYN was answered already. */
  receive(segment: Segment): void {
    if (this.full || this.#halfOpen.size >= Math.max(this.backlog, 1)) return
    this.#open(this.#make(segment), segment)
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
    const { receive } = connection
    negotiate(connection, segment)
    connection.acceptor = this
    connection.send.window = segment.window
    connection.sizeSegments()
    receive.open(connection.advertisedMss - (connection.timestamps ? TIMESTAMPS_LENGTH : 0))
    connection.enter('SYN-RECEIVED')
    this.#halfOpen.add(connection)
    sendSyn(connection)
  }

  #abort(connection: Connection): void {
    if (needsReset(connection.state)) sendReset(connection)
    connection.end(null)
  }
}
