/** One probe through topologies/two-node-flannel.yaml, and what is said about it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { runCli } from '../../src/cli/podwire.ts'
import { journal } from '../../src/link/flow-cache.ts'

let out = ''
let err = ''

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
  return () => {
    vi.restoreAllMocks()
    expect(journal.open).toBe(false)
  }
})

const topology = new URL('../../topologies/two-node-flannel.yaml', import.meta.url).pathname
const trace = (...args: string[]) => runCli(['trace', topology, ...args])
const verdict = () => out.trimEnd().split('\n').at(-1)

describe('podwire trace', () => {
  test('a Service: request and answer, hop by hop, and who was reached', async () => {
    expect(await trace('--from', 'pod/client', '--to', 'svc/web')).toBe(0)
    expect(out).toMatch(/^From default\/client to svc default\/web \(10\.\d+\.\d+\.\d+:8001\)\n/)
    const hops = [...out.matchAll(/^ {2}● \d+ {2}(\S+ \w+) /gm)].map(([, hop]) => hop.replace(/veth\w+/, 'veth'))
    const there = ['eth0 out', 'veth in', 'cni0 in', 'flannel.1 out', 'eth0 out', 'p-w1 in', 'p-w2 out']
    const arrived = ['eth0 in', 'flannel.1 in', 'cni0 out', 'veth out', 'eth0 in']
    const back = ['eth0 out', 'veth in', 'cni0 in', 'flannel.1 out', 'eth0 out', 'p-w2 in', 'p-w1 out']
    expect(hops).toEqual([...there, ...arrived, ...back, ...arrived])
    expect(out).toMatch(/ {4}~ destination 10\.\d+\.\d+\.\d+:8001 → 10\.244\.1\.\d+:80\n/)
    expect(out).toMatch(
      / {4}~ encapsulation added: VXLAN 1 in UDP 192\.168\.14\.51:\d+ → 192\.168\.14\.52:8472 \(50 bytes\)\n/,
    )
    expect(verdict()).toMatch(/^reached default\/web 10\.244\.1\.\d+:80 in [\d.]+ µs$/)
  })

  test('a closed port is refused by the pod, an address of nobody is not there', async () => {
    expect(await trace('--from', 'pod/client', '--to', 'pod/web:81')).toBe(1)
    expect(verdict()).toMatch(/^refused by default\/web\b/)
    expect(await trace('--from', 'pod/client', '--to', '192.168.14.77:80')).toBe(1)
    expect(verdict()).toMatch(/^No route to host, says w1\.example\.com\b/)
    expect(out).toMatch(/who-has 192\.168\.14\.77 tell 192\.168\.14\.51, length 28 \(nobody answered\)\n/)
  })

  test('a name is resolved first, by DNS; one that nobody knows is not sent to', async () => {
    expect(await trace('--from', 'pod/client', '--to', 'web:8001')).toBe(0)
    expect(out).toMatch(
      /\n {2}\d+ {2}IP .*\.53: \d+\+ A\? web\.default\.svc\.cluster\.local\. \(47\) \(answered by frame \d+\)\n/,
    )
    out = ''
    expect(await trace('--from', 'pod/client', '--to', 'nobody:80')).toBe(1)
    expect(verdict()).toBe('not sent: the name does not resolve (Name does not resolve)')
  })

  test('nodes and hosts send, too; UDP and ping', async () => {
    expect(await trace('--from', 'node/w1', '--to', 'svc/web')).toBe(0)
    expect(verdict()).toMatch(/^reached default\/web 10\.244\.1\.\d+:80 in /)
    expect(await trace('--from', 'node/w2', '--to', 'host/router', '--proto', 'icmp')).toBe(0)
    expect(verdict()).toMatch(/^reached router 192\.168\.14\.1 in /)
    expect(await trace('--from', 'pod/client', '--to', 'svc/kube-system/kube-dns')).toBe(0)
    expect(verdict()).toMatch(/^reached kube-system\/coredns-\S+ 10\.244\.0\.\d+:53 in /)
    expect(await trace('--from', 'host/router', '--to', '10.244.1.2:80')).toBe(1)
    expect(verdict()).toBe('not sent: Network is unreachable')
  })

  test('a drop on the way is named, with its place and reason', async () => {
    const drop = 'ssh w2 iptables -I FORWARD -p tcp --dport 80 -j DROP'
    expect(await trace('--from', 'pod/client', '--to', 'svc/web', '-c', drop)).toBe(1)
    expect(verdict()).toMatch(/^dropped on w2\.example\.com: .*\(SKB_DROP_REASON_NETFILTER_DROP\)$/)
    // tcp_syn_linear_timeouts: once a second, within the five that the probe waits.
    expect(out).toMatch(/\nSent again, without an answer: frames \d+, \d+, \d+, \d+\n/)
  })

  test('as JSON; and captures hold frames of the same numbers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'podwire-'))
    expect(await trace('--from', 'pod/client', '--to', 'svc/web', '--json', '--captures', folder)).toBe(0)
    const { reached, request, reply } = JSON.parse(out)
    expect(reached).toBe(true)
    expect(request.answeredBy.packet).toBe(reply.packet)
    const { packets } = readCapture(readFileSync(join(folder, 'all.pcapng')))
    for (const { frame } of request.sightings) expect(packets[frame - 1].packetId).toBe(request.packet)
    rmSync(folder, { recursive: true })
  })

  test.each([
    [['--from', 'client', '--to', 'pod/web'], '--from client: expected pod/NAME, deploy/NAME, node/NAME or host/NAME'],
    [['--from', 'pod/cliend', '--to', 'pod/web'], 'there is no pod default/cliend; did you mean client?'],
    [['--from', 'pod/client', '--to', 'svc/wob'], 'did you mean web? (steps were not run: --after-steps runs them)'],
    [['--from', 'pod/client', '--to', 'svc/web:http'], 'svc default/web has no port http: there are 8001'],
    [['--from', 'pod/client', '--to', '10.0.0.1'], '--to 10.0.0.1: which port? Say 10.0.0.1:PORT, or --proto icmp'],
    [['--from', 'pod/client', '--to', 'web:99999'], '--to web:99999: "99999" is no port: 1 to 65535'],
    [['--from', 'node/w9', '--to', 'web:80'], 'node/w9: there are router, w1.example.com, w2.example.com'],
  ])('%j is refused in words', async (args, sentence) => {
    expect(await trace(...args)).toBe(2)
    expect(err).toContain(`podwire: `)
    expect(err).toContain(sentence)
  })
})
