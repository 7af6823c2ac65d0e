import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { dropReasonNames, dropReasons } from '../../src/link/drop-reason.ts'
import { ownRuntimeFolder } from '../live/emulated.ts'

ownRuntimeFolder()
let folder = ''
let out = ''
let err = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-'))
})
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text)
    return true
  })
  return () => vi.restoreAllMocks()
})

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const hosts = `underlay: {cidr: 10.0.0.0/24}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2}
`
const nodes = `underlay: {cidr: 192.168.14.0/24}
nodes:
  - {name: m, ip: 192.168.14.50, roles: [control-plane]}
  - {name: w1, ip: 192.168.14.51}
`

describe('podwire drops', () => {
  test('lists every reason with the name of the kernel and its words', async () => {
    expect(await runCli(['drops'])).toBe(0)
    const lines = out.trimEnd().split('\n')
    expect(lines.length).toBe(dropReasons.length + 1)
    expect(lines[0]).toMatch(/^REASON +LINUX +THE FRAME WAS DROPPED, FOR$/)
    const line = lines.find((each) => each.startsWith('ReversePath '))
    expect(line).toMatch(/^ReversePath +SKB_DROP_REASON_IP_RPFILTER +the reverse path filter \(rp_filter\): answers /)
    expect(lines.find((each) => each.startsWith('ArpOff '))).toMatch(/^ArpOff +SKB_CONSUMED +the device takes no ARP/)
  })

  test('or as JSON', async () => {
    expect(await runCli(['drops', '--json'])).toBe(0)
    const rows = JSON.parse(out)
    expect(rows.map((row: { reason: string }) => row.reason)).toEqual(dropReasonNames)
    expect(rows[dropReasonNames.indexOf('Vlan')].kernel).toBe('SKB_DROP_REASON_NOT_SPECIFIED')
  })
})

describe('podwire up', () => {
  test('runs against the wall clock until its time is over, and writes what it captured', async () => {
    const topology = file('up.yaml', hosts)
    const captures = join(folder, 'up')
    const began = performance.now()
    expect(await runCli(['up', topology, '--speed', '0.5', '--for', '20ms', '--captures', captures])).toBe(0)
    // A floor that no machine can get under, not a measure of speed.
    expect(performance.now() - began).toBeGreaterThanOrEqual(40)
    expect(err).toContain('is up; "exit" or Ctrl-C stops it, ":help" tells how to pause and step\n')
    expect(readdirSync(captures)).toContain('all.pcapng')
  })

  test.each([
    [
      ['--vxlan', '42'],
      'podwire: --vxlan needs --local and --remote, such as 169.254.77.1:4789 and 169.254.77.2:4789\n',
    ],
    [['--vxlan', '16777216'], 'It is a whole number from 0 to 16777215.'],
    [['--speed', '0'], 'It is a number above 0, at most 1000.'],
    [['--for', 'ever'], 'It is a duration with its unit, such as 10ms or 30s.'],
    [['--remote', 'localhost:1'], 'It is an IPv4 address and a port, such as 127.0.0.1:4789.'],
  ])('%j is refused in words', async (options, sentence) => {
    expect(await runCli(['up', file('up.yaml', hosts), ...options])).toBe(2)
    expect(err).toContain(sentence)
  })
})

describe('podwire run', () => {
  test('prints the lab as a terminal would and exits 0', async () => {
    const topology = file(
      'ok.yaml',
      `${hosts}steps: [{run: ssh a ping -c 1 10.0.0.2, expect: {contains: 0% packet loss}}]\n`,
    )
    expect(await runCli(['run', topology])).toBe(0)
    expect(out).toContain('$ ssh a ping -c 1 10.0.0.2\n')
    expect(out).toContain('1 packets transmitted, 1 received')
  })

  test('names the first expectation that fails, exits 1, and keeps what was captured', async () => {
    const step = '{run: ssh a ping -c 1 10.0.0.2, expect: {frames: [{on: b/eth0, filter: icmp, count: 3}]}}'
    const topology = file('fails.yaml', `${hosts}steps: [${step}]\n`)
    expect(await runCli(['run', topology, '--captures', join(folder, 'kept')])).toBe(1)
    expect(err).toContain('failed step 1 of 1: ssh a ping -c 1 10.0.0.2')
    expect(err).toContain('2 frames on b/eth0 match icmp, expected 3')
    expect(readdirSync(join(folder, 'kept'))).toContain('all.pcapng')
  })

  test('writes one file per interface, and all of them in one', async () => {
    const topology = file('files.yaml', `${hosts}steps: [{run: ssh a ping -c 1 10.0.0.2}]\n`)
    const captures = join(folder, 'files')
    expect(await runCli(['run', topology, '--captures', captures, '--format', 'both', '--interfaces', '*/eth0'])).toBe(
      0,
    )
    expect(readdirSync(captures).sort()).toEqual(['a', 'all.pcapng', 'b'])
    expect(readdirSync(join(captures, 'a')).sort()).toEqual(['eth0.pcap', 'eth0.pcapng'])
    const all = readCapture(new Uint8Array(readFileSync(join(captures, 'all.pcapng'))))
    expect(all.interfaces.map((each) => each.name)).toEqual(['a/eth0', 'b/eth0'])
    const one = readCapture(new Uint8Array(readFileSync(join(captures, 'a', 'eth0.pcap'))))
    expect(one.packets).toHaveLength(4)
  })

  test('--json gives one object per step', async () => {
    const topology = file('json.yaml', `${hosts}steps: [{run: ssh a hostname, expect: {output: a}}]\n`)
    expect(await runCli(['run', topology, '--json'])).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ step: 1, run: 'ssh a hostname', exit: 0, output: 'a\n', ok: true })
  })

  test('--until stops at a virtual time', async () => {
    const topology = file('until.yaml', `${hosts}steps: [{run: ssh a sleep 5}, {run: ssh a echo late}]\n`)
    expect(await runCli(['run', topology, '--until', '3s'])).toBe(0)
    expect(out).not.toContain('late')
  })
})

describe('podwire exec', () => {
  test('a fleet needs no other worker', async () => {
    const fleet = 'cluster: {fleet: {nodes: 2, firstIp: 10.9.0.1}}\n'
    const nodes = 'nodes: [{name: master, ip: 10.9.255.1, roles: [control-plane]}]\n'
    const topology = file('fleet.yaml', `name: f\nunderlay: {cidr: 10.9.0.0/16}\n${nodes}${fleet}`)
    expect(await runCli(['exec', topology, '-c', 'kubectl get nodes -o name'])).toBe(0)
    expect(out).toContain('node/fleet-1\nnode/fleet-2\nnode/master\n')
  })

  test('exits with the code of the last command', async () => {
    const topology = file('exec.yaml', hosts)
    expect(await runCli(['exec', topology, '-c', 'ssh a true', '-c', "ssh a 'exit 7'"])).toBe(7)
  })
})

describe('bad input is answered with a sentence and exit code 2', () => {
  test('no such file', async () => {
    expect(await runCli(['check', join(folder, 'nowhere.yaml')])).toBe(2)
    expect(err).toContain('there is no file')
  })

  test('an unknown command', async () => {
    expect(await runCli(['rum', 'x.yaml'])).toBe(2)
    expect(err).toContain("error: unknown command 'rum'")
    expect(err).toContain('Did you mean run?')
  })

  test('an unknown key', async () => {
    expect(await runCli(['check', file('key.yaml', `${hosts}stepps: []\n`)])).toBe(2)
    expect(err).toContain('unknown key "stepps"')
    expect(err).toContain('did you mean "steps"?')
  })

  test('a manifest of an unmodelled kind', async () => {
    file('job.yaml', 'apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: pi\n')
    expect(await runCli(['check', file('kind.yaml', `${nodes}manifests: [job.yaml]\n`)])).toBe(2)
    expect(err).toContain('job.yaml:2:7')
    expect(err).toContain('podwire: kind Job')
    expect(err).toContain('is not modelled')
    expect(err).toContain('Deployment')
  })

  test('a manifest that is not there', async () => {
    expect(await runCli(['check', file('gone.yaml', `${nodes}manifests: [gone-too.yaml]\n`)])).toBe(2)
    expect(err).toContain('gone-too.yaml')
    expect(err).toContain('gone.yaml:5:')
  })

  test('an option out of range', async () => {
    expect(await runCli(['run', 'x.yaml', '--seed', 'many'])).toBe(2)
    expect(err).toContain('whole number')
  })
})

test('podwire --help and --version', async () => {
  expect(await runCli(['--version'])).toBe(0)
  expect(out).toMatch(/^\d+\.\d+\.\d+\n$/)
  expect(await runCli(['--help'])).toBe(0)
  for (const command of ['run', 'exec', 'check', 'shell', 'complete']) expect(out).toContain(command)
})
