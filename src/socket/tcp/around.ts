/** What a connection deals with: its program, the port that opened it, and its alarms. */
import type { Errno } from '../../net/errno.ts'
import type { Task } from '../../sim/scheduler.ts'

/** What the program is to be told when the present segment or timer has been dealt with. */
export const Wake = { ACCEPTED: 1, CONNECTED: 2, READABLE: 4, WRITABLE: 8, CLOSED: 16 } as const

/**
 * What the retransmission timer runs for (icsk_pending), one at a time: unacknowledged segments, a window that is shut,
 * segments that may only be late (REO_TIMEOUT), the last one, of whose loss nothing behind it could tell (LOSS_PROBE).
 */
export const Pending = { RETRANSMISSION: 0, PROBE: 1, REORDERING: 2, TAIL: 3 } as const
export type Pending = (typeof Pending)[keyof typeof Pending]

/** The program's side: a TcpSocket. */
export interface Owner {
  connected(): void
  arrived(): void
  writable(): void
  closed(error: Errno | null): void
  close(): void
}

/** Where a passively opened connection comes from. */
export interface Acceptor<Connection> {
  /** Nobody fetches connections: the handshake is not completed. */
  readonly full: boolean
  /** The handshake is over: give it an owner. */
  accepted(connection: Connection): void
  /** The handshake failed. */
  abandoned(connection: Connection): void
}

/** What the timers do; the timers file provides it. */
export interface Alarms<Connection> {
  retransmit(connection: Connection): void
  acknowledge(connection: Connection): void
  compressed(connection: Connection): void
  expire(connection: Connection): void
  paced(connection: Connection): void
}

/** One alarm of one connection. */
export class Alarm<Connection> implements Task {
  #connection: Connection
  #action: (connection: Connection) => void

  constructor(connection: Connection, action: (connection: Connection) => void) {
    this.#connection = connection
    this.#action = action
  }

  run(): void {
    this.#action(this.#connection)
  }
}

/** The options that a SYN may offer. */
export const Offer = { TIMESTAMPS: 1, SACK: 2, SCALE: 4 } as const
