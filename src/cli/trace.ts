/** `podwire trace`: one probe through a topology, and what became of it. */
import type { Protocol } from '../explain/probe.ts'
import { senderOf, targetOf } from '../explain/probe-ends.ts'
import { settle, type Trace, trace as traced } from '../explain/trace.ts'
import { traceJson, traceText } from '../explain/trace-text.ts'
import type { Lab } from '../topology/lab.ts'
import { runStep } from '../topology/steps.ts'
import { silent, terminalPaint } from './explain.ts'
import { readTopology, shown, withLab } from './open.ts'
import { Progress } from './progress.ts'

export interface TraceOptions {
  readonly captures?: string
  readonly seed?: number
  readonly from: string
  readonly to: string
  readonly proto?: Protocol
  readonly namespace: string
  readonly afterSteps?: boolean
  readonly command: readonly string[]
  readonly brief?: boolean
  readonly json?: boolean
}

/** 0 when the probe reached somebody, 1 when it did not. */
export async function trace(file: string, options: TraceOptions): Promise<number> {
  const topology = readTopology(file)
  const progress = new Progress(true)
  progress.show(`building ${topology.name ?? shown(file)}`)
  const writing = { ...options, format: 'pcapng', interfaces: [], explain: true } as const
  const found = await withLab(file, topology, writing, true, (lab) => probed(lab, options))
  progress.done()
  if (options.json) process.stdout.write(`${JSON.stringify(traceJson(found), null, 2)}\n`)
  else process.stdout.write(traceText(found, { paint: terminalPaint(), brief: options.brief === true }))
  return found.reached ? 0 : 1
}

async function probed(lab: Lab, options: TraceOptions): Promise<Trace> {
  const { namespace, afterSteps = false } = options
  const { steps } = lab.topology
  if (afterSteps) for (const [i, step] of steps.entries()) await runStep(lab, step, i + 1, silent)
  const say = (text: string) => void process.stderr.write(text)
  for (const line of options.command) await lab.type(line, { out: say, err: say })
  await settle(lab)
  const scope = { lab, namespace, stepsLeft: !afterSteps && steps.length > 0 }
  const sender = senderOf(scope, options.from)
  return traced(lab, sender, targetOf(scope, options.to, options.proto ?? null))
}
