/** Real threads, of the command as one file: tests are TypeScript, which a thread of this Node cannot read. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'podwire-threads-'))
const main = join(folder, 'cli/main.js')

const LAB = `
underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2, run: ['iperf3 -s']}
  - {name: c, ip: 10.0.0.3, run: ['iperf3 -s']}
  - {name: d, ip: 10.0.0.4}
steps:
  - run: ssh a iperf3 -c 10.0.0.2 -n 500K & ssh d iperf3 -c 10.0.0.3 -n 500K & ssh b ping -c 20 -i 0.01 10.0.0.4 & wait
    expect: {frames: [{on: b/eth0, filter: icmp, count: 40}]}
`

beforeAll(async () => {
  const { build } = await import('rolldown')
  await build({
    input: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
    platform: 'node',
    logLevel: 'silent',
    output: { dir: join(folder, 'cli'), format: 'esm', entryFileNames: 'main.js' },
  })
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}')
  writeFileSync(join(folder, 'lab.yaml'), LAB)
})

afterAll(() => rmSync(folder, { recursive: true }))

function run(...words: string[]) {
  return spawnSync(process.execPath, [main, 'run', 'lab.yaml', ...words], { cwd: folder, encoding: 'utf8' })
}

test('one thread and two write the same files', () => {
  const files = [1, 2].map((threads) => {
    const { status, stdout, stderr } = run('--threads', String(threads), '--no-explain', '--captures', 'out')
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const hashes = execFileSync('sh', ['-c', 'find out -type f | sort | xargs sha256sum'], {
      cwd: folder,
      encoding: 'utf8',
    })
    const all = readFileSync(join(folder, 'out/all.pcapng'))
    rmSync(join(folder, 'out'), { recursive: true })
    return { stdout, hashes, length: all.length }
  })
  expect(files[0].length).toBeGreaterThan(2_000_000)
  expect(files[1]).toEqual(files[0])
})

test('what is not modelled is said, with exit code 2', () => {
  const { status, stderr } = run('--threads', '2', '--captures', 'out')
  expect(status).toBe(2)
  expect(stderr).toBe('podwire: why each frame is where it is, is not modelled with --threads: add --no-explain\n')
  writeFileSync(join(folder, 'zero.yaml'), LAB.replace('/24}', '/24, cable: {delay: 0ms}}'))
  const zero = spawnSync(process.execPath, [main, 'run', 'zero.yaml', '--threads', '2'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(zero.status).toBe(2)
  expect(zero.stderr).toBe(
    'podwire: the cable of a, by which a frame may take no time at all, is not modelled with --threads\n',
  )
})

test('a fault of podwire in a thread ends the run', () => {
  writeFileSync(join(folder, 'wrong.yaml'), `${LAB}  - {run: ssh a nc -l -p 9}\n`)
  const { status, stderr } = spawnSync(process.execPath, [main, 'run', 'wrong.yaml', '--threads', '2', '--quiet'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(status).toBe(3)
  expect(stderr).toContain('no event is left, and what was asked for has not happened')
})
