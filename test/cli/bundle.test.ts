/** What is kept of the bundle's compilation: good, missing, of another bundle, cut off, damaged. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bundledCli, bundleIn, bundleScript, cacheIn, cacheOf, cliOf } from '../../src/cli/bundle.ts'

const NAME = 64

let path: string
let folder: URL

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'podwire-bundle-'))
  folder = pathToFileURL(`${path}/`)
})

afterEach(() => {
  chmodSync(path, 0o700)
  rmSync(path, { recursive: true })
})

let written = 0

/**
 * A bundle that answers with a number; all have the same length, all that V8 itself knows of its cache's source. The serial number makes it
 * a text that this process has not compiled yet, since V8 would look at no cache for one that it has.
 */
function writeBundle(digit: number): void {
  const body = `const assert = require('node:assert') // ${String(++written).padStart(6, '0')}
const words = Array.from({ length: 100 }, (_, i) => 'word' + i)
exports.runCli = async (args) => { assert(args.length === 1); assert.equal(words.length, 100); return ${digit} + args.length }`
  const name = String(digit).repeat(NAME)
  writeFileSync(bundleIn(folder), `/*${name}*/(function (exports, require, module) {${body}\n})`)
}

async function compile(): Promise<Buffer> {
  const script = bundleScript(folder)
  if (script === null) throw new Error('no bundle')
  await cliOf(script).runCli(['x'])
  writeFileSync(cacheIn(folder), cacheOf(script, folder))
  return readFileSync(cacheIn(folder))
}

/** Whether V8 took the cache, and what the bundle answers; undefined: it was not given any. */
async function started(): Promise<[taken: boolean | undefined, answer: number]> {
  writeBundle(3)
  const script = bundleScript(folder)
  if (script === null) throw new Error('no bundle')
  const refused = script.cachedDataRejected
  return [refused === undefined ? undefined : !refused, await cliOf(script).runCli(['x'])]
}

test('without a bundle there is none', () => {
  expect(bundledCli(folder)).toBeNull()
})

test('without a cache it is compiled', async () => {
  expect(await started()).toEqual([undefined, 4])
})

test('its cache is taken, also from a folder in which nobody may write', async () => {
  writeBundle(3)
  await compile()
  expect(await started()).toEqual([true, 4])
  writeBundle(3)
  chmodSync(path, 0o500)
  expect(await bundledCli(folder)?.runCli(['x'])).toBe(4)
})

test('the cache of another bundle of the same length is not looked at', async () => {
  writeBundle(5)
  await compile()
  expect(await started()).toEqual([undefined, 4])
})

test('what V8 compiled with other flags is refused', async () => {
  writeBundle(3)
  await compile()
  setFlagsFromString('--no-lazy-feedback-allocation')
  try {
    expect(await started()).toEqual([false, 4])
  } finally {
    setFlagsFromString('--lazy-feedback-allocation')
  }
  expect(await started()).toEqual([true, 4])
})

test('a cache that is cut off is not looked at', async () => {
  writeBundle(3)
  const whole = await compile()
  for (const length of [0, 1, NAME - 1, NAME, NAME + 7, NAME + 40, whole.length >> 1, whole.length - 1]) {
    writeFileSync(cacheIn(folder), whole.subarray(0, length))
    expect(await started(), `${length} bytes`).toEqual([undefined, 4])
  }
})

test('a cache with a damaged byte is not looked at', async () => {
  writeBundle(3)
  const whole = await compile()
  // The four bytes that fill up the head say nothing.
  const damage = fc.record({
    at: fc.nat(whole.length - 1).filter((at) => at < NAME + 4 || at >= NAME + 8),
    bits: fc.integer({ min: 1, max: 255 }),
  })
  await fc.assert(
    fc.asyncProperty(damage, async ({ at, bits }) => {
      const damaged = Buffer.from(whole)
      damaged[at] ^= bits
      writeFileSync(cacheIn(folder), damaged)
      expect(await started()).toEqual([undefined, 4])
    }),
    { numRuns: 300 },
  )
})
