/** `podwire run`: the topology's steps as a terminal would show them, and their captures. */
import pc from 'picocolors'
import { SECOND } from '../sim/scheduler.ts'
import type { Lab } from '../topology/lab.ts'
import { runStep, type StepListener, type StepResult } from '../topology/steps.ts'
import { parseDuration } from '../topology/units.ts'
import { writeCaptures } from './captures.ts'
import { type CaptureOptions, openLab, readTopology, shown } from './open.ts'
import { Progress } from './progress.ts'

export interface RunOptions extends CaptureOptions {
  readonly until?: string
  readonly json?: boolean
  readonly quiet?: boolean
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
  const lab = await openLab(file, topology, options, true)
  progress.done()
  const listener = options.json || options.quiet ? silent : terminal
  let failed: StepResult | null = null
  try {
    for (const [i, step] of topology.steps.entries()) {
      if (lab.world.scheduler.now >= until) break
      const result = await runStep(lab, step, i + 1, listener)
      if (options.json) process.stdout.write(`${JSON.stringify(asJson(result, lab))}\n`)
      if (result.failures.length === 0) continue
      failed = result
      break
    }
  } finally {
    // What was captured is never lost, whatever went wrong.
    if (options.captures !== undefined) save(lab, options, options.captures)
  }
  if (failed !== null) return report(failed, topology.steps.length)
  const passed = topology.steps.length
  if (!options.json && !options.quiet) {
    const seconds = (lab.world.scheduler.now / SECOND).toFixed(1)
    process.stdout.write(`\n${pc.green('ok')} ${passed} steps, ${seconds} s of virtual time\n`)
    if (options.captures === undefined) process.stdout.write('Add --captures DIR to write every interface as a file.\n')
  }
  return 0
}

function deadline(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  const parsed = parseDuration(text)
  if (parsed === null) throw new RangeError(`--until ${text}: expected a duration with its unit, such as 30s or 500ms`)
  return parsed
}

function save(lab: Lab, options: RunOptions, folder: string): void {
  if (lab.recorder === null) return
  const written = writeCaptures(lab.recorder, folder, options.format)
  if (options.quiet || options.json) return
  const out = [`\n${written.frames} frames in ${written.files} files under ${shown(folder)}`]
  if (written.all !== null)
    out.push(`Open all interfaces:  wireshark -o vxlan.udp.port:4789,8472 ${shown(written.all)}`)
  const busiest = [...lab.recorder.interfaces()].sort((a, b) => b.frames - a.frames)
  const pod = busiest.find((each) => each.name.endsWith('/eth0') && each.name.split('/').length === 3) ?? busiest[0]
  if (pod !== undefined && options.format !== 'pcap') {
    out.push(`Or follow one pod:    wireshark ${shown(`${folder}/${pod.name}.pcapng`)}`)
  }
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

function asJson(result: StepResult, lab: Lab): unknown {
  return {
    step: result.number,
    ...(result.step.run === undefined ? {} : { run: result.step.run }),
    exit: result.exit,
    output: result.output,
    ok: result.failures.length === 0,
    failures: result.failures,
    time: lab.world.scheduler.now / SECOND,
  }
}
