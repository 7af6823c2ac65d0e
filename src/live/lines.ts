/** JSON lines over a socket: one message a line, each way. */
import type { Socket } from 'node:net'

/** Nobody says more in one line. */
const LONGEST = 1 << 20
const NEWLINE = 10

export type Message = { readonly [key: string]: unknown }

/** What came from the other side: lines for who takes them one by one, or after `raw` the bytes as they come. */
export class Lines {
  readonly #socket: Socket
  readonly #arrived: () => void
  #held: Buffer = Buffer.alloc(0)
  #raw: ((bytes: Buffer) => void) | null = null

  /** `arrived`: there may be a line to take. */
  constructor(socket: Socket, arrived: () => void) {
    this.#socket = socket
    this.#arrived = arrived
    socket.on('data', (bytes: Buffer) => this.#add(bytes))
  }

  /** The next line; null when none is whole. A line without end ends the connection. */
  take(): string | null {
    const end = this.#held.indexOf(NEWLINE)
    if (end < 0) {
      if (this.#held.length > LONGEST) this.#socket.destroy()
      return null
    }
    const line = this.#held.toString('utf8', 0, end)
    this.#held = this.#held.subarray(end + 1)
    return line
  }

  /** No more lines: what has come behind the last one that was taken, and what comes, are bytes. */
  raw(take: (bytes: Buffer) => void): void {
    this.#raw = take
    const held = this.#held
    this.#held = Buffer.alloc(0)
    if (held.length > 0) take(held)
  }

  #add(bytes: Buffer): void {
    if (this.#raw !== null) return this.#raw(bytes)
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    this.#arrived()
  }
}

/** Null when the line is no JSON object. */
export function parseMessage(line: string): Message | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : null
  } catch {
    return null
  }
}
