/** `npm run bench -- explain`: the forwarding workloads with every decision told to an explainer, and with nobody listening. */
import { measureApart } from '../src/bench/apart.ts'
import type { Variant } from '../src/bench/measure.ts'
import { median } from '../src/bench/report.ts'
import { INLINING } from '../src/cli/v8.ts'

const ROUNDS = 3

/** Frames per CPU second. */
async function rate(point: string, variant: Variant): Promise<number> {
  const rates: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const { frames, cpuSeconds } = await measureApart({ point, variant, effort: { seconds: 1 } }, [INLINING])
    rates.push(frames / cpuSeconds)
  }
  return median(rates)
}

export async function explainTable(): Promise<void> {
  process.stdout.write('workload  frames/CPU-s  explained  times slower\n')
  for (const workload of ['W1', 'W2', 'W3', 'W4']) {
    const plain = await rate(`${workload}/64`, 'hop')
    const explained = await rate(`${workload}/64`, 'traced')
    const cells = [
      workload.padEnd(8),
      `${(plain / 1e6).toFixed(2)}M`.padStart(12),
      `${(explained / 1e6).toFixed(2)}M`.padStart(10),
      (plain / explained).toFixed(1).padStart(13),
    ]
    process.stdout.write(`${cells.join(' ')}\n`)
  }
}
