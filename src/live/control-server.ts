/**
 * The door of a running emulator for other processes of the same user: a Unix socket, JSON lines. Each request is an object
 * with `do`; each is answered by `{"ok":true,…}` or `{"error":"a sentence"}`, in order.
 *
 *   {"do":"status"}  {"do":"interfaces"}  {"do":"pause"}  {"do":"resume"}  {"do":"stop"}
 *   {"do":"speed","speed":0.1}            {"do":"step","goal":"event"|"frame"|"10ms"}
 *   {"do":"run","line":"ssh w1 ip route"} → {"out":"…"} {"err":"…"} … {"exit":0}; {"signal":2} meanwhile interrupts it
 *   {"do":"capture","interfaces":["w1/eth0"],"filter":"icmp","snaplen":96,"count":10,"comments":true}
 *                                         → {"ok":true,…}, and pcapng from there on, until either side ends
 */
import { chmodSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { SNAPLEN } from '../capture/capture-file.ts'
import { FilterError } from '../capture/filter-words.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import { SIGINT } from '../host/process.ts'
import { interfacePattern } from '../topology/interfaces.ts'
import { nearest } from '../topology/problem.ts'
import { answer } from './answer.ts'
import type { Emulator } from './emulator.ts'
import { Lines, type Message, parseMessage } from './lines.ts'
import type { ReaderSettings } from './live-reader.ts'
import { clean, LiveError, makeFolder, reach, socketPath } from './runtime-folder.ts'

/** What waits for a client that does not read what its command says. */
const ROOM = 8 << 20

export class ControlServer {
  readonly #emulator: Emulator
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(emulator: Emulator) {
    this.#emulator = emulator
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#greet(socket))
  }

  /** @throws LiveError when an emulator of this name runs already. */
  static async open(emulator: Emulator): Promise<ControlServer> {
    const folder = makeFolder()
    const path = socketPath(emulator.name, folder)
    const other = await reach(path)
    other?.destroy()
    if (other !== null) throw new LiveError(`podwire: an emulator named ${emulator.name} runs already`)
    clean(emulator.name, folder)
    const server = new ControlServer(emulator)
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
    return server
  }

  close(): void {
    this.#server.close()
    clean(this.#emulator.name)
    for (const socket of this.#sockets) socket.end()
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket)
    // A client that vanished is no failure.
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    new Connection(this.#emulator, socket)
  }
}

/** One client. */
class Connection {
  readonly #emulator: Emulator
  readonly #socket: Socket
  readonly #lines: Lines
  readonly #waiting: Message[] = []
  #busy = false
  /** Interrupts the command that runs. */
  #interrupt: ((signal: number) => void) | null = null

  constructor(emulator: Emulator, socket: Socket) {
    this.#emulator = emulator
    this.#socket = socket
    this.#lines = new Lines(socket, () => {
      for (let line = this.#lines.take(); line !== null; line = this.#lines.take()) this.#hear(line)
    })
    socket.on('end', () => this.#leave())
    socket.on('close', () => this.#interrupt?.(SIGINT))
  }

  /** No more requests will come: what was asked for is still answered. */
  #leave(): void {
    if (!this.#busy && this.#waiting.length === 0) this.#socket.end()
  }

  #hear(line: string): void {
    const message = parseMessage(line)
    if (message === null) return this.#say({ error: 'podwire: a request is one line of JSON, such as {"do":"status"}' })
    if (typeof message.signal === 'number') return this.#interrupt?.(message.signal)
    this.#waiting.push(message)
    void this.#work()
  }

  async #work(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      // A capture has the rest of the connection.
      if (next.do === 'capture' && this.#capture(next)) return
      if (next.do !== 'capture') await this.#answer(next)
    }
    this.#busy = false
    if (this.#socket.readableEnded) this.#socket.end()
  }

  async #answer(request: Message): Promise<void> {
    if (request.do === 'run') return this.#run(request)
    this.#say(await answer(this.#emulator, request))
  }

  async #run({ line, stdin }: Message): Promise<void> {
    if (typeof line !== 'string') return this.#say({ error: 'podwire: run needs a line' })
    const say = (message: Message) => {
      this.#say(message)
      if (this.#socket.writableLength > ROOM) this.#socket.destroy()
    }
    const input = typeof stdin === 'string' ? stdin : ''
    const running = this.#emulator.run(
      line,
      (out) => say({ out }),
      (err) => say({ err }),
      input,
    )
    this.#interrupt = (signal) => {
      running.process.kill(signal)
      this.#emulator.pace.kick()
    }
    const exit = await running.exit
    this.#interrupt = null
    this.#say({ exit })
  }

  /** False when it was refused. */
  #capture(request: Message): boolean {
    const settings = readerSettings(request)
    const problem = typeof settings === 'string' ? settings : this.#unknownInterface(settings)
    if (problem !== null || typeof settings === 'string') {
      this.#say({ error: problem })
      return false
    }
    const names = this.#emulator.lab.interfaces.names().filter(interfacePattern(settings.interfaces))
    this.#say({ ok: true, interfaces: names })
    const reader = this.#emulator.read(settings, this.#socket)
    this.#lines.raw(() => {})
    // A reader that has had enough gets the counters, and the end.
    if (this.#socket.readableEnded) reader.finish()
    else this.#socket.on('end', () => reader.finish())
    return true
  }

  /** A name without globs must be there: one with them may be of a pod to come. */
  #unknownInterface({ interfaces }: ReaderSettings): string | null {
    const names = this.#emulator.lab.interfaces.names()
    for (const pattern of interfaces) {
      if (/[*?]/.test(pattern) || names.some(interfacePattern([pattern]))) continue
      const meant = nearest(pattern, names)
      const help = meant === null ? 'podwire ctl interfaces lists them' : `did you mean ${meant}?`
      return `podwire: no interface is called ${pattern}; ${help}`
    }
    return null
  }

  #say(message: Message): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`)
  }
}

/** What a request for a capture asks for, or what is wrong with it. */
function readerSettings(request: Message): ReaderSettings | string {
  const { interfaces = [], filter = '', snaplen = 0, count = 0, comments = true } = request
  if (!Array.isArray(interfaces) || !interfaces.every((each) => typeof each === 'string'))
    return 'podwire: interfaces is a list of names'
  if (typeof filter !== 'string') return 'podwire: filter is a text'
  if (!whole(snaplen) || snaplen > SNAPLEN) return `podwire: snaplen is a number of bytes, at most ${SNAPLEN}`
  if (!whole(count)) return 'podwire: count is a number of frames'
  try {
    compileFilter(filter)
  } catch (error) {
    if (error instanceof FilterError) return `podwire: ${error.message.replace(/^podwire: /, '')}`
    throw error
  }
  return { interfaces, filter, snaplen, count, comments: comments !== false }
}

function whole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}
