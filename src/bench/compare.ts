/** A run against a baseline: which figures got worse by more than chance. */
import { type Figure, noise, type Report } from './report.ts'

/** Bytes per frame that sampling may find without anybody having allocated more. */
const SAMPLING = 0.1

export interface Change {
  readonly point: string
  readonly participant: string
  readonly before: Figure
  readonly now: Figure
  /** Of frames per CPU-second: 1 is no change, 0.5 half as fast. */
  readonly ratio: number
  /** How far the ratio may be from 1: the threshold, or what rounds differ by when that is more. */
  readonly allowed: number
  readonly verdict: 'slower' | 'faster' | 'allocates' | 'same'
}

export interface Comparison {
  readonly changes: readonly Change[]
  /** In the baseline, not in this run, or the other way round. */
  readonly missing: readonly string[]
  readonly added: readonly string[]
  /** What makes the comparison doubtful. */
  readonly notes: readonly string[]
}

/** `threshold`: a part, 0.1 for ten per cent. Peers are not judged: what they do is not podwire's. */
export function compare(baseline: Report, report: Report, threshold: number): Comparison {
  const before = byName(baseline)
  const now = byName(report)
  const changes = [...now].flatMap(([name, { point, participant, figure }]) => {
    const old = before.get(name)
    return old === undefined ? [] : [change(point, participant, old.figure, figure, threshold)]
  })
  const unlike = (['node', 'cpu'] as const).filter((key) => baseline[key] !== report[key])
  return {
    changes,
    missing: [...before.keys()].filter((name) => !now.has(name)),
    added: [...now.keys()].filter((name) => !before.has(name)),
    notes: unlike.map((key) => `the baseline was measured with another ${key}: ${baseline[key]}, now ${report[key]}`),
  }
}

interface Named {
  readonly point: string
  readonly participant: string
  readonly figure: Figure
}

function byName({ rows }: Report): Map<string, Named> {
  const named = new Map<string, Named>()
  for (const { point, figures } of rows) {
    for (const participant of ['hop', 'cache']) {
      const figure = figures[participant]
      if (figure !== undefined) named.set(`${point} ${participant}`, { point, participant, figure })
    }
  }
  return named
}

function change(point: string, participant: string, before: Figure, now: Figure, threshold: number): Change {
  const ratio = now.framesPerCpuSecond / before.framesPerCpuSecond
  const allowed = Math.max(threshold, noise(before), noise(now))
  const grown = (now.bytesPerFrame ?? 0) - (before.bytesPerFrame ?? now.bytesPerFrame ?? 0)
  const allocates = grown > SAMPLING && grown > threshold * (before.bytesPerFrame ?? 0)
  const moved = ratio < 1 - allowed ? 'slower' : ratio > 1 + allowed ? 'faster' : 'same'
  const verdict = moved !== 'slower' && allocates ? 'allocates' : moved
  return { point, participant, before, now, ratio, allowed, verdict }
}

export function regressions({ changes }: Comparison): readonly Change[] {
  return changes.filter(({ verdict }) => verdict === 'slower' || verdict === 'allocates')
}

export function comparisonText(comparison: Comparison, threshold: number): string {
  const lines = [
    `against the baseline: slower is what lost more than ${percent(threshold)}, and more than its rounds differ by (±)`,
    ['point'.padEnd(20), 'flow cache', 'before', 'now', 'change', '±', ''].map((text) => text.padStart(11)).join(''),
  ]
  for (const { point, participant, before, now, ratio, allowed, verdict } of comparison.changes) {
    const cells = [
      participant === 'cache' ? 'on' : 'off',
      millions(before.framesPerCpuSecond),
      millions(now.framesPerCpuSecond),
      `${ratio < 1 ? '' : '+'}${percent(ratio - 1)}`,
      percent(allowed),
    ]
    const bytes = `${before.bytesPerFrame} then, ${now.bytesPerFrame} bytes per frame now`
    const said =
      verdict === 'same' ? '' : verdict === 'allocates' ? `  ALLOCATES: ${bytes}` : `  ${verdict.toUpperCase()}`
    lines.push(`${point.padEnd(20)}${cells.map((cell) => cell.padStart(11)).join('')}${said}`)
  }
  for (const name of comparison.missing) lines.push(`${name}: only in the baseline`)
  for (const name of comparison.added) lines.push(`${name}: not in the baseline`)
  for (const note of comparison.notes) lines.push(`note: ${note}`)
  const worse = regressions(comparison).length
  lines.push(worse === 0 ? 'no regression' : `${worse} regression${worse === 1 ? '' : 's'}`)
  return `${lines.join('\n')}\n`
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)}%`
}

function millions(value: number): string {
  return `${(value / 1e6).toFixed(3)}M`
}
