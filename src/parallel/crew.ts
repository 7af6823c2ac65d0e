/** All threads of one run: starts them, puts together what they tell, and compares what must be the same in all. */
import type { Nanos } from '../sim/scheduler.ts'
import type { TopologyFile } from '../topology/schema.ts'
import { judgeCount, type StepListener, type StepResult } from '../topology/steps.ts'
import { type Place, sharedMemory } from './exchange.ts'
import { MergedCapture } from './merged-capture.ts'
import type { Job, Message, Spent, StepReport } from './partition.ts'
import { lookAheadOf, refuseWhatCannotBeSplit } from './refusals.ts'

/** One thread, seen from outside. */
export interface Member {
  /** The threads may go on after this step, or not. */
  verdict(step: number, goOn: boolean): void
  /** Resolves when it is done; rejects with what went wrong. */
  readonly done: Promise<void>
  /** Ends it, whatever it does. */
  dismiss(): void
}

/** Starts a thread, which tells what it does. */
export type Launch = (job: Job, place: Place, hear: (message: Message) => void) => Member

/** In milliseconds. */
const PATIENCE = 1000

export interface CrewOptions {
  readonly threads: number
  readonly seed?: number
  readonly until?: Nanos
  /** Only interfaces that match, all when empty; null: none. */
  readonly capture: readonly string[] | null
  /** All threads run in turns in this one. */
  readonly inTurns?: boolean
  readonly listener: StepListener
  /** Told before anything is built: who writes captures down. */
  readonly onCapture?: (capture: MergedCapture, seed: number) => void
  readonly onBuilt?: () => void
  /** After each step, when all threads have told of it. */
  readonly onStep?: (result: StepResult, now: Nanos) => void
}

export interface CrewResult {
  readonly now: Nanos
  readonly failed: StepResult | null
  /** By thread. */
  readonly spent: readonly Spent[]
  readonly capture: MergedCapture | null
}

export class Crew {
  readonly #topology: TopologyFile
  readonly #options: CrewOptions
  readonly #capture: MergedCapture | null
  /** Virtual time by which two threads are never apart. */
  readonly #apart: Nanos
  readonly #members: Member[] = []
  readonly #spent: Spent[] = []
  /** By step: what the threads told of it. */
  readonly #reports = new Map<number, StepReport[]>()
  #built = 0
  #now: Nanos = 0
  #failed: StepResult | null = null
  #wrong: ((error: Error) => void) | null = null

  private constructor(topology: TopologyFile, options: CrewOptions, { toSwitch, fromSwitch }: Job['lookAhead']) {
    this.#apart = 2 * (toSwitch + fromSwitch)
    this.#topology = topology
    this.#options = options
    const written = options.capture !== null && options.onCapture !== undefined
    this.#capture = written ? new MergedCapture(options.threads, Date.parse(topology.epoch) / 1000) : null
  }

  /** @throws RangeError when the topology cannot be split. */
  static async run(topology: TopologyFile, options: CrewOptions, launch: Launch): Promise<CrewResult> {
    refuseWhatCannotBeSplit(topology)
    const lookAhead = lookAheadOf(topology)
    return new Crew(topology, options, lookAhead).#run(launch, lookAhead)
  }

  async #run(launch: Launch, lookAhead: Job['lookAhead']): Promise<CrewResult> {
    const { threads, seed = this.#topology.seed, until = Number.POSITIVE_INFINITY, inTurns = false } = this.#options
    if (this.#capture !== null) this.#options.onCapture?.(this.#capture, seed)
    const { capture } = this.#options
    const job: Job = { topology: this.#topology, seed, capture, written: this.#capture !== null, lookAhead, until }
    const memory = sharedMemory(threads)
    for (let thread = 0; thread < threads; thread++) {
      const place = { memory, threads, thread, inTurns }
      this.#members.push(launch(job, place, (message) => this.#hear(thread, message)))
    }
    const wrong = new Promise<never>((_, reject) => {
      this.#wrong = reject
    })
    try {
      await Promise.race([wrong, Promise.all(this.#members.map(({ done }) => done))])
    } finally {
      for (const member of this.#members) member.dismiss()
    }
    return { now: this.#now, failed: this.#failed, spent: this.#spent, capture: this.#capture }
  }

  #hear(thread: number, message: Message): void {
    try {
      this.#act(thread, message)
    } catch (error) {
      this.#wrong?.(error as Error)
    }
  }

  #act(thread: number, message: Message): void {
    if (message.type === 'chunk') return this.#capture?.take(thread, message.chunk)
    if (message.type === 'step') return this.#step(message.report)
    if (message.type === 'built') {
      if (++this.#built === this.#options.threads) this.#options.onBuilt?.()
      return
    }
    if (message.type !== 'end') return this.#options.listener[message.type](message.text)
    this.#now = message.now
    this.#spent[thread] = message.spent
    if (this.#capture === null) return
    for (const [number, counts] of message.counts) this.#capture.count(thread, number, counts)
    this.#capture.now = message.now
  }

  /** Threads are apart by the look-ahead; whoever has not told of an earlier step when that is over goes on without its end. */
  #awaitOthers({ number, now }: StepReport): void {
    for (const [earlier, [told]] of this.#reports) {
      if (earlier >= number || now <= told.now + this.#apart) continue
      // What it told may still be on its way here.
      setTimeout(() => this.#reports.has(earlier) && this.#wrong?.(dependsAtOnce(earlier)), PATIENCE).unref()
    }
  }

  #step(report: StepReport): void {
    const reports = this.#reports.get(report.number) ?? []
    this.#reports.set(report.number, reports)
    reports.push(report)
    if (reports.length < this.#options.threads) return this.#awaitOthers(report)
    this.#reports.delete(report.number)
    const [{ number, output, exit, failures, now }] = reports
    const told = ({ output, exit, failures, now, version }: StepReport) =>
      JSON.stringify([output, exit, failures, now, version])
    if (reports.some((other) => told(other) !== told(reports[0]))) throw dependsAtOnce(number)
    const step = this.#topology.steps[number - 1]
    const frames = (step.expect?.frames ?? []).flatMap((expected, i) =>
      judgeCount(
        expected,
        reports.reduce((sum, { counts }) => sum + counts[i], 0),
      ),
    )
    const result: StepResult = { step, number, output, exit, failures: [...failures, ...frames] }
    if (result.failures.length > 0) this.#failed = result
    this.#options.onStep?.(result, now)
    if ((step.expect?.frames ?? []).length === 0) return
    for (const member of this.#members) member.verdict(number, result.failures.length === 0)
  }
}

function dependsAtOnce(step: number): RangeError {
  return new RangeError(
    `podwire: step ${step} depends at once on what happened on one of the machines: this is not modelled with --threads`,
  )
}
