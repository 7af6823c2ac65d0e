/** The executable, as a process of its own: how it ends. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundledCommand } from '../support/command.ts'

let main: string
let remove: () => void

beforeAll(async () => {
  ;[main, remove] = await bundledCommand()
})

afterAll(() => remove())

const LAB = 'topologies/two-node-flannel.yaml'

test('its exit code is what the command says, and its output is whole', () => {
  const ends = (...words: string[]) => {
    const { status, stdout } = spawnSync(process.execPath, [main, ...words], { encoding: 'utf8' })
    return [status, stdout.length > 0]
  }
  expect(ends('help', 'run')).toEqual([0, true])
  expect(ends('--version')).toEqual([0, true])
  expect(ends('nothing')).toEqual([2, false])
  expect(ends('exec', LAB, '-c', 'false')).toEqual([1, false])
  const script = `set -o pipefail; '${process.execPath}' '${main}' exec ${LAB} -c 'seq 200000' | tail -n 1`
  const { status, stdout } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  expect([status, stdout]).toEqual([0, '200000\n'])
})

test('a reader that goes away is no failure', () => {
  const script = `set -o pipefail; '${process.execPath}' '${main}' drops --json | true`
  expect(spawnSync('bash', ['-c', script]).status).toBe(0)
})
