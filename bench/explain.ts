/** `npm run bench -- explain`: the forwarding workloads with every decision told to an explainer, and with nobody listening. */
import { spawnSync } from 'node:child_process'
import type { Result } from './run.ts'

const ROUNDS = 3

/** Frames per CPU second, the median of some runs, each in a process of its own. */
function rate(workload: string, variant: string): number {
  const rates = Array.from({ length: ROUNDS }, () => {
    const args = [process.argv[1], workload, '64', '1', variant]
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    const { frames, cpu_s } = JSON.parse(stdout) as Result
    return frames / cpu_s
  })
  return rates.sort((a, b) => a - b)[ROUNDS >> 1]
}

export function explainTable(): void {
  process.stdout.write('workload  frames/CPU-s  explained  times slower\n')
  for (const workload of ['W1', 'W2', 'W3', 'W4']) {
    const plain = rate(workload, 'hop')
    const explained = rate(workload, 'traced')
    const cells = [
      workload.padEnd(8),
      `${(plain / 1e6).toFixed(2)}M`.padStart(12),
      `${(explained / 1e6).toFixed(2)}M`.padStart(10),
      (plain / explained).toFixed(1).padStart(13),
    ]
    process.stdout.write(`${cells.join(' ')}\n`)
  }
}
