/** Runs a topology's steps: types each command, and holds what it said and what was on the wire to expectations. */
import { compileFilter } from '../capture/pcap-filter.ts'
import { MILLISECOND } from '../sim/scheduler.ts'
import { printFrame } from '../wire/print.ts'
import { globToRegExp } from './interface-choice.ts'
import type { Lab } from './lab.ts'
import type { Expectation, FrameExpectation, Step } from './schema.ts'
import { parseDuration } from './units.ts'

/** What became of one step. */
export interface StepResult {
  readonly step: Step
  /** From 1. */
  readonly number: number
  readonly output: string
  /** Of the command; null for a step without one. */
  readonly exit: number | null
  /** What did not hold, each in one sentence or a few lines; empty when all did. */
  readonly failures: readonly string[]
}

/** How long frames of a step may still arrive after its command has ended. */
const AFTERMATH = 200 * MILLISECOND

/** Told as a step goes on, so that a terminal can show it. */
export interface StepListener {
  say(text: string): void
  command(line: string): void
  output(text: string): void
}

/** Runs one step to its end; virtual time stands still between steps but for `wait`. */
export async function runStep(lab: Lab, step: Step, number: number, listener: StepListener): Promise<StepResult> {
  if (step.say !== undefined) listener.say(step.say)
  lab.events.listener = (text) => listener.say(text)
  if (step.wait !== undefined) await lab.runner.runFor(parseDuration(step.wait) ?? 0)
  const from = lab.recorder?.capture.frames ?? 0
  if (step.link !== undefined) lab.setLink(step.link)
  let output = ''
  let exit: number | null = null
  if (step.run !== undefined) {
    listener.command(step.run)
    const keep = (text: string) => {
      output += text
      listener.output(text)
    }
    exit = await lab.type(step.run, { out: keep, err: keep })
    // What the command left on its way, the last FIN for one, belongs to this step.
    await lab.runner.runFor(AFTERMATH)
  }
  const failures = [
    ...lab.events.failures.splice(0),
    ...judge(step, output, exit),
    ...judgeFrames(lab, from, step.expect?.frames ?? []),
  ]
  return { step, number, output, exit, failures }
}

function* judge(step: Step, output: string, exit: number | null): Generator<string> {
  const expected: Expectation = step.expect ?? { frames: [] }
  const code = expected.exit ?? 0
  if (exit !== null && exit !== code) yield `exit code ${exit}, expected ${code}`
  if (expected.output !== undefined && expected.output.trimEnd() !== output.trimEnd()) {
    yield `the output differs, expected:\n${indent(expected.output)}`
  }
  for (const text of list(expected.contains)) {
    if (!output.includes(text)) yield `the output lacks ${JSON.stringify(text)}`
  }
  for (const text of list(expected.lacks)) {
    if (output.includes(text)) yield `the output holds ${JSON.stringify(text)}, and must not`
  }
  for (const pattern of list(expected.matches)) {
    if (!new RegExp(pattern, 'm').test(output)) yield `the output does not match /${pattern}/`
  }
}

function judgeFrames(lab: Lab, from: number, expectations: readonly FrameExpectation[]): string[] {
  if (expectations.length > 0 && lab.recorder === null) return ['frames are expected, and nothing is captured']
  return expectations.flatMap((expected) => judgeCount(expected, matchingFrames(lab, from, expected)))
}

/** What is to be said of so many frames that match the expectation; nothing when they are what was expected. */
export function judgeCount(expected: FrameExpectation, seen: number): string[] {
  const wanted = [
    ['', expected.count, (count: number, want: number) => count === want],
    ['at least ', expected.atLeast, (count: number, want: number) => count >= want],
    ['at most ', expected.atMost, (count: number, want: number) => count <= want],
  ] as const
  const given = wanted.filter(([, want]) => want !== undefined)
  const tests = given.length > 0 ? given : ([['at least ', 1, wanted[1][2]]] as const)
  return tests.flatMap(([word, want, holds]) => {
    if (want === undefined || holds(seen, want)) return []
    const what = [expected.filter, expected.line === undefined ? undefined : `/${expected.line}/`]
    const described = what.filter((part) => part !== undefined).join(' and ')
    return [`${seen} frames on ${expected.on}${described === '' ? '' : ` match ${described}`}, expected ${word}${want}`]
  })
}

/** Frames captured from number `from` on that match. */
export function matchingFrames(lab: Lab, from: number, expected: FrameExpectation): number {
  const name = globToRegExp(expected.on)
  const filter = expected.filter === undefined ? null : compileFilter(expected.filter)
  const line = expected.line === undefined ? null : new RegExp(expected.line)
  let count = 0
  lab.recorder?.capture.visit(from, (seen, bytes, at, end) => {
    if (!name.test(seen.name)) return
    if (filter !== null && !filter(bytes, at, end)) return
    if (line !== null && !line.test(printFrame(bytes, at, end))) return
    count++
  })
  return count
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}
