/** Text on its way into a process: standard input, a pipe of the shell, a terminal. */

/** A pipe: one side writes, the other side reads when it can. */
export class TextPipe {
  #text = ''
  /** Nothing more will be written. */
  ended = false
  /** Nobody will read any more: whoever writes is killed by SIGPIPE. */
  abandoned = false
  /** Called when there is text or the end. */
  onReadable: (() => void) | null = null

  /** A pipe that already holds everything. */
  static of(text: string): TextPipe {
    const pipe = new TextPipe()
    pipe.write(text)
    pipe.end()
    return pipe
  }

  write(text: string): void {
    if (text === '' || this.ended) return
    this.#text += text
    this.onReadable?.()
  }

  end(): void {
    this.ended = true
    this.onReadable?.()
  }

  /** There is something to take, or the end to be told. */
  get readable(): boolean {
    return this.#text !== '' || this.ended
  }

  /** All that is there. */
  take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  /** One line with its newline; the rest without one when the pipe has ended; null when neither is there yet. */
  takeLine(): string | null {
    const newline = this.#text.indexOf('\n')
    if (newline < 0) return this.ended && this.#text !== '' ? this.take() : null
    const line = this.#text.slice(0, newline + 1)
    this.#text = this.#text.slice(newline + 1)
    return line
  }
}

/** How a process waits: Process.wait, without what it returns on a time-out. */
export interface Waiter {
  wait<T>(start: (settle: (value: T) => void) => void): Promise<T | null>
}

/** The reading side, for one process. */
export class Input {
  readonly pipe: TextPipe
  readonly #reader: Waiter

  constructor(reader: Waiter, pipe: TextPipe) {
    this.#reader = reader
    this.pipe = pipe
  }

  /** The next line without its newline; null at the end. */
  async readLine(): Promise<string | null> {
    for (;;) {
      const line = this.pipe.takeLine()
      if (line !== null) return line.endsWith('\n') ? line.slice(0, -1) : line
      if (this.pipe.ended) return null
      await this.#ready()
    }
  }

  /** Some text, as much as is there; null at the end. */
  async read(): Promise<string | null> {
    while (!this.pipe.readable) await this.#ready()
    const text = this.pipe.take()
    return text === '' ? null : text
  }

  /** Everything up to the end. */
  async readAll(): Promise<string> {
    let all = ''
    for (;;) {
      const text = await this.read()
      if (text === null) return all
      all += text
    }
  }

  async #ready(): Promise<void> {
    await this.#reader.wait<void>((settle) => {
      this.pipe.onReadable = () => settle()
    })
    this.pipe.onReadable = null
  }
}
