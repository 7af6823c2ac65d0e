/** Frame by frame: podwire's run of a case against the kernel's. Needs root; README.md says how it compares. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, it } from 'vitest'
import { build, type Case } from './case.ts'
import { countOf, differences, type Run } from './compare.ts'
import { runInPodwire } from './emulator.ts'
import { runInKernel } from './kernel.ts'
import { randomCase } from './random-case.ts'

const RANDOM_CASES = 10
const FIRST_SEED = Number(process.env.PODWIRE_LINUX_SEED ?? 1)
/** The kernel may differ from itself: a case fails when no run of it is podwire's. */
const KERNEL_RUNS = 3

const folder = fileURLToPath(new URL('cases/', import.meta.url))
const written: Case[] = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .sort()
  .map((name) => ({ name: basename(name, '.yaml'), text: readFileSync(join(folder, name), 'utf8') }))
const drawn: Case[] = Array.from({ length: RANDOM_CASES }, (_, i) => randomCase(FIRST_SEED + i))

describe('as the kernel does', () => {
  it.concurrent.for([...written, ...drawn].map((each) => [each.name, each] as const))('%s', async ([, given]) => {
    const built = await build(given)
    const podwire = await runInPodwire(built)
    const told: string[] = []
    const runs: Run[] = []
    for (let attempt = 1; attempt <= KERNEL_RUNS; attempt++) {
      const kernel = await runInKernel(built, inject('prefix'))
      const found = differences(kernel, podwire, built.fixedPorts)
      if (found.length === 0) {
        expect(countOf(kernel, built.fixedPorts)).toBeGreaterThan(0)
        return
      }
      const steady = runs.every((before) => differences(before, kernel, built.fixedPorts).length === 0)
      if (runs.length > 0) told.push(steady ? 'the kernel did the same again' : 'the kernel differs from itself')
      told.push(`run ${attempt} of the kernel:`, ...found)
      runs.push(kernel)
      if (runs.length > 1 && steady) break
    }
    const lines = built.commands.map(({ line, netns }, i) => `step ${i + 1}, ${netns.name}: ${line}`)
    expect.fail([...lines, ...told].join('\n'))
  })
})
