/** `podwire bench sweep` on one machine: what a file means, what is wrong with it, and that outcomes are what they are. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSweep } from '../../src/bench/sweep-file.ts'
import { runIdOf } from '../../src/bench/sweep-queue.ts'
import { type Result, sweepCsv, sweepText } from '../../src/bench/sweep-table.ts'
import { TopologyError } from '../../src/topology/problem.ts'
import { podwire } from '../support/cli.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-sweep-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const nothing = { readFile: () => null, listFolder: () => null }
const nowhere = (path: string) => ({ file: path, text: null, access: nothing })

async function problems(text: string): Promise<string> {
  const { code, out, err } = await podwire('bench', 'sweep', file('wrong.yaml', text))
  expect([code, out]).toEqual([2, ''])
  return err.replaceAll(folder, '')
}

interface Printed {
  readonly jobs: number
  readonly results: readonly Result[]
}

describe('jobs', () => {
  test('every combination with every seed, the last parameter first', async () => {
    const text = 'run: tcp\nparameters: {control: [cubic, bbr], delay: [1ms, 2ms], rate: 1mbit}\nseeds: [7, 9]\n'
    const { jobs, name } = await readSweep('x.yaml', text, nowhere)
    expect(name).toBe('tcp')
    expect(jobs.map(({ index, parameters, seed }) => [index, ...Object.values(parameters), seed])).toEqual([
      [0, 'cubic', '1ms', '1mbit', 7],
      [1, 'cubic', '1ms', '1mbit', 9],
      [2, 'cubic', '2ms', '1mbit', 7],
      [3, 'cubic', '2ms', '1mbit', 9],
      [4, 'bbr', '1ms', '1mbit', 7],
      [5, 'bbr', '1ms', '1mbit', 9],
      [6, 'bbr', '2ms', '1mbit', 7],
      [7, 'bbr', '2ms', '1mbit', 9],
    ])
    expect(jobs[0].swept).toEqual({ kind: 'tcp', seconds: 10 })
  })

  test('the same sweep has the same id, another one has another', async () => {
    const id = async (text: string) => runIdOf((await readSweep('x.yaml', text, nowhere)).jobs)
    const text = 'run: tcp\nseeds: 2\n'
    expect(await id(text)).toBe(await id(`${text}name: other\n`))
    expect(await id(text)).not.toBe(await id('run: tcp\nseeds: 3\n'))
  })

  test('TCP over a cable: what is lost is sent again, and the same happens every time', async () => {
    const sweep = file(
      'tcp.yaml',
      'run: tcp\nseconds: 0.5\nparameters: {control: [cubic, bbr], loss: [0%, 5%], rate: 5mbit}\nseeds: 2\n',
    )
    const { code, out } = await podwire('bench', 'sweep', sweep, '--json')
    expect(code).toBe(0)
    const { jobs, results } = JSON.parse(out) as Printed
    expect(jobs).toBe(8)
    for (const { parameters, outcomes, error } of results) {
      expect(error).toBeNull()
      expect(outcomes.virtualSeconds).toBe(1.5)
      expect(outcomes.goodputMbit).toBeGreaterThan(0)
      expect(outcomes.goodputMbit).toBeLessThan(5)
      if (parameters.loss === '0%') expect(outcomes.retransmissions).toBe(0)
      else expect(outcomes.retransmissions).toBeGreaterThan(0)
    }
    const again = JSON.parse((await podwire('bench', 'sweep', sweep, '--json')).out) as Printed
    expect(again.results.map(({ outcomes }) => outcomes)).toEqual(results.map(({ outcomes }) => outcomes))
    // Seeds are what chance follows.
    expect(results[2].outcomes).not.toEqual(results[3].outcomes)
  })

  test('a workload of the bench', async () => {
    const text = 'run: bench\npoint: W2\nseconds: 0.01\nparameters: {rules: [0, 10], flowCache: [false]}\n'
    const { code, out } = await podwire('bench', 'sweep', file('bench.yaml', text), '--csv')
    expect(code).toBe(0)
    const [head, first, second] = out.split('\n')
    expect(head).toBe('job,rules,flowCache,seed,nsPerFrame,framesPerSecond,wallSeconds,error')
    expect(first).toMatch(/^0,0,false,1,[\d.]+,\d+,[\d.]+,$/)
    expect(second).toMatch(/^1,10,false,1,/)
  })

  test('a topology: keys and commands with other values, and what they print', async () => {
    file('lab.yaml', 'underlay: {cidr: 10.0.0.0/24}\nhosts: [{name: a, ip: 10.0.0.1}, {name: b, ip: 10.0.0.2}]\n')
    const text = [
      'run: topology',
      'topology: lab.yaml',
      "commands: ['ssh a ping -c ${count} 10.0.0.2', 'ssh a ping -c 1 -W 1 10.0.0.9']",
      `measure: {received: '(\\d+) received', rtt: 'rtt min/avg/max/mdev = ([\\d.]+)', nothing: 'no such words'}`,
      'parameters: {count: [1, 2], underlay.cable.delay: [1ms, 10ms]}',
    ]
    const { code, out, err } = await podwire('bench', 'sweep', file('topology.yaml', text.join('\n')), '--json')
    expect(err).toBe('')
    expect(code).toBe(0)
    const { results } = JSON.parse(out) as Printed
    expect(results.map(({ outcomes }) => [outcomes.received, outcomes.failedCommands, outcomes.nothing])).toEqual([
      [1, 1, ''],
      [1, 1, ''],
      [2, 1, ''],
      [2, 1, ''],
    ])
    // The shortest: four cables there and back; the first echo waits for ARP, which takes as long.
    expect(results.map(({ outcomes }) => Math.floor(Number(outcomes.rtt) / 4))).toEqual([2, 20, 1, 10])
  })

  test('what a job throws is its result, and the exit code 1', async () => {
    file('gone.yaml', 'underlay: {cidr: 10.0.0.0/24}\nhosts: [{name: a, ip: 10.0.0.1}]\n')
    const text = `run: topology\ntopology: gone.yaml\ncommands: [uname]\nparameters: {hosts: ['[{name: b, ip: 10.0.0.7}]']}\n`
    const sweep = file('fails.yaml', text)
    expect((await podwire('bench', 'sweep', sweep)).code).toBe(0)
    const failed: Result = { job: 3, parameters: { x: 1 }, seed: 2, outcomes: {}, timed: {}, error: 'no, "never"' }
    const good: Result = { ...failed, job: 4, error: null, outcomes: { frames: 12 } }
    expect(sweepText([failed, good])).toBe(
      'x  seeds  frames\n1      2      12\njob 3 ({"x":1}, seed 2) failed: no, "never"\n',
    )
    expect(sweepCsv([failed, good])).toBe('job,x,seed,frames,error\n3,1,2,,"no, ""never"""\n4,1,2,12,\n')
  })

  test('medians and ranges over seeds', () => {
    const one = (seed: number, goodput: number): Result => {
      return {
        job: seed,
        parameters: { control: 'bbr' },
        seed,
        outcomes: { goodput, text: 'a' },
        timed: {},
        error: null,
      }
    }
    expect(sweepText([one(1, 10), one(2, 30), one(3, 11)])).toBe(
      'control  seeds     goodput  text\n    bbr      3  11 (10–30)     a\n',
    )
  })
})

describe('what is wrong with a file', () => {
  test('keys and values, with their places', async () => {
    expect(await problems('run: tpc\n')).toBe(
      [
        'error: run is "tpc"',
        ' --> /wrong.yaml:1:6  (run)',
        '1 | run: tpc',
        '  |      ^^^',
        '  = expected one of: tcp, bench, topology',
        '  = help: did you mean "tcp"?',
        '',
      ].join('\n'),
    )
    const many = await problems(
      'run: tcp\nsecond: 1\npoint: W3\nparameters:\n  control: [cubic, vegas]\n  los: [1%]\n  delay: 10\nseeds: 0\n',
    )
    expect(many.split('\n').filter((line) => /^error|^ -->/.test(line))).toEqual([
      'error: unknown key "second"',
      ' --> /wrong.yaml:2:1  (second)',
      'error: point means nothing here',
      ' --> /wrong.yaml:3:1  (point)',
      'error: unknown key "los"',
      ' --> /wrong.yaml:6:3  (parameters.los)',
      'error: parameters.control[1] is "vegas"',
      ' --> /wrong.yaml:5:20  (parameters.control[1])',
      'error: parameters.delay is 10',
      ' --> /wrong.yaml:7:10  (parameters.delay)',
      'error: seeds is 0',
      ' --> /wrong.yaml:8:8  (seeds)',
    ])
  })

  test.each([
    ['', 'error: the file is no mapping'],
    ['[1, 2]', 'error: the file is no mapping'],
    ['run: [', 'error: this is not YAML'],
    ['run: *tcp', 'error: there is no &tcp before *tcp\n --> /wrong.yaml:1:6'],
    ['run: bench', 'error: "point" is missing'],
    ['run: bench\npoint: W2\nparameters: {frame: 9000}', 'error: parameters.frame is 9000'],
    ['run: bench\npoint: W2\nparameters: {pods: 1}', 'error: unknown key "pods"'],
    ['run: tcp\nparameters: {loss: []}', 'error: loss has no value'],
    ['run: tcp\nparameters: {loss: [[1]]}', 'error: parameters.loss[0] is [1]'],
    ['run: tcp\nseconds: -1', 'error: seconds is -1'],
    ['run: tcp\nseeds: 100000000', 'error: seeds is 100000000'],
    ['run: tcp\nseeds: 1000000\nparameters: {queue: [1, 2]}', 'error: these are 2000000 jobs'],
    ['run: topology\ncommands: [uname]', 'error: "topology" is missing'],
    ['run: topology\ntopology: nowhere.yaml\ncommands: [uname]', 'error: there is no file nowhere.yaml'],
    ['run: topology\ntopology: plain.yaml', 'error: "commands" is missing or no list of lines'],
    ["run: topology\ntopology: plain.yaml\ncommands: [uname]\nmeasure: {a: '('}", 'error: Invalid regular expression'],
    [
      'run: topology\ntopology: plain.yaml\ncommands: [uname]\nparameters: {underlay.cidr: [x]}',
      'error: underlay.cidr',
    ],
    ['run: topology\ntopology: plain.yaml\ncommands: [uname]\nparameters: {cuont: [1]}', 'error: unknown key "cuont"'],
  ])('%j', async (text, said) => {
    file('plain.yaml', 'underlay: {cidr: 10.0.0.0/24}\nhosts: [{name: a, ip: 10.0.0.1}]\n')
    expect((await problems(text)).slice(0, said.length)).toBe(said)
  })

  test('any text is a sweep or has a problem', async () => {
    const word = fc.constantFrom(
      'run',
      'tcp',
      'bench',
      'point',
      'W2',
      'parameters',
      'loss',
      '[',
      ']',
      '{',
      '}',
      ': ',
      '\n',
      '1',
      ',',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.array(word).map((words) => words.join('')),
        ),
        async (text) => {
          await readSweep('any.yaml', text, nowhere).catch((error) => expect(error).toBeInstanceOf(TopologyError))
        },
      ),
    )
  })

  test('no file, no server, no use', async () => {
    expect((await podwire('bench', 'sweep')).err).toBe('podwire: which sweep? Give its file (YAML), or --worker\n')
    expect((await podwire('bench', 'sweep', '/nowhere.yaml')).err).toBe('podwire: there is no file /nowhere.yaml\n')
    expect((await podwire('bench', 'sweep', '--worker')).err).toBe(
      'podwire: --worker needs --redis URL, where the jobs are\n',
    )
    const both = await podwire('bench', 'sweep', 'x.yaml', '--worker', '--redis', 'redis://127.0.0.1:1')
    expect(both.err).toBe('podwire: a worker gets its jobs from redis://127.0.0.1:1, not from x.yaml\n')
    const none = await podwire('bench', 'sweep', file('ok.yaml', 'run: tcp\n'), '--redis', 'redis://127.0.0.1:1')
    expect(none).toEqual({
      code: 2,
      out: '',
      err: 'podwire: no Redis or Valkey at redis://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n',
    })
  })
})
