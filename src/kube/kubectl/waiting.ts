/** Waiting for the cluster to become something: a watch, a test, a time-out. */
import type { Nanos } from '../../sim/scheduler.ts'
import type { Session } from './session.ts'

/** Runs `test` now and after each change of the kind, until it gives a value. Null after the time-out. */
export async function until<T>(
  session: Session,
  kind: string,
  test: () => T | null,
  timeout?: Nanos,
): Promise<T | null> {
  const already = test()
  if (already !== null) return already
  if (timeout !== undefined && timeout <= 0) return null
  let stop: () => void = () => {}
  try {
    const ended = await session.self.wait<{ value: T } | { error: unknown }>((settle) => {
      stop = session.cluster.watch(kind, () => {
        // Whatever the test throws belongs to the command, not to the event that it is called from.
        try {
          const value = test()
          if (value !== null) settle({ value })
        } catch (error) {
          settle({ error })
        }
      })
    }, timeout)
    if (ended !== null && 'error' in ended) throw ended.error
    return ended === null ? null : ended.value
  } finally {
    stop()
  }
}

/** Each change of a kind, in order, as `for await` would give them; ends when `next` is no longer called. */
export class Changes<T> {
  readonly #session: Session
  readonly #queue: T[] = []
  readonly #stop: () => void
  #wake: (() => void) | null = null

  constructor(session: Session, start: (push: (change: T) => void) => () => void) {
    this.#session = session
    this.#stop = start((change) => {
      this.#queue.push(change)
      this.#wake?.()
    })
  }

  async next(): Promise<T> {
    for (;;) {
      const change = this.#queue.shift()
      if (change !== undefined) return change
      await this.#session.self.wait<true>((settle) => {
        this.#wake = () => settle(true)
      })
      this.#wake = null
    }
  }

  stop(): void {
    this.#stop()
  }
}
