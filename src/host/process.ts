/**
 * A process: a program that runs in a place. Programs are async functions that read from top to bottom; they may
 * await only what their process gives them, because the runner must know that somebody was woken.
 *
 * A signal ends a process by rejecting what it awaits with Killed, so that its `finally` blocks run; whatever the
 * process opened through `self` is closed when it ends, as the kernel closes descriptors.
 */
import { settleCounters } from '../link/account.ts'
import type { World } from '../link/world.ts'
import type { Netns } from '../net/netns.ts'
import { wheel } from '../sim/jiffies.ts'
import { MICROSECOND, type Nanos } from '../sim/scheduler.ts'
import type { IcmpSocket } from '../socket/icmp.ts'
import { Sockets } from '../socket/sockets.ts'
import { TcpSocket } from '../socket/tcp/socket.ts'
import type { UdpSocket } from '../socket/udp.ts'
import { Input, TextPipe } from './input.ts'
import type { Runner } from './run.ts'

/** A command or a server. Resolves to the exit code. */
export type Program = (self: Process) => Promise<number>

/** Where a process writes to and reads from. */
export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** All of it as text, or a pipe that stays open; nothing at all when absent (/dev/null). */
  readonly stdin?: string | TextPipe
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A person sits at the other end: shells prompt. */
  readonly tty?: boolean
}

export interface Running {
  readonly process: Process
  /** The exit code; 128 + signal for a killed process. Rejects only for faults of podwire itself. */
  readonly exit: Promise<number>
}

/** What processes see of the Place they run in; the class is in place.ts. */
export interface ProcessPlace {
  readonly name: string
  readonly machine: ProcessMachine
  readonly netns: Netns
  hostname: string
  readonly files: Map<string, string>
  /** Made by mkdir; those that files are in exist without being here. */
  readonly directories: Set<string>
  readonly programs: Map<string, Program>
  readonly env: Record<string, string>
  readonly processes: Map<number, Process>
  /** The PID of the next process. */
  readonly pids: { next: number }
  workdir: string
  /** A container, without CAP_SYSLOG: it sees its own processes and files, and not the kernel's log. */
  readonly confined: boolean
  spawn(argv: readonly string[], io: Io): Running
  launch(program: Program | null, argv: readonly string[], io: Io): Running
  shell(line: string, io: Io): Running
  find(name: string): Program | null
}

/** What processes see of the Machine they run on; the class is in machine.ts. */
export interface ProcessMachine {
  readonly world: World
  readonly runner: Runner
  readonly name: string
  readonly netns: Netns
  readonly place: ProcessPlace
  readonly namespaces: Map<string, Netns>
  readonly places: Map<string, ProcessPlace>
  /** Told before a program begins in the machine's own network namespace; null: nobody wants to know. */
  readonly onCommand: ((argv: readonly string[]) => void) | null
}

/**
 * From the event that wakes a process to its next instruction: interrupt, scheduler, return from the system call. What
 * the kernel sends by itself (an ACK, a hairpinned copy) is on the wire before the program answers, as on a real machine.
 */
const WAKE_UP = 50 * MICROSECOND
/**
 * How long connect() and close() own their socket. Over links without delay the other side's kernel answers within the
 * call, since a veth's far end runs inside it.
 */
const CALL_TIME = 130 * MICROSECOND

export const SIGINT = 2
export const SIGKILL = 9
export const SIGPIPE = 13
export const SIGTERM = 15

/** What a killed process's awaits reject with: let it pass, and clean up in `finally`. */
export class Killed extends Error {
  override readonly name = 'Killed'
  readonly signal: number

  constructor(signal: number) {
    super(`killed by signal ${signal}`)
    this.signal = signal
  }
}

/** Something the kernel closes when its process ends. */
export interface Closable {
  close(): void
  /** Of sockets, which have a descriptor: what SocketInfo names it by, null while it is in no list. */
  readonly holder?: object | null
}

/** The first descriptor behind standard input, output and error. */
const FIRST_DESCRIPTOR = 3

export class Process {
  readonly pid: number
  readonly place: ProcessPlace
  /** args[0] is the command's name. */
  readonly args: readonly string[]
  readonly env: Record<string, string>
  readonly stdin: Input
  readonly tty: boolean
  cwd: string
  /** When it began. */
  readonly began: Nanos
  /** The signal that ended it; 0 while it has not been killed. */
  signal = 0
  readonly #io: Io
  readonly #pending = new Set<(error: Error) => void>()
  #ended = false
  /** With their descriptors; -1 for what has none. */
  readonly #open = new Map<Closable, number>()
  readonly #children = new Set<Process>()
  readonly #traps = new Map<number, () => void>()

  constructor(place: ProcessPlace, pid: number, args: readonly string[], io: Io) {
    this.place = place
    this.pid = pid
    this.args = args
    this.#io = io
    this.env = { ...(io.env ?? place.env) }
    this.cwd = io.cwd ?? place.workdir
    this.tty = io.tty ?? false
    this.began = place.machine.world.scheduler.now
    // Until it first waits it runs inside the event that began it.
    settleCounters()
    this.stdin = new Input(this, io.stdin instanceof TextPipe ? io.stdin : TextPipe.of(io.stdin ?? ''))
  }

  get netns(): Netns {
    return this.place.netns
  }

  get world(): World {
    return this.place.machine.world
  }

  get runner(): Runner {
    return this.place.machine.runner
  }

  get killed(): boolean {
    return this.signal !== 0
  }

  out(text: string): void {
    if (!this.killed) this.#io.out(text)
  }

  err(text: string): void {
    if (!this.killed) this.#io.err(text)
  }

  now(): Nanos {
    return this.world.scheduler.now
  }

  /** Exactly this long: what hrtimers do (nanosleep, poll). */
  async sleep(delay: Nanos): Promise<void> {
    await this.wait<never>(() => {}, delay)
  }

  /** This long as the kernel's timer wheel counts it: socket time-outs. */
  sleepWheel(delay: Nanos): Promise<void> {
    return this.sleep(wheel(this.now(), delay) - this.now())
  }

  /**
   * The only way to await an event: `settle` may be called later from an event, once; further calls do nothing.
   * Null after the time-out. Rejects with Killed when the process is killed.
   */
  wait<T>(start: (settle: (value: T) => void) => void, timeout?: Nanos): Promise<T | null> {
    if (this.killed) return Promise.reject(new Killed(this.signal))
    const { runner, world } = this.place.machine
    return new Promise<T | null>((resolve, reject) => {
      let done = false
      const finish = () => {
        done = true
        this.#pending.delete(fail)
        if (this.#pending.size === 0) runner.waiting.delete(this)
        if (timer !== null) world.scheduler.cancel(timer)
        runner.wake()
      }
      const fail = (error: Error) => {
        if (done) return
        finish()
        reject(error)
      }
      const settle = (value: T | null) => {
        // What an ended program left waiting, in a thread of its own, never goes on.
        if (done || this.#ended) return
        finish()
        resolve(value)
      }
      let waiting = false
      let woken = false
      const happened = (value: T) => {
        if (!waiting) return settle(value)
        if (done || woken) return
        woken = true
        if (timer !== null) world.scheduler.cancel(timer)
        world.scheduler.call(WAKE_UP, () => settle(value))
      }
      this.#pending.add(fail)
      runner.waiting.add(this)
      const timer = timeout === undefined ? null : world.scheduler.call(timeout, () => settle(null))
      start(happened)
      waiting = true
    })
  }

  /** A server's main function: lives until it is killed. */
  async forever(): Promise<never> {
    await this.wait<never>(() => {})
    throw new Error('podwire bug: a wait without end has ended')
  }

  /** A child in the same place, awaited. What `io` leaves out is inherited. */
  run(argv: readonly string[], io: Partial<Io> = {}): Promise<number> {
    return this.start(argv, io).exit
  }

  /** A child in the same place; it is killed along with its parent. */
  start(argv: readonly string[], io: Partial<Io> = {}): Running {
    return this.fork(null, argv, io)
  }

  /** A child that runs this function (a subshell), or with null the program that argv names. */
  fork(program: Program | null, argv: readonly string[], io: Partial<Io> = {}): Running {
    // It was killed before it came to this.
    if (this.killed) throw new Killed(this.signal)
    const child = this.place.launch(program, argv, {
      out: (text) => this.out(text),
      err: (text) => this.err(text),
      stdin: this.stdin.pipe,
      env: this.env,
      cwd: this.cwd,
      tty: this.tty,
      ...io,
    })
    this.#children.add(child.process)
    const forget = () => void this.#children.delete(child.process)
    child.exit.then(forget, forget)
    return child
  }

  /** `sh -c LINE`, awaited. */
  shell(line: string, io: Partial<Io> = {}): Promise<number> {
    return this.run(['sh', '-c', line], io)
  }

  /** Started by this one, or by what it started. */
  isAncestorOf(other: Process): boolean {
    for (const child of this.#children) if (child === other || child.isAncestorOf(other)) return true
    return false
  }

  /** Lets a child go on when this process ends (`&`, nohup). */
  disown(child: Process): void {
    this.#children.delete(child)
  }

  /** Handles a signal instead of dying of it; SIGKILL can't be handled. The handler may settle a wait. */
  trap(signal: number, handler: () => void): void {
    this.#traps.set(signal, handler)
  }

  kill(signal: number): void {
    if (this.killed || signal === 0) return
    const trap = this.#traps.get(signal)
    if (trap !== undefined && signal !== SIGKILL) return trap()
    this.signal = signal
    for (const child of this.#children) child.kill(signal)
    for (const fail of [...this.#pending]) fail(new Killed(signal))
  }

  tcp(): TcpSocket {
    return this.own(Sockets.of(this.netns).tcp())
  }

  udp(): UdpSocket {
    return this.own(Sockets.of(this.netns).udp())
  }

  icmp(): IcmpSocket {
    return this.own(Sockets.of(this.netns).icmp())
  }

  /** Closes this when the process ends. */
  own<T extends Closable>(thing: T): T {
    if (thing instanceof TcpSocket) thing.callTime = CALL_TIME
    if (!this.#open.has(thing)) this.#open.set(thing, thing.holder === undefined ? -1 : this.#freeDescriptor())
    return thing
  }

  /** It was closed already. */
  disclaim(thing: Closable): void {
    this.#open.delete(thing)
  }

  /** The sockets that it holds, by descriptor, as /proc/PID/fd shows them. */
  sockets(): { readonly holder: object; readonly descriptor: number }[] {
    const list: { holder: object; descriptor: number }[] = []
    for (const [{ holder }, descriptor] of this.#open) {
      if (holder !== null && holder !== undefined) list.push({ holder, descriptor })
    }
    return list
  }

  #freeDescriptor(): number {
    const taken = new Set(this.#open.values())
    let descriptor = FIRST_DESCRIPTOR
    while (taken.has(descriptor)) descriptor++
    return descriptor
  }

  /** Closes what is still open; called once, when the program has ended. */
  release(): void {
    for (const thing of this.#open.keys()) thing.close()
    this.#open.clear()
    this.#pending.clear()
    this.#ended = true
    this.runner.waiting.delete(this)
  }

  toString(): string {
    return `${this.place.name}: ${this.args.join(' ')}`
  }
}

/** TASK_COMM_LEN without the zero at its end. */
const COMM_LENGTH = 15

/** /proc/PID/comm. */
export function commandName(process: Process): string {
  const command = process.args[0] ?? ''
  return command.slice(command.lastIndexOf('/') + 1).slice(0, COMM_LENGTH)
}
