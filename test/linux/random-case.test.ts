/** The cases that chance draws are topologies that podwire builds. */
import { describe, expect, it } from 'vitest'
import { loadTopology } from '../../src/topology/load.ts'
import { randomCase } from './random-case.ts'

describe('randomCase', () => {
  it('gives a topology for every seed, the same for the same seed', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { name, text } = randomCase(seed)
      const topology = loadTopology(name, text.split(/^---$/m)[0])
      expect(topology.nodes.length).toBeGreaterThanOrEqual(2)
      expect(topology.steps.length).toBe(7)
      expect(randomCase(seed).text).toBe(text)
    }
  })
})
