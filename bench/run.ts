/**
 * `npm run bench`: the workloads W1 to W5 as a table. `npm run --silent bench -- W4 64 [SECONDS]`: one of them, as
 * two JSON lines {peer, workload, variant, frame, frames, seconds, fps, cpu_s, gbps?}, without the flow cache and with it. `npm run bench -- tcp`: TCP's tables.
 * `npm run bench -- services`: what Services cost in each of kube-proxy's modes. `npm run bench -- explain`: what it costs to
 * explain every frame.
 * `npm run bench -- capture`: frames written to the disk.
 *
 * It runs as one file, as the command does (src/cli/bundle.ts): V8 takes what a file of its own declares for what it is, and
 * what a module imports for something to be looked up each time. Forwarding is a third faster that way.
 */
import { spawnSync } from 'node:child_process'
import { Explainer } from '../src/capture/explainer.ts'
import { inlineMore } from '../src/cli/v8.ts'
import { bytesPerFrame } from './allocation.ts'
import { captureTable } from './capture.ts'
import { explainTable } from './explain.ts'
import { bridge, type Network, overlay, routed, service } from './networks.ts'
import { serviceTable } from './services.ts'
import { bulk } from './tcp.ts'
import { tcpTable } from './tcp-table.ts'
import { Traffic } from './traffic.ts'

interface Workload {
  readonly name: string
  readonly build: (flowCache?: boolean) => Network
  readonly answers: boolean
  /** Cables that one frame crosses. */
  readonly cables: number
}

const workloads: Readonly<Record<string, Workload>> = {
  W1: { name: 'bridge', build: bridge, answers: false, cables: 2 },
  W2: { name: 'route', build: routed, answers: false, cables: 2 },
  W3: { name: 'service', build: service, answers: true, cables: 2 },
  W4: { name: 'overlay', build: overlay, answers: true, cables: 4 },
}
const sizes = [64, 1450]

export interface Result {
  readonly peer: 'podwire'
  readonly workload: string
  readonly variant: string
  readonly frame: number
  readonly frames: number
  readonly seconds: number
  readonly fps: number
  readonly cpu_s: number
  readonly gbps?: number
}

/** Runs one workload for about this many seconds, after warming up. */
function measure(name: string, size: number, seconds: number, flowCache = false, traced = false): Result {
  const workload = workloads[name]
  const network = workload.build(flowCache)
  if (traced) network.world.trace(new Explainer(network.world))
  const traffic = new Traffic(network, size, workload.answers)
  const warmUntil = performance.now() + 1500
  while (performance.now() < warmUntil) traffic.batch()
  const before = traffic.received
  const cpu = process.cpuUsage()
  const began = performance.now()
  while (performance.now() - began < seconds * 1000) for (let i = 0; i < 20; i++) traffic.batch()
  const elapsed = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  const frames = traffic.received - before
  if (traffic.bad > 0 || frames === 0) throw new Error(`${name}: ${traffic.bad} wrong frames, ${frames} right ones`)
  const cpuSeconds = (used.user + used.system) / 1e6
  return {
    peer: 'podwire',
    workload: name,
    variant: traced ? 'traced' : flowCache ? 'cache' : 'hop',
    frame: size,
    frames,
    seconds: round(elapsed),
    fps: Math.round(frames / elapsed),
    cpu_s: round(cpuSeconds),
  }
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000
}

/** Each variant in a process of its own: V8 compiles for what it has seen, and must not have seen the other. */
function apart(workload: string, size: string, seconds: string): void {
  for (const variant of ['hop', 'cache']) {
    const args = [process.argv[1], workload, size, seconds, variant]
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
  }
}

async function main(args: readonly string[]): Promise<void> {
  const [only, size, seconds = '1', variant] = args
  if (only === 'tcp') return tcpTable()
  if (only === 'services') return serviceTable()
  if (only === 'explain') return explainTable()
  if (only === 'capture') return captureTable()
  if (only !== undefined) {
    if (variant === undefined) return apart(only, size ?? '64', seconds)
    const flowCache = variant === 'cache'
    const time = Number(seconds)
    const traced = variant === 'traced'
    const result = only === 'W5' ? bulk(time, flowCache) : measure(only, Number(size), time, flowCache, traced)
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  process.stdout.write('workload      frame  frames/CPU-s  ns/frame  ns/hop  bytes/frame  with flow cache  ns/frame\n')
  for (const [name, workload] of Object.entries(workloads)) {
    for (const frame of sizes) {
      const result = measure(name, frame, 1)
      const rate = result.frames / result.cpu_s
      const cached = measure(name, frame, 1, true)
      const cachedRate = cached.frames / cached.cpu_s
      const allocated = await bytesPerFrame(new Traffic(workload.build(), frame, workload.answers))
      const cells = [
        `${name} ${workload.name}`.padEnd(12),
        String(frame).padStart(6),
        `${(rate / 1e6).toFixed(2)}M`.padStart(13),
        (1e9 / rate).toFixed(0).padStart(9),
        (1e9 / rate / workload.cables).toFixed(0).padStart(7),
        allocated.toFixed(2).padStart(12),
        `${(cachedRate / 1e6).toFixed(2)}M`.padStart(16),
        (1e9 / cachedRate).toFixed(0).padStart(9),
      ]
      process.stdout.write(`${cells.join(' ')}\n`)
    }
  }
  for (const flowCache of [false, true]) {
    const tcp = bulk(1, flowCache)
    const rate = `${(tcp.frames / tcp.cpu_s / 1e6).toFixed(2)}M`
    const how = flowCache ? ', with flow cache' : ''
    process.stdout.write(`W5 tcp         1464 ${rate.padStart(13)}   goodput ${tcp.gbps?.toFixed(2)} Gbit/s${how}\n`)
  }
}

inlineMore()
// One file is no module, and cannot await out here.
void main(process.argv.slice(2))
