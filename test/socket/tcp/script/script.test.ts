/** Every case of the script suite, played against podwire. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { TcpHarness } from '../../../../src/cli/harness/harness.ts'
import { type DoorEvent, firstDifference, Player, parseCases } from './script.ts'

const folder = new URL('cases/', import.meta.url)
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'))
const groups = files.map((name) => ({ name, cases: parseCases(readFileSync(new URL(name, folder), 'utf8')) }))

describe.each(groups)('$name', ({ cases }) => {
  test.each(cases)('$name', async ({ lines }) => {
    const door = new TcpHarness()
    const player = new Player((request) => door.request(JSON.stringify(request)) as DoorEvent[])
    expect(firstDifference(lines, await player.play(lines))).toBeNull()
    expect(door.framesInUse).toBe(0)
  })
})

test('every case says where its expectations come from, and no two have one name', () => {
  const all = groups.flatMap(({ name, cases }) =>
    cases.map((each) => ({ key: `${name}/${each.name}`, from: each.from })),
  )
  expect(all.filter(({ from }) => !/^(kernel|RFC)/.test(from))).toEqual([])
  expect(new Set(all.map(({ key }) => key)).size).toBe(all.length)
  expect(all.length).toBeGreaterThanOrEqual(120)
})
