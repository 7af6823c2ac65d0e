/** `podwire run --threads N`: the same, by several threads. */
import type { CapturedInterface } from '../capture/captured-interface.ts'
import { Crew, type CrewOptions, type CrewResult } from '../parallel/crew.ts'
import { launchInTurns } from '../parallel/in-turns.ts'
import type { MergedCapture } from '../parallel/merged-capture.ts'
import { launchThreads } from '../parallel/threads.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { sectionOf } from '../topology/lab.ts'
import type { TopologyFile } from '../topology/schema.ts'
import type { StepListener, StepResult } from '../topology/steps.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { CaptureFiles } from './captures.ts'
import { disk, openFiles } from './open.ts'

/** What is told while the steps run. */
export interface RunHooks {
  /** No step begins later than this. */
  readonly until: Nanos
  readonly listener: StepListener
  onBuilt(): void
  onStep(result: StepResult, now: Nanos): void
}

/** What became of a run. */
export interface Ran {
  readonly interfaces: readonly CapturedInterface[]
  readonly files: CaptureFiles | null
  readonly failed: StepResult | null
  readonly now: Nanos
}

export interface ThreadOptions extends CaptureOptions {
  readonly threads?: number
  readonly threadEntry?: URL
}

/** @throws RangeError for what is not modelled. */
export async function runInThreads(
  file: string,
  topology: TopologyFile,
  options: ThreadOptions,
  { until, listener, onBuilt, onStep }: RunHooks,
): Promise<Ran> {
  const { threads = 1, threadEntry, captures, seed, interfaces } = options
  refuseCaptures(options)
  const judged = topology.steps.some((step) => (step.expect?.frames ?? []).length > 0)
  const writes = captures !== undefined
  const opened: CaptureFiles[] = []
  const crew: CrewOptions = {
    threads,
    until,
    listener,
    capture: writes || judged ? interfaces : null,
    inTurns: threadEntry === undefined,
    ...(seed === undefined ? {} : { seed }),
    onBuilt,
    onStep: (result, at) => {
      for (const files of opened) files.flush()
      onStep(result, at)
    },
  }
  const onCapture = (merged: MergedCapture, used: number): void => {
    merged.section = sectionOf(topology, used)
    if (writes) opened.push(openFiles({ capture: merged, seed: used }, captures, options, noTables))
  }
  const launch = threadEntry === undefined ? launchInTurns(disk(file)) : launchThreads(threadEntry, file)
  let result: CrewResult
  try {
    result = await Crew.run(topology, writes ? { ...crew, onCapture } : crew, launch)
  } finally {
    for (const files of opened) files.finish()
  }
  for (const { failure } of opened) if (failure !== null) throw new RangeError(failure)
  const { now, failed, capture } = result
  return { interfaces: capture?.interfaces() ?? [], files: opened[0] ?? null, failed, now }
}

function noTables(): [] {
  return []
}

function refuseCaptures({ captures, explain, unmask }: CaptureOptions): void {
  if (captures === undefined) return
  if (explain === true) {
    throw new RangeError('podwire: why each frame is where it is, is not modelled with --threads: add --no-explain')
  }
  if (unmask === true) throw new RangeError('podwire: --unmask is not modelled with --threads')
}
