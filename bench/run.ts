/**
 * `npm run bench`: what `podwire bench` does, out of the sources, and tables that only those who work on podwire need.
 * `npm run --silent bench -- W4 64 [SECONDS]`: one workload as two JSON lines {peer, workload, variant, frame, frames, seconds,
 * fps, cpu_s, gbps?}, without the flow cache and with it. `npm run bench -- tcp`: TCP's tables. `npm run bench -- services`: what
 * Services cost in each of kube-proxy's modes. `npm run bench -- explain`: what it costs to explain every frame.
 * `npm run bench -- capture`: frames written to the disk. `npm run bench -- parallel`: two threads against one. `npm run bench --
 * scale`: clusters of full size.
 *
 * It runs as one file, as the command does (src/cli/bundle.ts): V8 takes what a file of its own declares for what it is, and
 * what a module imports for something to be looked up each time. Forwarding is a third faster that way.
 */
import { measureApart } from '../src/bench/apart.ts'
import type { Variant } from '../src/bench/measure.ts'
import { choose } from '../src/bench/points.ts'
import { runCli, servedThread } from '../src/cli/podwire.ts'
import { INLINING, prepareV8 } from '../src/cli/v8.ts'
import { captureTable } from './capture.ts'
import { explainTable } from './explain.ts'
import { parallelTable } from './parallel.ts'
import { scaleTable } from './scale.ts'
import { serviceTable } from './services.ts'
import { tcpTable } from './tcp-table.ts'

const tables: Readonly<Record<string, () => void | Promise<void>>> = {
  tcp: tcpTable,
  services: serviceTable,
  explain: explainTable,
  capture: captureTable,
  parallel: parallelTable,
  scale: () => scaleTable(process.argv.slice(3)),
}

/** The form that other programs read: each variant measured in a process of its own. */
async function lines(workload: string, frame: string, seconds: number): Promise<void> {
  const point = workload === 'W5' ? 'W5/tcp' : `${workload}/${frame}`
  const variants: readonly Variant[] = ['hop', 'cache']
  for (const variant of variants) {
    const found = await measureApart({ point, variant, effort: { seconds } }, [INLINING])
    const line = {
      peer: 'podwire',
      workload,
      variant,
      frame: choose([point])[0].frame,
      frames: found.frames,
      seconds: rounded(found.seconds),
      fps: Math.round(found.frames / found.seconds),
      cpu_s: rounded(found.cpuSeconds),
      ...(found.gbps === null ? {} : { gbps: found.gbps }),
    }
    process.stdout.write(`${JSON.stringify(line)}\n`)
  }
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000
}

async function main(args: readonly string[]): Promise<void> {
  const [only, frame, seconds = '1'] = args
  if (tables[only] !== undefined) return tables[only]()
  if (/^W\d$/.test(only ?? '') && Number(frame) > 0) return lines(only, frame, Number(seconds))
  process.exitCode = await runCli(['bench', ...args], () => import('../src/bench/command.ts'))
}

/** A thread of `parallel` begins here, too. */
async function begin(): Promise<void> {
  if (!(await servedThread())) await main(process.argv.slice(2))
}

prepareV8()
// One file is no module, and cannot await out here.
void begin()
