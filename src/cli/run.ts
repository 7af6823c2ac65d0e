/** `podwire run`: the topology's steps as a terminal would show them, and their captures. */
import pc from 'picocolors'
import type { CapturedInterface } from '../capture/captured-interface.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { TopologyFile } from '../topology/schema.ts'
import { runStep, type StepListener, type StepResult } from '../topology/steps.ts'
import { parseDuration } from '../topology/units.ts'
import type { CaptureOptions } from './capture-options.ts'
import type { CaptureFiles } from './captures.ts'
import { readTopology, shown, withLab } from './open.ts'
import { Progress } from './progress.ts'
import { type Ran, type RunHooks, runInThreads } from './run-threads.ts'

export interface RunOptions extends CaptureOptions {
  readonly until?: string
  readonly json?: boolean
  readonly quiet?: boolean
  /** So many threads share the work. */
  readonly threads?: number
  /** The module that they run; without it they take turns in this one. */
  readonly threadEntry?: URL
}

const silent: StepListener = { say: () => {}, command: () => {}, output: () => {} }

const terminal: StepListener = {
  say: (text) => {
    for (const line of text.trimEnd().split('\n')) process.stdout.write(`${pc.dim(`# ${line}`)}\n`)
  },
  command: (line) => void process.stdout.write(`${pc.bold(`$ ${line}`)}\n`),
  output: (text) => void process.stdout.write(text),
}

/** Returns the exit code: 0 when all expectations hold, 1 when one does not. */
export async function run(file: string, options: RunOptions): Promise<number> {
  const topology = readTopology(file)
  const until = deadline(options.until)
  const progress = new Progress(!options.quiet && !options.json)
  progress.show(`building ${topology.name ?? shown(file)}`)
  const listener = options.json || options.quiet ? silent : terminal
  const ran = await (options.threads === undefined ? runAlone : runInThreads)(file, topology, options, {
    until,
    listener,
    onBuilt: () => progress.done(),
    onStep: (result, now) => {
      if (options.json) process.stdout.write(`${JSON.stringify(asJson(result, now))}\n`)
    },
  })
  const { interfaces, files, failed, now } = ran
  if (files !== null && options.captures !== undefined) summarise(interfaces, files, options, options.captures)
  if (failed !== null) return report(failed, topology.steps.length)
  const passed = topology.steps.length
  if (!options.json && !options.quiet) {
    const seconds = (now / SECOND).toFixed(1)
    process.stdout.write(`\n${pc.green('ok')} ${passed} steps, ${seconds} s of virtual time\n`)
    if (options.captures === undefined) process.stdout.write('Add --captures DIR to write every interface as a file.\n')
  }
  return 0
}

async function runAlone(
  file: string,
  topology: TopologyFile,
  options: RunOptions,
  { until, listener, onBuilt, onStep }: RunHooks,
): Promise<Ran> {
  // Frames that no step asks about are not kept in memory.
  const judged = topology.steps.some((step) => (step.expect?.frames ?? []).length > 0)
  return withLab(file, topology, options, judged, async (lab, files) => {
    onBuilt()
    const ran = (failed: StepResult | null): Ran => {
      return { interfaces: lab.recorder?.interfaces() ?? [], files, failed, now: lab.world.scheduler.now }
    }
    for (const [i, step] of topology.steps.entries()) {
      if (lab.world.scheduler.now >= until) break
      lab.recorder?.capture.forget()
      const result = await runStep(lab, step, i + 1, listener)
      files?.flush()
      onStep(result, lab.world.scheduler.now)
      if (result.failures.length > 0) return ran(result)
    }
    return ran(null)
  })
}

function deadline(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  const parsed = parseDuration(text)
  if (parsed === null) throw new RangeError(`--until ${text}: expected a duration with its unit, such as 30s or 500ms`)
  return parsed
}

function summarise(
  interfaces: readonly CapturedInterface[],
  files: CaptureFiles,
  options: RunOptions,
  folder: string,
): void {
  if (options.quiet || options.json) return
  const out = [`\n${files.frames} frames in ${files.files} files under ${shown(folder)}`]
  if (files.all !== null && options.ring === undefined)
    out.push(`Open all interfaces:  wireshark -o vxlan.udp.port:4789,8472 ${shown(files.all)}`)
  const busiest = [...interfaces].sort((a, b) => b.frames - a.frames)
  const pod = busiest.find((each) => each.name.endsWith('/eth0') && each.name.split('/').length === 3) ?? busiest[0]
  const path = pod === undefined ? null : files.pathOf(pod)
  if (path !== null) out.push(`Or follow one pod:    wireshark ${shown(path)}`)
  process.stdout.write(`${out.join('\n')}\n`)
}

function report(result: StepResult, steps: number): number {
  const what = result.step.run ?? result.step.say ?? `wait ${result.step.wait}`
  const lines = [`${pc.red('failed')} step ${result.number} of ${steps}: ${what}`]
  lines.push(...result.failures.map((failure) => `  ${failure.replaceAll('\n', '\n  ')}`))
  if (result.output !== '') lines.push('  it said:', `    ${result.output.trimEnd().replaceAll('\n', '\n    ')}`)
  process.stderr.write(`${lines.join('\n')}\n`)
  return 1
}

function asJson(result: StepResult, now: Nanos): unknown {
  return {
    step: result.number,
    ...(result.step.run === undefined ? {} : { run: result.step.run }),
    exit: result.exit,
    output: result.output,
    ok: result.failures.length === 0,
    failures: result.failures,
    time: now / SECOND,
  }
}
