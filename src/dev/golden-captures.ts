/** The small captures that lie in captures/: which they are, and how each is made. */
import { dirname, join } from 'node:path'
import { openLab, readTopology } from '../cli/open.ts'
import { runStep, type StepListener } from '../topology/steps.ts'

export interface GoldenCapture {
  readonly file: string
  readonly topology: string
  /** Which interfaces are in it. */
  readonly interfaces: readonly string[]
}

export const goldenCaptures: readonly GoldenCapture[] = [
  { file: 'one-bridge.pcapng', topology: 'one-bridge.yaml', interfaces: ['a/eth0', 'b/eth0', 'c/eth0'] },
  {
    file: 'two-node-flannel.pcapng',
    topology: 'two-node-flannel.yaml',
    interfaces: ['default/*/eth0', 'w1.example.com/cni0', 'w1.example.com/flannel.1', 'w1.example.com/eth0'],
  },
  { file: 'kiamol-ch03.pcapng', topology: 'kiamol-ch03.yaml', interfaces: ['default/numbers-*/eth0'] },
]

const silent: StepListener = { say: () => {}, command: () => {}, output: () => {} }

/** Plays the topology and gives the capture's bytes; throws when a step fails. */
export async function makeCapture(capture: GoldenCapture, root: string, seed?: number): Promise<Uint8Array> {
  const file = join(root, 'topologies', capture.topology)
  const topology = readTopology(file)
  const options = { interfaces: capture.interfaces, ...(seed === undefined ? {} : { seed }) }
  const lab = await openLab(file, topology, options, true)
  for (const [i, step] of topology.steps.entries()) {
    const held = step.expect === undefined ? step : { ...step, expect: { ...step.expect, frames: [] } }
    const result = await runStep(lab, held, i + 1, silent)
    if (result.failures.length > 0) {
      throw new Error(`${capture.topology}: step ${result.number}: ${result.failures.join('; ')}`)
    }
  }
  if (lab.recorder === null) throw new Error(`${dirname(file)}: nothing was captured`)
  return lab.recorder.capture.pcapng()
}
