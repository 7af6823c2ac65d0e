/**
 * The labs, each a topology with steps that says what the terminal shows and which frames there are. Afterwards
 * Wireshark's dissectors read every capture, and no frame may be on its way.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openLab, readTopology } from '../../src/cli/open.ts'
import { SECOND } from '../../src/sim/scheduler.ts'
import type { Lab } from '../../src/topology/lab.ts'
import { runStep, type StepResult } from '../../src/topology/steps.ts'
import { findings } from '../wireshark/dissect.ts'

/** The labs of the tests, and the topologies that ship. */
const labs = ['.', '../../topologies/', '../../topologies/failures/'].flatMap((place) => {
  const folder = fileURLToPath(new URL(place, import.meta.url))
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
  return files.sort().map((name) => [name, join(folder, name)] as const)
})

const quiet = { say: () => {}, command: () => {}, output: () => {} }
/** Neighbour entries, retransmissions and probes are over after this. */
const IDLE = 40 * SECOND

/** Plays all steps; the first that fails is told as a person would want to read it. */
async function play(file: string): Promise<{ readonly lab: Lab; readonly failure: string | null }> {
  const topology = readTopology(file)
  const lab = await openLab(file, topology, { format: 'pcapng', interfaces: [] }, true)
  lab.world.frames.poison = true
  for (const [i, step] of topology.steps.entries()) {
    const result = await runStep(lab, step, i + 1, quiet)
    if (result.failures.length > 0) return { lab, failure: told(result) }
  }
  return { lab, failure: null }
}

function told({ step, number, failures, output }: StepResult): string {
  return [`step ${number}: ${step.run ?? step.say}`, ...failures, 'it said:', output].join('\n')
}

/** What Wireshark calls wrong, with the interface's name. */
async function wrong(lab: Lab): Promise<string[]> {
  const found: string[] = []
  for (const captured of lab.recorder?.interfaces() ?? []) {
    if (captured.frames === 0) continue
    for (const { frame, text } of await findings(captured.pcapng())) found.push(`${captured.name} ${frame}: ${text}`)
  }
  return found
}

describe('labs', () => {
  it.each(labs)('%s', { timeout: 300_000 }, async (_, file) => {
    const { lab, failure } = await play(file)
    expect(failure).toBeNull()
    await lab.runner.runFor(IDLE)
    expect(lab.world.frames.inUse).toBe(0)
    expect(await wrong(lab)).toEqual([])
  })
})
