/**
 * The terminal of `podwire up`: lines of standard input. A line that begins with a colon steers the emulator, also while a
 * command runs; every other one is typed at the workstation, one after the other, while the world goes on.
 */
import { createInterface } from 'node:readline'
import { SIGINT } from '../host/process.ts'
import { answer } from '../live/answer.ts'
import type { Emulator } from '../live/emulator.ts'
import { CONTROL_HELP, controlAnswer, controlRequest } from './control-words.ts'

export class Terminal {
  /** Of the last line that was typed. */
  code = 0
  readonly #emulator: Emulator
  readonly #lines = createInterface({ input: process.stdin, output: process.stdout, terminal: process.stdin.isTTY })
  readonly #waiting: string[] = []
  /** The words to the emulator before this one. */
  #steered: Promise<void> = Promise.resolve()
  #busy = false
  #interrupt: (() => void) | null = null

  constructor(emulator: Emulator) {
    this.#emulator = emulator
    this.#lines.setPrompt(process.stdin.isTTY ? 'workstation$ ' : '')
    this.#lines.on('line', (line) => this.#take(line))
    // Ctrl-C ends the command that runs, or else the emulator.
    this.#lines.on('SIGINT', () => (this.#interrupt === null ? emulator.stop() : this.#interrupt()))
    // A terminal's end is a person's wish; a pipe that ran dry is not.
    this.#lines.on('close', () => process.stdin.isTTY && emulator.stop())
    this.#lines.prompt()
  }

  close(): void {
    this.#lines.removeAllListeners('close')
    this.#lines.close()
    process.stdin.unref?.()
  }

  #take(line: string): void {
    if (line.trimStart().startsWith(':')) return this.#hear(line.trim().slice(1))
    this.#waiting.push(line)
    void this.#type()
  }

  /** One word after the other; only `:pause` need not wait for the end of a step. */
  #hear(line: string): void {
    const words = line.split(/\s+/).filter((word) => word !== '')
    if (words[0] === 'pause') void this.#steer(words)
    else this.#steered = this.#steered.then(() => this.#steer(words))
  }

  async #steer(words: readonly string[]): Promise<void> {
    if (words.length === 0 || words[0] === 'help') process.stdout.write(CONTROL_HELP.replace(/^/gm, ':').slice(0, -1))
    else {
      const request = controlRequest(words)
      if (typeof request === 'string') process.stderr.write(`podwire: ${request}\n`)
      else process.stdout.write(controlAnswer(await answer(this.#emulator, request)))
    }
    if (!this.#busy) this.#lines.prompt()
  }

  async #type(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      if (/^\s*(exit|logout)(\s+\d+)?\s*$/.test(line)) return this.#emulator.stop()
      if (line.trim() === '') continue
      const running = this.#emulator.run(
        line,
        (text) => void process.stdout.write(text),
        (text) => void process.stderr.write(text),
      )
      this.#interrupt = () => {
        running.process.kill(SIGINT)
        this.#emulator.pace.kick()
      }
      this.code = await running.exit
      this.#interrupt = null
    }
    this.#busy = false
    this.#lines.prompt()
  }
}
