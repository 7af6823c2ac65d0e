/** The results of one run: medians of its rounds, as they are printed, kept as a baseline, and compared. */
import type { Measurement } from './measure.ts'
import type { Point } from './points.ts'

/** What was measured of one point: podwire hop by hop, with the flow cache, or a peer. */
export interface Figure {
  readonly rounds: number
  readonly framesPerCpuSecond: number
  /** The slowest and the fastest round. */
  readonly lowest: number
  readonly highest: number
  readonly nsPerFrame: number
  /** From one cable to the next. */
  readonly nsPerHop: number
  readonly bytesPerFrame: number | null
  /** Null for a peer. */
  readonly gcShare: number | null
  readonly gbps: number | null
  readonly buildMs: number
}

/** How many times as fast as a peer podwire was in the rounds of one run: by frames per CPU-second, in TCP by goodput. */
export interface Ratio {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

export interface Row {
  readonly point: string
  readonly workload: string
  readonly title: string
  readonly frame: number
  readonly hops: number
  readonly axis: Point['axis']
  /** By participant: `hop`, `cache`, and peers such as `kernel`. */
  readonly figures: Readonly<Record<string, Figure>>
  /** By peer, for those that have the point: without the flow cache, and with it. */
  readonly ratios?: Readonly<Record<string, { readonly hop: Ratio; readonly cache: Ratio }>>
}

export interface Report {
  readonly podwire: string
  readonly node: string
  readonly cpu: string
  readonly rounds: number
  readonly seconds: number
  /** Who was measured beside podwire, and how. */
  readonly peers?: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export function figureOf({ hops }: Point, rounds: readonly Measurement[]): Figure {
  const rates = rounds.map(({ frames, cpuSeconds }) => frames / cpuSeconds)
  const rate = median(rates)
  const allocated = rounds.flatMap(({ bytesPerFrame }) => (bytesPerFrame === null ? [] : [bytesPerFrame]))
  const collected = rounds.flatMap(({ gcShare }) => (gcShare === null ? [] : [gcShare]))
  const goodputs = rounds.flatMap(({ gbps }) => (gbps === null ? [] : [gbps]))
  return {
    rounds: rounds.length,
    framesPerCpuSecond: Math.round(rate),
    lowest: Math.round(Math.min(...rates)),
    highest: Math.round(Math.max(...rates)),
    nsPerFrame: rounded(1e9 / rate, 2),
    nsPerHop: rounded(1e9 / rate / hops, 2),
    bytesPerFrame: allocated.length === 0 ? null : rounded(median(allocated), 3),
    gcShare: collected.length === 0 ? null : rounded(median(collected), 5),
    gbps: goodputs.length === 0 ? null : rounded(median(goodputs), 3),
    buildMs: rounded(median(rounds.map(({ buildMs }) => buildMs)), 1),
  }
}

/** Of rounds that took turns: each is compared with the peer's own of that round, so that what slowed both cancels out. */
export function ratioOf(rounds: readonly Measurement[], peers: readonly Measurement[]): Ratio {
  const each = rounds.map((own, i) => speed(own) / speed(peers[i]))
  const [lowest, highest] = [Math.min(...each), Math.max(...each)]
  return { median: rounded(median(each), 3), lowest: rounded(lowest, 3), highest: rounded(highest, 3) }
}

function speed({ frames, cpuSeconds, gbps }: Measurement): number {
  return gbps ?? frames / cpuSeconds
}

/** Of one round nobody knows; on shared machines rounds differ by as much. */
const SINGLE = 0.25

/** By how much rounds differ from the median, as a part of it. */
export function noise({ rounds, framesPerCpuSecond, lowest, highest }: Figure): number {
  if (rounds === 1) return SINGLE
  return (highest - lowest) / 2 / framesPerCpuSecond
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** `podwire bench` is compared with what it wrote itself; anything else is refused. @throws RangeError */
export function readReport(file: string, text: string): Report {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new RangeError(`podwire: ${file} is not JSON: ${(error as Error).message}`)
  }
  const report = value as Partial<Report> | null
  const whole = Array.isArray(report?.rows) && report.rows.every(isRow)
  if (!whole) throw new RangeError(`podwire: ${file} is no baseline: write one with podwire bench --json > ${file}`)
  return report as Report
}

function isRow(value: unknown): boolean {
  const row = value as Partial<Row> | null
  if (typeof row?.point !== 'string' || typeof row.figures !== 'object' || row.figures === null) return false
  return Object.values(row.figures).every((figure) => {
    const { framesPerCpuSecond, lowest, highest } = (figure ?? {}) as Partial<Figure>
    return [framesPerCpuSecond, lowest, highest].every((each) => typeof each === 'number' && each > 0)
  })
}
