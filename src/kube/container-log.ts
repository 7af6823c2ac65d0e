/** What a container wrote, with times: `kubectl logs`. */
import type { Nanos } from '../sim/scheduler.ts'

export interface LogReader {
  write(text: string): void
  ended(): void
}

export class ContainerLog {
  readonly #now: () => Nanos
  readonly #lines: { at: Nanos; text: string }[] = []
  readonly #readers = new Set<LogReader>()
  #open = true

  constructor(now: () => Nanos) {
    this.#now = now
  }

  write(text: string): void {
    if (text === '') return
    for (const piece of text.split(/(?<=\n)/)) {
      const last = this.#lines[this.#lines.length - 1]
      if (last !== undefined && !last.text.endsWith('\n')) last.text += piece
      else this.#lines.push({ at: this.#now(), text: piece })
    }
    for (const reader of [...this.#readers]) reader.write(text)
  }

  /** The container has ended: nothing will follow. */
  end(): void {
    this.#open = false
    for (const reader of [...this.#readers]) reader.ended()
    this.#readers.clear()
  }

  /** The last `tail` lines, or all; `stamp` writes each line's time in front of it. */
  text(tail: number | null = null, stamp: ((at: Nanos) => string) | null = null): string {
    const lines = tail === null ? this.#lines : tail <= 0 ? [] : this.#lines.slice(-tail)
    return lines.map(({ at, text }) => (stamp === null ? text : `${stamp(at)} ${text}`)).join('')
  }

  /** Text as it comes, until the end. Returns the end of the reading. */
  follow(reader: LogReader): () => void {
    if (!this.#open) {
      reader.ended()
      return () => {}
    }
    this.#readers.add(reader)
    return () => void this.#readers.delete(reader)
  }
}
