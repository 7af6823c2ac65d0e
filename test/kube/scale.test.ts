/** What is kept in tables of its own, so that thousands of pods cost no more each than a few, says what a count would. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Pod } from '../../src/kube/objects.ts'
import { PodTable } from '../../src/kube/pod-table.ts'
import { Shelf } from '../../src/kube/shelf.ts'

function pod(name: string, node: string | undefined, phase: string, owner: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }],
    },
    spec: { containers: [], ...(node === undefined ? {} : { nodeName: node }) },
    status: { phase },
  } as unknown as Pod
}

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const change = fc.record({
  name,
  gone: fc.boolean(),
  node: fc.constantFrom(undefined, 'n1', 'n2'),
  phase: fc.constantFrom('Pending', 'Running', 'Failed'),
  owner: fc.constantFrom('x', 'y'),
})

test('a table of pods counts as whoever looks at all of them would', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const table = new PodTable()
      const now = new Map<string, Pod>()
      for (const each of changes) {
        const old = now.get(each.name)
        if (old !== undefined) table.remove(old)
        now.delete(each.name)
        if (each.gone) continue
        const made = pod(each.name, each.node, each.phase, each.owner)
        now.set(each.name, made)
        table.add(made)
      }
      for (const node of ['n1', 'n2']) {
        const there = [...now.values()].filter(({ spec }) => spec.nodeName === node)
        const active = there.filter(({ status }) => status.phase !== 'Failed')
        expect(table.on(node).map(({ metadata }) => metadata.name)).toEqual(there.map((p) => p.metadata.name).sort())
        expect(table.activeOn(node)).toBe(active.length)
        expect(table.heldOn(node)).toBe(active.length)
        for (const owner of ['x', 'y']) {
          const siblings = active.filter(({ metadata }) => metadata.ownerReferences?.[0].uid === owner)
          expect(table.siblingsOn(node, owner)).toBe(siblings.length)
        }
      }
    }),
  )
})

test('a shelf lists in the order of sorted keys, and parts of it by their first and last', () => {
  const key = fc.string({ maxLength: 3 })
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.boolean())), key, key, (changes, one, other) => {
      const shelf = new Shelf()
      const now = new Map<string, Pod>()
      for (const [place, gone] of changes) {
        const object = pod(place, undefined, 'Running', 'x')
        if (gone) {
          shelf.take(place)
          now.delete(place)
        } else {
          shelf.put(place, object)
          now.set(place, object)
        }
      }
      const [from, to] = [one, other].sort()
      const sorted = [...now.keys()].sort()
      expect(shelf.list(() => true)).toEqual(sorted.map((place) => now.get(place)))
      const part = sorted.filter((place) => place >= from && place < to)
      expect(shelf.list(() => true, from, to)).toEqual(part.map((place) => now.get(place)))
    }),
  )
})
