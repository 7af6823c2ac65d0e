import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { goldenCaptures, makeCapture } from '../../src/dev/golden-captures.ts'
import { findings } from '../wireshark/dissect.ts'

test.each(goldenCaptures.map((capture) => [capture.file, capture] as const))(
  'captures/%s is what the topology gives today, and Wireshark finds nothing wrong in it',
  async (file, capture) => {
    const stored = new Uint8Array(readFileSync(`captures/${file}`))
    const made = await makeCapture(capture, '.')
    expect(Buffer.compare(made, stored), 'npm run captures makes it again').toBe(0)
    expect(await findings(made)).toEqual([])
  },
)

test('the same seed gives the same bytes, another seed does not', async () => {
  const capture = goldenCaptures[1]
  const first = await makeCapture(capture, '.', 7)
  const second = await makeCapture(capture, '.', 7)
  const other = await makeCapture(capture, '.', 8)
  expect(Buffer.compare(first, second)).toBe(0)
  expect(Buffer.compare(first, other)).not.toBe(0)
})
