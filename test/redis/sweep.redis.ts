/** Sweeps over worker processes: with a server of their own, on a socket in a temporary folder, and podwire as it is built. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

const podwire = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const started = new Set<ChildProcess>()
let folder = ''
let socket = ''
let redis: Redis

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-redis-'))
  socket = join(folder, 'redis.sock')
  const server = ['valkey-server', 'redis-server'].find((name) => spawnSync(name, ['--version']).status === 0)
  if (server === undefined) throw new Error('no valkey-server and no redis-server')
  const child = spawn(server, ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder], {
    stdio: 'ignore',
  })
  servers.push(child)
  redis = new Redis(socket, { maxRetriesPerRequest: null })
  redis.on('error', () => {})
  await redis.ping()
})

const servers: ChildProcess[] = []

afterEach(() => {
  for (const child of started) child.kill('SIGKILL')
  started.clear()
})

afterAll(() => {
  redis.disconnect()
  for (const server of servers) server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function start(...args: string[]): {
  child: ChildProcess
  ended: Promise<{ code: number | null; out: string; err: string }>
} {
  const child = spawn(process.execPath, [podwire, 'bench', 'sweep', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  started.add(child)
  let [out, err] = ['', '']
  child.stdout?.on('data', (data) => {
    out += data
  })
  child.stderr?.on('data', (data) => {
    err += data
  })
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, out, err }))
  })
  return { child, ended }
}

const worker = () => start('--worker', '--redis', socket, '--threads', '1')

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** Jobs of some milliseconds each. */
function tcpSweep(name: string, seeds: number): string {
  const parameters = '{control: [cubic, bbr], loss: [0%, 5%], delay: [1ms, 20ms], rate: 2mbit}'
  return file(name, `run: tcp\nseconds: 0.1\nparameters: ${parameters}\nseeds: ${seeds}\n`)
}

/** Until so many jobs are done. */
async function done(count: number): Promise<void> {
  while ((await redis.zcard('bull:podwire-sweep:completed')) < count) await new Promise((go) => setTimeout(go, 20))
}

interface Printed {
  readonly jobs: number
  readonly results: { job: number; parameters: unknown; seed: number; outcomes: unknown; error: string | null }[]
}

/** What is the same wherever a job ran. */
function outcomes(text: string): unknown[] {
  const { results } = JSON.parse(text) as Printed
  return results.map(({ job, parameters, seed, outcomes, error }) => ({ job, parameters, seed, outcomes, error }))
}

test('a thousand jobs, two workers, one of them killed in the middle: all results, each once, as on one machine', async () => {
  const sweep = tcpSweep('thousand.yaml', 125)
  const [doomed, other] = [worker(), worker()]
  const whole = start(sweep, '--redis', socket, '--json')
  await done(300)
  doomed.child.kill('SIGKILL')
  const { code, out, err } = await whole.ended
  expect(err).toBe('')
  expect(code).toBe(0)
  const { jobs, results } = JSON.parse(out) as Printed
  expect(jobs).toBe(1000)
  expect(results.map(({ job }) => job)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
  expect(results.filter(({ error }) => error !== null)).toEqual([])
  const alone = await start(sweep, '--json').ended
  expect(outcomes(out)).toEqual(outcomes(alone.out))
  // Nothing of the sweep is left, and the worker that lives ends when it is told to.
  expect(await redis.keys('bull:podwire-sweep:????????????????-*')).toEqual([])
  other.child.kill('SIGTERM')
  const last = await other.ended
  expect(last.code).toBe(0)
  expect(Number(/(\d+) jobs done/.exec(last.err)?.[1])).toBeGreaterThan(300)
})

test('a sweep that is killed goes on where it was when it is started again', async () => {
  const sweep = tcpSweep('again.yaml', 25)
  worker()
  const first = start(sweep, '--redis', socket, '--json')
  await done(50)
  first.child.kill('SIGKILL')
  await first.ended
  const { code, out } = await start(sweep, '--redis', socket, '--json').ended
  expect(code).toBe(0)
  expect((JSON.parse(out) as Printed).results.map(({ job }) => job)).toEqual(Array.from({ length: 200 }, (_, i) => i))
})

test('a topology runs where its files are not', async () => {
  file('pods.yaml', POD)
  file('lab.yaml', 'underlay: {cidr: 192.168.14.0/24}\nnodes: [{name: m, ip: 192.168.14.51}]\nmanifests: [pods.yaml]\n')
  const commands = '["kubectl wait --for=condition=Ready pod a", "kubectl exec a -- ping -c ${count} 192.168.14.51"]'
  const measure = `{received: '(\\d+) packets received'}`
  const text = `run: topology\ntopology: lab.yaml\ncommands: ${commands}\nmeasure: ${measure}\nparameters: {count: [1, 3]}\n`
  const sweep = file('topology.yaml', text)
  worker()
  const { code, out, err } = await start(sweep, '--redis', socket, '--csv').ended
  expect([code, err]).toEqual([0, ''])
  const [head, ...rows] = out.trimEnd().split('\n')
  expect(head).toMatch(/^job,count,seed,received,failedCommands,frames,drops,virtualSeconds,wallSeconds,error$/)
  expect(rows.map((row) => row.split(',').slice(0, 5).join(','))).toEqual(['0,1,1,1,0', '1,3,1,3,0'])
})

const POD = `apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: a, image: busybox, command: [sleep, infinity]}]}
`

test('a job of another version of podwire is refused by name', async () => {
  const { Queue } = await import('bullmq')
  const queue = new Queue('podwire-sweep', { connection: redis })
  await queue.add('job', { podwire: '0.0.0', job: {} }, { jobId: 'other-version' })
  worker()
  const key = queue.toKey('other-version')
  while ((await redis.hget(key, 'failedReason')) === null) await new Promise((go) => setTimeout(go, 50))
  expect(await redis.hget(key, 'failedReason')).toMatch(/^the sweep is podwire 0\.0\.0's, and a worker is podwire \d/)
  await queue.remove('other-version')
  await queue.close()
})

test('no server: a sentence', async () => {
  const nowhere = join(folder, 'nowhere.sock')
  const { code, err } = await start(tcpSweep('none.yaml', 1), '--redis', nowhere).ended
  expect(code).toBe(2)
  expect(err).toMatch(/^podwire: no Redis or Valkey at .*nowhere\.sock: connect ENOENT .*\n$/)
})
