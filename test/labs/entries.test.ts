/**
 * What bridges, routes, neighbours, tunnels and switches are said to have decided stands letter by letter in what the
 * command prints that is named with it, on the node in question, at that moment: every single decision of whole labs.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openLab, readTopology } from '../../src/cli/open.ts'
import { journal } from '../../src/link/flow-cache.ts'
import { namespaceOf } from '../../src/net/lower-link.ts'
import type { Netns } from '../../src/net/netns.ts'
import type { Lab } from '../../src/topology/lab.ts'
import { runStep } from '../../src/topology/steps.ts'
import { listen } from '../support/decisions.ts'
import { misspelt } from '../support/printed.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const quiet = { say: () => {}, command: () => {}, output: () => {} }
const kinds = new Set(['bridge', 'route', 'neighbour', 'ip', 'tunnel', 'arp', 'icmp', 'cable', 'queue'])

/** The namespaces of a lab by the places that decisions name: theirs, and their devices'. */
function placesOf(lab: Lab): (place: string) => Netns | null {
  return (place) => {
    for (const { device } of lab.recorder?.interfaces() ?? []) {
      const netns = namespaceOf(device)
      if (netns !== null && (netns.name === place || device.place === place)) return netns
      for (const each of netns?.devices.values() ?? []) if (each.place === place) return netns
    }
    return null
  }
}

test.each([
  'b-pod-to-pod.yaml',
  'c-faults.yaml',
  '../../topologies/two-node-flannel.yaml',
  '../../topologies/kube-proxy-ipvs.yaml',
  '../../topologies/impaired-link.yaml',
])('%s', { timeout: 300_000 }, async (file) => {
  const path = join(folder, file)
  const topology = readTopology(path)
  const lab = await openLab(path, topology, { format: 'pcapng', interfaces: [] }, true)
  const listener = listen(lab.world)
  const netnsAt = placesOf(lab)
  const wrong: string[] = []
  const counts = new Map<string, number>()
  listener.onDecision = (where, decision) => {
    listener.take()
    if (!kinds.has(decision.kind)) return
    const fault = misspelt(netnsAt(where), where, decision)
    if (fault !== null) wrong.push(fault)
    if (decision.entry() !== null) counts.set(decision.kind, (counts.get(decision.kind) ?? 0) + 1)
  }
  for (const [i, step] of topology.steps.entries()) {
    const result = await runStep(lab, step, i + 1, quiet)
    expect(result.failures).toEqual([])
  }
  lab.world.untrace()
  expect(journal.open).toBe(false)
  expect([wrong.length, wrong.slice(0, 5).join('\n')]).toEqual([0, ''])
  expect(counts.get('bridge')).toBeGreaterThan(10)
  expect(counts.get('route')).toBeGreaterThan(10)
  expect(counts.get('neighbour')).toBeGreaterThan(10)
})
