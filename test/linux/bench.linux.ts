/** `podwire bench --against kernel`: that the kernel forwards the same frames in networks like podwire's, and leaves nothing behind. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Report } from '../../src/bench/report.ts'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
/** Too short to mean anything. */
const BRIEFLY = ['--seconds', '0.02', '--warm', '0.02', '--json', '--rounds']
/** Everything is built and started anew for each measurement, on a machine that may be busy. */
const PATIENCE = 240_000

function left(pid: number | undefined): string {
  const all = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8', stdio: 'pipe' })
  return all
    .split('\n')
    .filter((line) => line.startsWith(`podwire-bench-${pid}-`))
    .join('\n')
}

function bench(rounds: number, ...words: string[]): Report {
  const { status, stdout, stderr, pid } = spawnSync(
    process.execPath,
    [MAIN, 'bench', ...words, ...BRIEFLY, String(rounds)],
    {
      encoding: 'utf8',
    },
  )
  expect(stderr).toBe('')
  expect(status).toBe(0)
  expect(left(pid)).toBe('')
  return JSON.parse(stdout)
}

test('the kernel bridges, in the same rounds', { timeout: PATIENCE }, () => {
  const { peers, rows } = bench(2, 'W1', '--against', 'kernel')
  expect(peers?.kernel).toMatch(/^Linux \d+\.\d+/)
  expect(rows.map(({ point }) => point)).toEqual(['W1/64', 'W1/1450'])
  for (const { figures, ratios } of rows) {
    expect(Object.keys(figures)).toEqual(['hop', 'cache', 'kernel'])
    const { rounds, framesPerCpuSecond, lowest, highest, bytesPerFrame, gcShare } = figures.kernel
    expect([rounds, bytesPerFrame, gcShare]).toEqual([2, null, null])
    // No machine of these days bridges fewer, or more.
    expect(framesPerCpuSecond).toBeGreaterThan(10_000)
    expect(framesPerCpuSecond).toBeLessThan(100_000_000)
    expect(lowest).toBeLessThanOrEqual(framesPerCpuSecond)
    expect(highest).toBeGreaterThanOrEqual(framesPerCpuSecond)
    for (const { lowest, median, highest } of Object.values(ratios?.kernel ?? {})) {
      expect(lowest).toBeGreaterThan(0)
      expect(median).toBeGreaterThanOrEqual(lowest)
      expect(median).toBeLessThanOrEqual(highest)
    }
  }
})

test('routes, serves, tunnels, carries TCP and first packets, by either iptables', { timeout: PATIENCE }, () => {
  const words = ['W2/64', 'W3/64', 'W4/1450', 'W5', 'W6/iptables/10', 'W6/nftables/10', 'rules/10', 'pods/10']
  const { rows } = bench(1, ...words, '--against', 'kernel,kernel-nft')
  const measured = rows.map(({ point, figures }) => [point, ...Object.keys(figures).slice(2)])
  const expected = words.map((word) => {
    if (word === 'pods/10') return [word]
    return [word === 'W5' ? 'W5/tcp' : word, 'kernel', 'kernel-nft']
  })
  expect(measured).toEqual(expected)
  expect(rows.find(({ workload }) => workload === 'W5')?.figures.kernel.gbps).toBeGreaterThan(0)
})

test('Ctrl-C in the middle: nothing stays behind', { timeout: PATIENCE }, async () => {
  const line = [MAIN, 'bench', 'W4/64', '--against', 'kernel', '--seconds', '60']
  const child = spawn(process.execPath, line, { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  // The trial's namespaces come and go first; the overlay has five.
  for (let waited = 0; left(child.pid).split('\n').length < 5 && waited < 20_000; waited += 20) await sleep(20)
  expect(left(child.pid).split('\n').length).toBe(5)
  child.kill('SIGINT')
  expect(await ended).toBe(130)
  expect(left(child.pid)).toBe('')
})

test.skipIf(!existsSync('/usr/include/ns3/core-module.h'))('ns-3, where it is installed', { timeout: PATIENCE }, () => {
  const { rows } = bench(1, 'W1/64', 'W2/64', 'W3/64', 'W5', '--against', 'ns3', '--against', 'ns3-checksums')
  expect(rows.map(({ point, figures }) => [point, ...Object.keys(figures).slice(2)])).toEqual([
    ['W1/64', 'ns3', 'ns3-checksums'],
    ['W2/64', 'ns3', 'ns3-checksums'],
    ['W3/64'],
    ['W5/tcp', 'ns3', 'ns3-checksums'],
  ])
})
