/**
 * Segments that come while a system call of the program owns the socket wait, and are taken in their order when the call
 * ends (sk_backlog, release_sock of net/core/sock.c). Only calls that take time own it.
 */
import { journal } from '../../link/flow-cache.ts'
import { DropReason, type Frame } from '../../link/frame.ts'
import { type Nanos, type Task, Timer } from '../../sim/scheduler.ts'
import type { Connection } from './connection.ts'
import { receive } from './input.ts'
import { memoryOf } from './receive-window.ts'
import type { Segment } from './segment.ts'
import { takeAloud } from './take-aloud.ts'
import { TAKEN, type Verdict } from './verdict.ts'

/** What may wait beyond the buffers: only the owner can make room there. */
const HEADROOM = 65_536

export class Backlog implements Task {
  readonly #connection: Connection
  readonly #segment: Segment
  readonly #frames: Frame[] = []
  readonly #timer: Timer
  #memory = 0

  constructor(connection: Connection, segment: Segment) {
    this.#connection = connection
    this.#segment = segment
    this.#timer = new Timer(this)
  }

  /** The call lasts so much longer. */
  own(time: Nanos): void {
    this.#connection.world.scheduler.after(this.#timer, time)
  }

  /** Takes the frame; too many are dropped (tcp_add_backlog). */
  add(frame: Frame): void {
    const { netns, receive, send } = this.#connection
    const most = 2 * receive.buffer + (send.capacity >> 1) + HEADROOM
    if (this.#memory + receive.memory > most)
      return netns.world.frames.drop(frame, DropReason.SocketBacklog, netns.name)
    this.#memory += memoryOf(frame.end - frame.start, frame.cut === 2)
    this.#frames.push(frame)
  }

  /** The call is over (__release_sock). */
  run(): void {
    const connection = this.#connection
    const { frames } = connection.world
    connection.backlog = null
    for (const frame of this.#frames) {
      // What is left of a connection in TIME-WAIT is no socket, and has no backlog.
      let verdict: Verdict = DropReason.TcpClosed
      if (connection.state !== 'TIME-WAIT') {
        this.#segment.parse(frame)
        verdict = journal.open ? takeAloud(connection, this.#segment, frame) : receive(connection, this.#segment)
      }
      if (verdict === TAKEN) frames.consume(frame)
      else frames.drop(frame, verdict, connection.netns.name)
    }
  }
}
