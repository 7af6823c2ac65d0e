/** The other end of a control socket: asks a running emulator of the same user. */
import type { Socket } from 'node:net'
import { Lines, type Message, parseMessage } from './lines.ts'
import { LiveError, reach, running, runtimeFolder, socketPath } from './runtime-folder.ts'

const START = 'start one with: podwire up TOPOLOGY'

/** The emulator of this name, or the only one that runs. @throws LiveError in words */
export async function choose(name?: string): Promise<string> {
  const names = await running()
  if (name !== undefined && names.includes(name)) return name
  if (names.length === 0) throw new LiveError(`podwire: no emulator runs; ${START}`)
  const list = names.join(', ')
  if (name !== undefined) throw new LiveError(`podwire: no emulator is called ${name}; running: ${list}`)
  if (names.length > 1) throw new LiveError(`podwire: several emulators run; choose one with --name: ${list}`)
  return names[0]
}

export class ControlClient {
  readonly name: string
  readonly socket: Socket
  readonly #lines: Lines
  #wake: (() => void) | null = null
  #closed = false

  private constructor(name: string, socket: Socket) {
    this.name = name
    this.socket = socket
    this.#lines = new Lines(socket, () => this.#wake?.())
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake?.()
    })
  }

  /** @throws LiveError */
  static async connect(name?: string): Promise<ControlClient> {
    const chosen = await choose(name)
    const socket = await reach(socketPath(chosen, runtimeFolder()))
    if (socket === null) throw new LiveError(`podwire: no emulator runs; ${START}`)
    return new ControlClient(chosen, socket)
  }

  send(message: Message): void {
    this.socket.write(`${JSON.stringify(message)}\n`)
  }

  /** The next message; null when the emulator has gone. What comes behind it stays where it is. */
  async hear(): Promise<Message | null> {
    for (;;) {
      const line = this.#lines.take()
      if (line !== null) return parseMessage(line)
      if (this.#closed) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Asks, and gives the answer. @throws LiveError with the emulator's sentence */
  async ask(message: Message): Promise<Message> {
    this.send(message)
    const answer = await this.hear()
    if (answer === null) throw new LiveError(`podwire: the emulator ${this.name} has gone`)
    if (typeof answer.error === 'string') throw new LiveError(answer.error)
    return answer
  }

  /** From here on bytes, as after a request for a capture. */
  bytes(take: (bytes: Buffer) => void): void {
    this.#lines.raw(take)
  }

  /** No more requests. */
  end(): void {
    this.socket.end()
  }
}
