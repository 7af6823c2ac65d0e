/** `podwire bench`: points in rounds, flow cache off and on in alternation, each in a process of its own. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { VERSION } from '../capture/version.ts'
import { measureApart } from './apart.ts'
import { compare, comparisonText, regressions } from './compare.ts'
import type { Effort, Measurement } from './measure.ts'
import { mustBePlottable, plot } from './plot.ts'
import { choose, type Point } from './points.ts'
import { figureOf, type Report, type Row, readReport } from './report.ts'
import { tableHead, tableLine } from './table.ts'

export { sweep } from './sweep.ts'

export interface BenchOptions {
  /** Of measuring, in each round. */
  readonly seconds: number
  readonly warm?: number
  readonly rounds: number
  readonly json?: boolean
  /** A file that --json wrote. */
  readonly compare?: string
  /** Per cent. */
  readonly threshold: number
  /** An SVG to write. */
  readonly plot?: string
  /** For the processes that measure: what podwire itself tells V8. */
  readonly v8Flags: readonly string[]
}

/** Returns the exit code: 1 when a figure is worse than the baseline's. */
export async function bench(words: readonly string[], options: BenchOptions): Promise<number> {
  const chosen = choose(words)
  const baseline = options.compare === undefined ? null : readBaseline(options.compare)
  if (options.plot !== undefined) mustBePlottable(chosen)
  if (!options.json) process.stdout.write(tableHead([]))
  const rows: Row[] = []
  for (const point of chosen) {
    const row = await measured(point, options)
    rows.push(row)
    if (!options.json) process.stdout.write(tableLine(row, []))
  }
  const report: Report = {
    podwire: VERSION,
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    rounds: options.rounds,
    seconds: options.seconds,
    rows,
  }
  if (options.plot !== undefined) writeFileSync(options.plot, plot(report))
  const comparison = baseline === null ? null : compare(baseline, report, options.threshold / 100)
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  if (comparison === null) return 0
  const text = comparisonText(comparison, options.threshold / 100)
  if (options.json) process.stderr.write(text)
  else process.stdout.write(`\n${text}`)
  return regressions(comparison).length > 0 ? 1 : 0
}

async function measured(point: Point, { seconds, warm, rounds, v8Flags }: BenchOptions): Promise<Row> {
  const variants = ['hop', 'cache'] as const
  const found: Record<string, Measurement[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const variant of variants) {
      // The profiler finds the same bytes in every round.
      const effort: Effort = { seconds, allocation: round === 0, ...(warm === undefined ? {} : { warm }) }
      const measurement = await measureApart({ point: point.id, variant, effort }, v8Flags)
      ;(found[variant] ??= []).push(measurement)
    }
  }
  const figures = Object.fromEntries(Object.entries(found).map(([name, each]) => [name, figureOf(point, each)]))
  const { id, workload, title, frame, hops, axis } = point
  return { point: id, workload, title, frame, hops, axis, figures }
}

function readBaseline(file: string): Report {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new RangeError(`podwire: ${file}: ${(error as Error).message}`)
  }
  return readReport(file, text)
}
