/** `podwire bench`: points in rounds, flow cache off and on in alternation, each in a process of its own. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { VERSION } from '../capture/version.ts'
import { measureApart } from './apart.ts'
import { compare, comparisonText, regressions } from './compare.ts'
import type { Effort, Measurement } from './measure.ts'
import { Peers } from './peers/against.ts'
import { mustBePlottable, plot } from './plot.ts'
import { choose, type Point } from './points.ts'
import { figureOf, type Report, type Row, ratioOf, readReport } from './report.ts'
import { tableFoot, tableHead, tableLine } from './table.ts'

export { sweep } from './sweep.ts'

export interface BenchOptions {
  /** Of measuring, in each round. */
  readonly seconds: number
  readonly warm?: number
  /** Left out: three, but one for what is on a scale when everything is measured. */
  readonly rounds?: number
  readonly json?: boolean
  /** A file that --json wrote. */
  readonly compare?: string
  /** Per cent. */
  readonly threshold: number
  /** Peers to measure in the same rounds: the kernel, ns-3. */
  readonly against?: readonly string[]
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
  const peers = await Peers.named(options.against ?? [], chosen)
  const rounds = (point: Point) => options.rounds ?? (words.length === 0 && point.axis !== null ? 1 : 3)
  const report = await measuredBeside(peers, chosen, rounds, options).finally(() => peers.close())
  if (options.plot !== undefined) writeFileSync(options.plot, plot(report))
  const comparison = baseline === null ? null : compare(baseline, report, options.threshold / 100)
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  if (comparison === null) return 0
  const text = comparisonText(comparison, options.threshold / 100)
  if (options.json) process.stderr.write(text)
  else process.stdout.write(`\n${text}`)
  return regressions(comparison).length > 0 ? 1 : 0
}

async function measuredBeside(
  peers: Peers,
  chosen: readonly Point[],
  rounds: (point: Point) => number,
  options: BenchOptions,
): Promise<Report> {
  if (!options.json) process.stdout.write(tableHead(peers.names))
  const rows: Row[] = []
  for (const point of chosen) {
    const row = await measured(point, rounds(point), peers, options)
    rows.push(row)
    if (!options.json) process.stdout.write(tableLine(row, peers.names))
  }
  const { descriptions } = peers
  if (!options.json) process.stdout.write(tableFoot(descriptions))
  return {
    podwire: VERSION,
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    rounds: Math.max(...chosen.map(rounds)),
    seconds: options.seconds,
    ...(peers.names.length === 0 ? {} : { peers: descriptions }),
    rows,
  }
}

/** In each round everybody once, podwire first without and then with the flow cache. */
async function measured(point: Point, rounds: number, peers: Peers, options: BenchOptions): Promise<Row> {
  const { seconds, warm, v8Flags } = options
  const variants = ['hop', 'cache'] as const
  const found: Record<string, Measurement[]> = {}
  const tell = (who: string, measurement: Measurement) => (found[who] ??= []).push(measurement)
  const opened = await peers.open(point)
  try {
    for (let round = 0; round < rounds; round++) {
      for (const variant of variants) {
        // The profiler finds the same bytes in every round.
        const effort: Effort = { seconds, allocation: round === 0, ...(warm === undefined ? {} : { warm }) }
        tell(variant, await measureApart({ point: point.id, variant, effort }, v8Flags, peers.core))
      }
      await opened.measure(seconds, tell)
    }
  } finally {
    opened.close()
  }
  const figures = Object.fromEntries(Object.entries(found).map(([name, each]) => [name, figureOf(point, each)]))
  const against = Object.keys(found).filter((who) => who !== 'hop' && who !== 'cache')
  const ratios = Object.fromEntries(
    against.map((peer) => [peer, { hop: ratioOf(found.hop, found[peer]), cache: ratioOf(found.cache, found[peer]) }]),
  )
  const { id, workload, title, frame, hops, axis } = point
  const row = { point: id, workload, title, frame, hops, axis, figures }
  return peers.names.length === 0 ? row : { ...row, ratios }
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
