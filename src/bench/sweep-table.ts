/** The results of a sweep, for people and for programs. */
import { median } from './report.ts'
import type { Job, Outcome } from './sweep-job.ts'
import type { Value } from './sweep-values.ts'

export interface Result extends Outcome {
  readonly job: number
  readonly parameters: Job['parameters']
  readonly seed: number
}

export function resultOf({ index, parameters, seed }: Job, outcome: Outcome): Result {
  return { job: index, parameters, seed, ...outcome }
}

/** One line for each combination of parameters: medians over the seeds, and their range. */
export function sweepText(results: readonly Result[]): string {
  const groups = new Map<string, Result[]>()
  for (const result of results) {
    const key = JSON.stringify(result.parameters)
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  const parameters = Object.keys(results[0]?.parameters ?? {})
  const columns = columnsOf(results)
  const lines = [[...parameters, 'seeds', ...columns]]
  for (const group of groups.values()) {
    const given = parameters.map((name) => String(group[0].parameters[name]))
    const good = group.filter(({ error }) => error === null)
    lines.push([
      ...given,
      String(group.length),
      ...columns.map((name) => summary(good.map((each) => figure(each, name)))),
    ])
  }
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)))
  const text = lines.map((line) => line.map((cell, i) => cell.padStart(widths[i])).join('  ')).join('\n')
  const wrong = results.filter(({ error }) => error !== null)
  const said = wrong.map(({ job, parameters, seed, error }) => {
    return `job ${job} (${JSON.stringify(parameters)}, seed ${seed}) failed: ${error}`
  })
  return `${[text, ...said].join('\n')}\n`
}

function columnsOf(results: readonly Result[]): string[] {
  return [...new Set(results.flatMap(({ outcomes, timed }) => [...Object.keys(outcomes), ...Object.keys(timed)]))]
}

function figure({ outcomes, timed }: Result, name: string): Value | undefined {
  return outcomes[name] ?? timed[name]
}

function summary(values: readonly (Value | undefined)[]): string {
  const numbers = values.filter((value) => typeof value === 'number')
  if (numbers.length < values.length) {
    const texts = new Set(values.map((value) => String(value ?? '-')))
    return texts.size === 1 ? [...texts][0] : `${texts.size} different`
  }
  if (numbers.length === 0) return '-'
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)]
  const middle = short(median(numbers))
  return low === high ? middle : `${middle} (${short(low)}–${short(high)})`
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)))
}

/** One line for each job. */
export function sweepCsv(results: readonly Result[]): string {
  const parameters = Object.keys(results[0]?.parameters ?? {})
  const columns = columnsOf(results)
  const head = ['job', ...parameters, 'seed', ...columns, 'error']
  const rows = results.map((result) => [
    result.job,
    ...parameters.map((name) => result.parameters[name]),
    result.seed,
    ...columns.map((name) => figure(result, name) ?? ''),
    result.error ?? '',
  ])
  return [head, ...rows].map((row) => `${row.map(quoted).join(',')}\n`).join('')
}

/** RFC 4180. */
function quoted(value: Value): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
