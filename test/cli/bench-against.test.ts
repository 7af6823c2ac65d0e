/** `podwire bench --against`: who is refused and how, and how peers are reported. The kernel itself is measured by npm run test:linux. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { compare, regressions } from '../../src/bench/compare.ts'
import type { Measurement } from '../../src/bench/measure.ts'
import { machine } from '../../src/bench/peers/machine.ts'
import { measurePeer, type Peer } from '../../src/bench/peers/peer.ts'
import { built, sourcesOf } from '../../src/bench/peers/program.ts'
import { plot } from '../../src/bench/plot.ts'
import { choose } from '../../src/bench/points.ts'
import { figureOf, type Report, type Row, ratioOf } from '../../src/bench/report.ts'
import { tableFoot, tableHead, tableLine } from '../../src/bench/table.ts'
import { podwire } from '../support/cli.ts'

const { platform } = process
afterEach(() => {
  vi.restoreAllMocks()
  Object.defineProperty(process, 'platform', { value: platform })
})

async function refused(...words: string[]): Promise<string> {
  const { code, out, err } = await podwire('bench', ...words)
  expect([code, out]).toEqual([2, ''])
  return err
}

describe('refused before anything is measured, in one sentence', () => {
  const asUser = (uid: number) => vi.spyOn(process, 'getuid').mockReturnValue(uid)
  const elsewhere = (name: string) => Object.defineProperty(process, 'platform', { value: name })

  test('a peer that nobody knows', async () => {
    const sentence = 'podwire: --against knows kernel, kernel-nft, ns3, ns3-checksums, not bsd\n'
    expect(await refused('W1', '--against', 'bsd')).toBe(sentence)
    expect(await refused('W1', '--against', 'kernel,bsd')).toBe(sentence)
    expect(await refused('W1', '--against', '')).toMatch(/not \n$/)
    expect(await refused('W1', '--against', 'constructor')).toMatch(/not constructor\n$/)
  })

  test('points that it has nothing like', async () => {
    expect(await refused('pods/10', 'nodes', '--against', 'kernel')).toBe(
      'podwire: --against: kernel can do nothing like the points that are named\n',
    )
    expect(await refused('W4', 'W6', '--against', 'ns3', '--against', 'ns3-checksums')).toBe(
      'podwire: --against: ns3 and ns3-checksums can do nothing like the points that are named\n',
    )
  })

  test('who is not root', async () => {
    elsewhere('linux')
    asUser(1000)
    expect(await refused('W1', '--against', 'kernel')).toBe(
      'podwire: --against kernel needs root: it injects frames into namespaces of its own\n',
    )
  })

  test('a machine that is not Linux', async () => {
    elsewhere('darwin')
    expect(await refused('W1', '--against', 'kernel-nft')).toBe(
      'podwire: --against kernel-nft needs Linux: this is darwin\n',
    )
    expect(await refused('W1', '--against', 'ns3')).toBe('podwire: --against ns3 needs Linux: this is darwin\n')
  })

  test('a machine without the tools: all that is missing, and the packages', async () => {
    elsewhere('linux')
    asUser(0)
    const absent = new Set(['cc', 'stdio.h', 'ip', 'nft'])
    const found = (what: string) => (absent.has(what) ? null : `/there/${what}`)
    vi.spyOn(machine, 'tool').mockImplementation(found)
    vi.spyOn(machine, 'header').mockImplementation(found)
    expect(await refused('W1', '--against', 'kernel')).toBe(
      'podwire: --against kernel needs cc, stdio.h, ip, nft: apt-get install gcc libc6-dev iproute2 nftables\n',
    )
    absent.clear()
    absent.add('iptables-legacy-restore')
    expect(await refused('W1', '--against', 'kernel')).toBe(
      'podwire: --against kernel needs iptables-legacy-restore: apt-get install iptables\n',
    )
    absent.clear()
    absent.add('ns3/core-module.h')
    expect(await refused('W1', '--against', 'ns3')).toBe(
      'podwire: --against ns3 needs ns3/core-module.h: apt-get install libns3-dev\n',
    )
  })

  test('a compiler that fails', () => {
    const build = { peer: 'kernel', compiler: process.execPath, suffix: '.c', options: [], libraries: [] }
    expect(() => built(build)).toThrow(/^podwire: --against kernel: its program could not be built by /)
  })
})

test('the sources are found, and are part of the package', () => {
  expect(existsSync(join(sourcesOf('kernel'), 'main.c'))).toBe(true)
  expect(existsSync(join(sourcesOf('ns3'), 'ns3.cc'))).toBe(true)
  expect(() => sourcesOf('bsd')).toThrow('bench/peers/bsd is missing')
  expect(JSON.parse(readFileSync('package.json', 'utf8')).files).toContain('bench/peers')
})

describe('frames that did not arrive are no figure', () => {
  const [point] = choose(['W1/64'])
  const peer = { name: 'kernel' } as Peer
  const measured = (sent: number, frames: number) => {
    const line = { peer: 'kernel', workload: 'W1', variant: 'inject', frame: 64, sent, frames }
    const measure = async () => ({ ...line, seconds: 1, cpuSeconds: 0.5, gbps: null })
    return measurePeer(peer, point, { buildMs: 7, measure, close: () => {} }, 1)
  }

  test('all but a hundredth must', async () => {
    expect((await measured(1000, 990)).frames).toBe(990)
    await expect(measured(1000, 989)).rejects.toThrow('podwire: --against kernel: W1/64: of 1000 frames 989 arrived')
    await expect(measured(0, 0)).rejects.toThrow('of 0 frames 0 arrived')
  })
})

function round(frames: number, more: Partial<Measurement> = {}): Measurement {
  const own = { point: 'W4/64', variant: 'hop', frames, seconds: 1, cpuSeconds: 1, gcShare: 0, buildMs: 5 }
  return { ...own, bytesPerFrame: 0, gbps: null, ...more }
}

describe('ratios', () => {
  test('of rounds that took turns, median with the lowest and the highest', () => {
    // The machine was half as fast in the second round, for both.
    const own = [600, 310, 590].map((frames) => round(frames))
    const peers = [100, 50, 100].map((frames) => round(frames))
    expect(ratioOf(own, peers)).toEqual({ median: 6, lowest: 5.9, highest: 6.2 })
  })

  test('of TCP by goodput', () => {
    expect(ratioOf([round(1, { gbps: 3 })], [round(1000, { gbps: 1.5 })]).median).toBe(2)
  })
})

/** Both peers' figures, of which ns-3 may have none. */
function row(name: string, ns3: boolean): Row {
  const [point] = choose([name])
  const found: Record<string, Measurement[]> = {
    hop: [round(600)],
    cache: [round(6000)],
    kernel: [round(100, { bytesPerFrame: null, gcShare: null })],
    ...(ns3 ? { ns3: [round(5, { bytesPerFrame: null, gcShare: null })] } : {}),
  }
  const figures = Object.fromEntries(Object.entries(found).map(([who, each]) => [who, figureOf(point, each)]))
  const against = Object.keys(found).slice(2)
  const ratios = Object.fromEntries(
    against.map((who) => [who, { hop: ratioOf(found.hop, found[who]), cache: ratioOf(found.cache, found[who]) }]),
  )
  const { id, workload, title, frame, hops, axis } = point
  return { point: id, workload, title, frame, hops, axis, figures, ratios }
}

function report(rows: readonly Row[]): Report {
  return { podwire: '0.0.1', node: 'v1', cpu: 'abacus', rounds: 1, seconds: 1, peers: { kernel: 'Linux' }, rows }
}

test('the table: each peer has its figure and both ratios, and `-` where it has none', () => {
  const head = tableHead(['kernel', 'ns3']).split('\n')[1]
  expect(head).toMatch(/ gain +kernel +off +on +ns3 +off +on$/)
  const line = tableLine(row('W1/64', true), ['kernel', 'ns3'])
  expect(line).toMatch(/ 10\.0x +100 +6\.00x +60\.0x +5 +120\.0x +1200\.0x\n$/)
  expect(line.length).toBe(head.length + 1)
  expect(tableLine(row('W4/64', false), ['kernel', 'ns3'])).toMatch(/ 10\.0x +100 +6\.00x +60\.0x +- +- +-\n$/)
  expect(tableFoot({ kernel: 'Linux 6.1' })).toBe('kernel: Linux 6.1\n')
})

test('--compare judges podwire, whoever was measured beside it', () => {
  const [before, now] = [report([row('W4/64', true)]), report([row('W4/64', false)])]
  const comparison = compare(before, now, 0.1)
  expect(comparison.changes.map(({ participant }) => participant)).toEqual(['hop', 'cache'])
  expect([comparison.missing, comparison.added, regressions(comparison)]).toEqual([[], [], []])
})

test('--plot draws peers, each in a colour of its own, and legends do not run into the next panel', () => {
  const names = ['W6/iptables/10', 'W6/nftables/10', 'rules/1', 'rules/10', 'size/64', 'size/128', 'pods/10', 'nodes/2']
  const svg = plot(report(names.map((name) => row(name, true))))
  const [iptables] = svg.split('</g>\n  <g transform').filter((panel) => panel.includes('first packet'))
  const colours = [...iptables.matchAll(/<polyline class="line (c\d)"/g)].map(([, colour]) => colour)
  expect(new Set(colours).size).toBe(8)
  const legend = [...iptables.matchAll(/<text x="(\d+)" y="(\d+)">/g)].map(([, x, y]) => `${x} ${y}`)
  expect(new Set(legend).size).toBe(8)
  const lowest = Math.max(...legend.map((place) => Number(place.split(' ')[1])))
  const panels = [...svg.matchAll(/translate\(\d+ (\d+)\)/g)].map(([, y]) => Number(y))
  expect(Math.max(...panels)).toBeGreaterThan(lowest)
  expect(svg).toContain('<title>kernel, 128: ')
})
