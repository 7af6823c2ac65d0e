/** Whoever traces a world changes nothing in it: the same frames at the same moments, to the byte. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openLab, readTopology } from '../../src/cli/open.ts'
import { runStep } from '../../src/topology/steps.ts'
import { listen } from '../support/decisions.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const quiet = { say: () => {}, command: () => {}, output: () => {} }

/** Each interface's capture, and what the terminal showed. */
async function play(file: string, traced: boolean): Promise<Map<string, string>> {
  const path = join(folder, file)
  const topology = readTopology(path)
  const lab = await openLab(path, topology, { format: 'pcapng', interfaces: [] }, true)
  const listener = traced ? listen(lab.world) : null
  const seen = new Map<string, string>()
  for (const [i, step] of topology.steps.entries()) {
    const { output, failures } = await runStep(lab, step, i + 1, quiet)
    expect(failures).toEqual([])
    seen.set(`step ${i + 1}`, output)
  }
  for (const captured of lab.recorder?.interfaces() ?? []) {
    seen.set(captured.name, Buffer.from(captured.pcap()).toString('base64'))
  }
  seen.set('chance', `${lab.world.random.int32()} ${lab.world.scheduler.pending} ${lab.world.frames.inUse}`)
  if (listener !== null) {
    lab.world.untrace()
    expect(listener.told.length).toBeGreaterThan(100)
  }
  return seen
}

test.each(['b-pod-to-pod.yaml', 'c-faults.yaml', '../../topologies/impaired-link.yaml'])(
  '%s',
  { timeout: 300_000 },
  async (file) => {
    const plain = await play(file, false)
    const traced = await play(file, true)
    expect([...traced.keys()]).toEqual([...plain.keys()])
    for (const [what, bytes] of plain) expect([what, traced.get(what) === bytes]).toEqual([what, true])
  },
)
