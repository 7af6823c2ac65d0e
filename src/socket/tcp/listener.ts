/** listen(2) as programs use it. */
import type { Ipv4 } from '../../wire/address.ts'
import type { Connection } from './connection.ts'
import type { Listening } from './listening.ts'

/** A listening socket; `Socket` is what becomes of a connection. */
export class Listener<Socket> {
  readonly localAddress: Ipv4
  readonly localPort: number
  readonly #listening: Listening
  readonly #adopt: (connection: Connection) => Socket
  readonly #release: () => void
  #onAccept: ((socket: Socket) => void) | null = null

  constructor(
    adopt: (connection: Connection) => Socket,
    address: Ipv4,
    port: number,
    listening: Listening,
    release: () => void,
  ) {
    this.#adopt = adopt
    this.localAddress = address
    this.localPort = port
    this.#listening = listening
    this.#release = release
  }

  /** What SocketInfo names it by. */
  get holder(): object {
    return this.#listening
  }

  get onAccept(): ((socket: Socket) => void) | null {
    return this.#onAccept
  }

  /** Gets each connection when its handshake is over. Until it is set they wait, as many as the backlog allows. */
  set onAccept(accept: ((socket: Socket) => void) | null) {
    this.#onAccept = accept
    this.#listening.fetch = accept === null ? null : (connection) => accept(this.#adopt(connection))
    this.#listening.drain()
  }

  /** Connections that wait to be fetched. */
  get waiting(): number {
    return this.#listening.waiting
  }

  /** Fetches the connection that has waited longest; null when there is none. */
  take(): Socket | null {
    const connection = this.#listening.take()
    return connection === null ? null : this.#adopt(connection)
  }

  /** Told when a connection has come to wait. */
  set onWaiting(waiting: (() => void) | null) {
    this.#listening.waits = waiting
  }

  /** listen(2) again: another backlog. */
  set backlog(backlog: number) {
    this.#listening.limit(backlog)
  }

  close(): void {
    this.#release()
    this.#listening.close()
  }
}
