/**
 * Commands that the workstation starts on machines. The workstation is in every thread, and does the same in each at the
 * same virtual moment; a command runs in the thread that has the machine. What it says and its end are heard everywhere
 * after the look-ahead, in one order: by time, then by machine.
 */
import type { Io } from '../host/process.ts'
import type { Runner } from '../host/run.ts'
import type { RemoteCommand } from '../host/ssh.ts'
import { type Nanos, Timer } from '../sim/scheduler.ts'
import type { Exchange } from './exchange.ts'

const Stream = { Out: 0, Err: 1, Exit: 2, Fault: 3 } as const
type Stream = (typeof Stream)[keyof typeof Stream]

/** Characters of a piece of text between threads. */
const PIECE = 16_384

interface Said {
  readonly time: Nanos
  readonly machine: number
  readonly session: number
  readonly stream: number
  readonly code: number
  readonly text: string
}

interface Session {
  readonly io: Io
  end(code: number): void
  fail(why: string): void
}

export class Sessions {
  readonly #runner: Runner
  readonly #exchange: Exchange
  readonly #open = new Map<number, Session>()
  /** By when they are heard. */
  readonly #heard: Said[] = []
  readonly #timer: Timer
  #count = 0

  /** `rank`: of what is heard among all that happens at one instant. */
  constructor(runner: Runner, exchange: Exchange, rank: number) {
    this.#runner = runner
    this.#exchange = exchange
    this.#timer = new Timer({ run: () => this.#hear() })
    this.#timer.rank = rank
  }

  /** `begin` starts the command where its machine is; null: another thread does. */
  start(machine: number, begin: ((io: Io) => RemoteCommand) | null, io: Io): RemoteCommand {
    const session = this.#count++
    const exit = new Promise<number>((resolve, reject) => {
      this.#open.set(session, { io, end: resolve, fail: (why) => reject(new Error(why)) })
    })
    if (begin === null) return { process: { kill: () => {} }, exit }
    const say = (stream: Stream, code: number, text: string) => this.#say(machine, session, stream, code, text)
    const running = begin({ ...io, out: (text) => say(Stream.Out, 0, text), err: (text) => say(Stream.Err, 0, text) })
    running.exit.then(
      (code) => say(Stream.Exit, code, ''),
      (error: unknown) => say(Stream.Fault, 0, String(error)),
    )
    return { process: running.process, exit }
  }

  #say(machine: number, session: number, stream: Stream, code: number, text: string): void {
    const time = this.#runner.world.scheduler.now + this.#exchange.delay
    for (let from = 0; from === 0 || from < text.length; from += PIECE) {
      const piece = text.slice(from, from + PIECE)
      this.#exchange.sendText(time, machine, session, stream, code, piece)
      this.take(time, machine, session, stream, code, piece)
    }
  }

  /** Something was said on a machine, here or elsewhere. */
  take(time: Nanos, machine: number, session: number, stream: number, code: number, text: string): void {
    const heard = this.#heard
    let at = heard.length
    while (at > 0 && (heard[at - 1].time > time || (heard[at - 1].time === time && heard[at - 1].machine > machine)))
      at--
    heard.splice(at, 0, { time, machine, session, stream, code, text })
    if (at === 0) this.#runner.world.scheduler.at(this.#timer, time)
  }

  #hear(): void {
    const { now } = this.#runner.world.scheduler
    while (this.#heard.length > 0 && this.#heard[0].time <= now) this.#tell(this.#heard.shift() as Said)
    if (this.#heard.length > 0) this.#runner.world.scheduler.at(this.#timer, this.#heard[0].time)
  }

  #tell({ session, stream, code, text }: Said): void {
    const { io, end, fail } = this.#open.get(session) as Session
    if (stream === Stream.Out) return io.out(text)
    if (stream === Stream.Err) return io.err(text)
    this.#open.delete(session)
    if (stream === Stream.Exit) end(code)
    else fail(text)
    this.#runner.wake()
  }
}
