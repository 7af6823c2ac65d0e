import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemorySink } from '../../src/capture/byte-sink.ts'
import { INBOUND, OUTBOUND, PcapngWriter } from '../../src/capture/pcapng-writer.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { bytesOf } from '../support/bytes.ts'
import { podwire } from '../support/cli.ts'

const plain = fileURLToPath(new URL('../capture/foreign/follow/plain.pcap', import.meta.url))
let folder = ''
let journey = ''

const ping = bytesOf('0a580af40103 0a580af40102 0800 4500001c 00010000 400166de 0a000001 0a000002 0800f7f7 00070001')

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-ladder-'))
  journey = join(folder, 'journey.pcapng')
  const memory = new MemorySink()
  const writer = new PcapngWriter(memory)
  writer.names([[parseIpv4('10.0.0.1'), 'default/<web>']])
  for (const name of ['pod/eth0', 'w1/cni0', 'w1/eth0']) writer.interface({ name })
  const size = ping.length
  writer.packet(0, 1, 0, OUTBOUND, 5, ping, 0, size)
  writer.packet(1, 1, 10_000, INBOUND, 5, ping, 0, size)
  const rewritten = ping.slice()
  rewritten[33] = 9
  writer.packet(2, 1, 30_000, OUTBOUND, 5, rewritten, 0, size, size, ['routed by eth0', 'dropped: the carrier is off'])
  writer.flush()
  writeFileSync(journey, memory.file())
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('podwire ladder', () => {
  test('draws who spoke to whom', async () => {
    const { code, out } = await podwire('ladder', plain, '-c', '4')
    expect(code).toBe(0)
    expect(out.split('\n')).toEqual([
      '                10.0.0.1                                         10.0.0.2',
      '    0.000000        │      1000 > 2000: [S], seq 100, length 0       │',
      '                    │───────────────────────────────────────────────>│',
      '    0.005381        │ 2000 > 1000: [S.], seq 500, ack 101, length 0  │',
      '                    │<───────────────────────────────────────────────│',
      '    0.005649        │       1000 > 2000: [.], ack 1, length 0        │',
      '                    │───────────────────────────────────────────────>│',
      '    0.005906        │  1000 > 2000: [P.], seq 1:7, ack 1, length 6   │',
      '                    │───────────────────────────────────────────────>│',
      '',
    ])
  })

  test('says what it leaves out', async () => {
    const { err } = await podwire('ladder', plain, '-c', '4')
    expect(err).toBe('podwire: the first 4 frames are drawn, 3 are not: choose by a filter, or draw more with -c\n')
  })

  test('draws the journey of one packet, what changed on it, and its end', async () => {
    const { out } = await podwire('ladder', journey, '--packet', '5', '-n')
    const lines = out.split('\n').map((line) => line.replace(/^ *[0-9.]+ +/, ''))
    expect(lines[0].trim().split(/ +/)).toEqual(['pod/eth0', 'w1/cni0', 'w1/eth0'])
    expect(lines[1]).toContain('● out: IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 8')
    expect(lines[2]).toContain('in: unchanged')
    expect(lines[3]).toContain('─>│')
    expect(lines[4]).toContain('out: IP 10.0.0.1 > 10.0.0.9: ICMP echo request, id 7, seq 1, length 8')
    expect(lines[5]).toContain('─✗│ ✗ dropped: the carrier is off')
  })

  test('draws a packet once between hosts, by name, wherever it was dropped', async () => {
    const { out } = await podwire('ladder', journey, '--mermaid')
    expect(out).toBe(
      'sequenceDiagram\n' +
        '    title journey.pcapng\n' +
        '    participant l0 as default/#lt;web#gt;\n' +
        '    participant l1 as 10.0.0.2\n' +
        '    l0-xl1: ICMP echo request, id 7, seq 1, length 8 (0.000000 s)\n' +
        '    Note over l1: dropped: the carrier is off\n',
    )
  })

  test('writes an SVG that stands by itself', async () => {
    const path = join(folder, 'out.svg')
    expect(await podwire('ladder', journey, '--svg', '-o', path, 'icmp')).toMatchObject({ code: 0, out: '' })
    const svg = readFileSync(path, 'utf8')
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d+ \d+"/)
    expect(svg).toContain('default/&lt;web&gt;</text>')
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).toContain('dropped: the carrier is off')
    expect(svg).not.toMatch(/href|url\(|@import/)
    // Every tag is closed, in order: what XML asks.
    const open: string[] = []
    for (const [, close, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
      if (close !== '') expect(open.pop()).toBe(name)
      else if (empty === '') open.push(name)
    }
    expect(open).toEqual([])
  })

  test('says when nothing is wanted, and what it does not know', async () => {
    expect(await podwire('ladder', plain, 'icmp')).toMatchObject({
      code: 1,
      err: `podwire: ${plain}: no frame is wanted\n`,
    })
    expect(await podwire('ladder', plain, '--by', 'moon')).toMatchObject({ code: 2 })
    expect(await podwire('ladder', plain, '-o', '/nowhere/x')).toMatchObject({ code: 2 })
  })
})
