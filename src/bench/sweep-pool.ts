/** The threads of this process that do jobs, each one at a time; a job whose thread dies is done again. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type Job, type Outcome, runJob } from './sweep-job.ts'

/** What the build makes of sweep-thread.ts; the sources have no such file, and do jobs on the only thread. */
const THREAD = fileURLToPath(new URL('./sweep-thread.cjs', import.meta.url))
/** So often a job may take its thread with it, as one does that needs more memory than there is. */
const TRIES = 3

interface Waiting {
  readonly job: Job
  readonly tell: (outcome: Outcome) => void
  tries: number
}

export class SweepPool {
  readonly size: number
  readonly #waiting: Waiting[] = []
  readonly #idle: Worker[] = []
  readonly #busy = new Map<Worker, Waiting>()
  #closed = false

  constructor(size: number) {
    this.size = size
  }

  run(job: Job): Promise<Outcome> {
    if (!existsSync(THREAD)) return runJob(job)
    return new Promise((tell) => {
      this.#waiting.push({ job, tell, tries: 0 })
      this.#hand()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#idle, ...this.#busy.keys()].map((thread) => thread.terminate()))
  }

  #hand(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? this.#another()
      if (thread === null) return
      const next = this.#waiting.shift() as Waiting
      this.#busy.set(thread, next)
      thread.postMessage(next.job)
    }
  }

  #another(): Worker | null {
    if (this.#busy.size >= this.size) return null
    const thread = new Worker(THREAD)
    let reason = ''
    thread.on('message', (outcome: Outcome) => {
      const done = this.#busy.get(thread)
      this.#busy.delete(thread)
      this.#idle.push(thread)
      done?.tell(outcome)
      this.#hand()
    })
    thread.on('error', (error) => {
      reason = error.message
    })
    thread.on('exit', (code) => this.#died(thread, reason === '' ? `exit code ${code}` : reason))
    return thread
  }

  #died(thread: Worker, reason: string): void {
    const left = this.#busy.get(thread)
    this.#busy.delete(thread)
    const at = this.#idle.indexOf(thread)
    if (at >= 0) this.#idle.splice(at, 1)
    if (left === undefined || this.#closed) return
    left.tries++
    if (left.tries < TRIES) this.#waiting.unshift(left)
    else left.tell({ outcomes: {}, timed: {}, error: `its thread died ${TRIES} times: ${reason}` })
    this.#hand()
  }
}
