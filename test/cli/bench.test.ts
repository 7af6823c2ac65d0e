/** `podwire bench`, with times too short to mean anything: that it measures, what it says, and how it judges a baseline. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { choose, points } from '../../src/bench/points.ts'
import type { Figure, Report } from '../../src/bench/report.ts'
import { podwire } from '../support/cli.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podwire-bench-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** As little as is measured at all. */
const briefly = ['--seconds', '0.001', '--warm', '0.001', '--rounds', '1']

async function measured(...words: string[]): Promise<Report> {
  const { code, out, err } = await podwire('bench', ...words, ...briefly, '--json')
  expect(err).toBe('')
  expect(code).toBe(0)
  return JSON.parse(out)
}

describe('what is measured', () => {
  test('the forwarding workloads, the flow cache off and on', async () => {
    const report = await measured('W1', 'W2/64', 'w3/64', 'W4/1450')
    expect(report.rows.map(({ point, hops }) => [point, hops])).toEqual([
      ['W1/64', 2],
      ['W1/1450', 2],
      ['W2/64', 2],
      ['W3/64', 2],
      ['W4/1450', 4],
    ])
    for (const { figures, hops } of report.rows) {
      expect(Object.keys(figures)).toEqual(['hop', 'cache'])
      for (const figure of Object.values(figures)) {
        expect(figure.framesPerCpuSecond).toBeGreaterThan(0)
        expect(figure.nsPerHop * hops).toBeCloseTo(figure.nsPerFrame, 0)
        expect(figure.bytesPerFrame).toBeGreaterThanOrEqual(0)
        expect(figure.gbps).toBeNull()
      }
    }
  })

  test('TCP with its goodput', async () => {
    const { rows } = await measured('W5')
    expect(rows.length).toBe(1)
    expect(rows[0].figures.hop.gbps).toBeGreaterThan(0)
    expect(rows[0].figures.cache.gbps).toBeGreaterThan(0)
  })

  test('first packets among Services, in both modes of kube-proxy', async () => {
    const { rows } = await measured('W6/iptables/10', 'W6/nftables/10')
    expect(rows.map(({ axis }) => axis)).toEqual([
      { name: 'Services', value: 10 },
      { name: 'Services', value: 10 },
    ])
  })

  test('the scales', async () => {
    const { rows } = await measured('rules/100', 'pods/10', 'nodes/2', 'size/256')
    expect(rows.map(({ point }) => point)).toEqual(['size/256', 'rules/100', 'pods/10', 'nodes/2'])
  })

  test('every point arrives whole, and leaves no frame behind', () => {
    const small = points.filter(({ axis }) => axis === null || axis.value <= 64)
    for (const point of small) {
      const load = point.load(true)
      load.prepare?.()
      const before = load.received
      load.batch()
      load.batch()
      load.batch()
      expect(load.received, point.id).toBeGreaterThan(before)
      if (load.sent !== undefined) expect(load.received, point.id).toBeGreaterThanOrEqual(load.sent)
      expect(load.bad, point.id).toBe(0)
      if (load.sent !== undefined) expect(load.world.frames.inUse, point.id).toBe(0)
    }
  })

  test('the table has both sides in one line', async () => {
    const { code, out } = await podwire('bench', 'W2/64', ...briefly)
    expect(code).toBe(0)
    const [over, head, line, ...rest] = out.split('\n')
    expect(over).toMatch(/─ flow cache off ─.*─ flow cache on ─/)
    expect(head).toMatch(/^point +frame +hops +build +frames\/CPU-s +ns\/hop +B\/frame +GC +frames\/CPU-s .* gain$/)
    expect(line).toMatch(/^W2\/64 +64 +2 +\d+ms +[\d.]+[Mk]? +[\d.]+ +[\d.]+ +[\d.]+% +[\d.]+[Mk]? .*x$/)
    expect(rest).toEqual([''])
  })

  test('by words that exist', async () => {
    expect(choose(['W4/64', 'w1']).map(({ id }) => id)).toEqual(['W1/64', 'W1/1450', 'W4/64'])
    const { code, err } = await podwire('bench', 'W7')
    expect(code).toBe(2)
    expect(err).toBe(
      'podwire: bench has no workload W7: W1, W2, W3, W4, W5, W6, size, rules, pods, nodes, or one point such as W4/64\n',
    )
    expect((await podwire('bench', '--rounds', '0')).code).toBe(2)
  })
})

function figure(rate: number, more: Partial<Figure> = {}): Figure {
  const own = { rounds: 3, framesPerCpuSecond: rate, lowest: rate * 0.99, highest: rate * 1.01, nsPerFrame: 1e9 / rate }
  return { ...own, nsPerHop: 5e8 / rate, bytesPerFrame: 1e6, gcShare: 0, gbps: null, buildMs: 1, ...more }
}

/** A baseline in which W2/64 did so many frames per CPU-second. */
function baseline(name: string, hop: Figure, cache: Figure, point = 'W2/64'): string {
  const file = join(folder, name)
  const row = { point, workload: 'W2', title: 'route', frame: 64, hops: 2, axis: null, figures: { hop, cache } }
  const report: Report = { podwire: '0.0.1', node: 'v1.2.3', cpu: 'abacus', rounds: 3, seconds: 1, rows: [row] }
  writeFileSync(file, JSON.stringify(report))
  return file
}

describe('--compare', () => {
  const against = (file: string, ...more: string[]) => podwire('bench', 'W2/64', ...briefly, '--compare', file, ...more)

  test('slower than the baseline: flagged, exit 1', async () => {
    const { code, out } = await against(baseline('fast.json', figure(1e9), figure(1e3)))
    expect(code).toBe(1)
    expect(out).toMatch(/\nW2\/64 +off +1000.000M +[\d.]+M +-\d\d+\.\d% +25.0% {2}SLOWER\n/)
    expect(out).toMatch(/\nW2\/64 +on +0.001M .* {2}FASTER\n/)
    expect(out).toContain('note: the baseline was measured with another cpu: abacus, now ')
    expect(out).toMatch(/\n1 regression\n$/)
  })

  test('not slower: exit 0', async () => {
    const { code, out } = await against(baseline('slow.json', figure(1e3), figure(1e3)))
    expect(code).toBe(0)
    expect(out).toMatch(/\nno regression\n$/)
  })

  test('a baseline whose rounds differ by more than all that is no witness', async () => {
    const wild = { lowest: 1, highest: 3e9 }
    const { code, out } = await against(baseline('wild.json', figure(1e9, wild), figure(1e3)))
    expect(out).toMatch(/\nW2\/64 +off .* 150.0%\n/)
    expect(code).toBe(0)
  })

  test('what is in one of the two only is named', async () => {
    const { code, out } = await against(baseline('other.json', figure(1e3), figure(1e3), 'W2/9000'))
    expect(code).toBe(0)
    expect(out).toContain('W2/9000 hop: only in the baseline\n')
    expect(out).toContain('W2/64 cache: not in the baseline\n')
  })

  test('with --json the judgement is on standard error', async () => {
    const { code, out, err } = await against(baseline('json.json', figure(1e9), figure(1e9)), '--json')
    expect(code).toBe(1)
    expect(JSON.parse(out).rows.length).toBe(1)
    expect(err).toMatch(/2 regressions\n$/)
  })

  test('no baseline: a sentence, before anything is measured', async () => {
    const written = (name: string, text: string) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const missing = await against(join(folder, 'nowhere.json'))
    expect(missing.code).toBe(2)
    expect(missing.err).toMatch(/^podwire: .*nowhere.json: ENOENT: no such file/)
    const text = await against(written('text.json', 'frames: 12'))
    expect(text.code).toBe(2)
    expect(text.err).toMatch(/^podwire: .*text.json is not JSON: /)
    for (const content of ['null', '[]', '{"rows":[{}]}', '{"rows":[{"point":"W1/64","figures":{"hop":{}}}]}']) {
      const { code, out, err } = await against(written('half.json', content))
      expect([code, out]).toEqual([2, ''])
      expect(err).toMatch(/half.json is no baseline: write one with podwire bench --json > .*half.json\n$/)
    }
  })
})

test('more bytes per frame than then are a regression, too', async () => {
  const { compare, regressions } = await import('../../src/bench/compare.ts')
  const report = (bytesPerFrame: number): Report => {
    const figures = { hop: figure(1e6, { bytesPerFrame }), cache: figure(1e6) }
    const row = { point: 'W2/64', workload: 'W2', title: 'route', frame: 64, hops: 2, axis: null, figures }
    return { podwire: '0.0.1', node: 'v1', cpu: 'abacus', rounds: 3, seconds: 1, rows: [row] }
  }
  expect(regressions(compare(report(0.02), report(16), 0.1)).map(({ verdict }) => verdict)).toEqual(['allocates'])
  expect(regressions(compare(report(0.02), report(0.09), 0.1))).toEqual([])
  expect(regressions(compare(report(700), report(720), 0.1))).toEqual([])
})

describe('--plot', () => {
  test('one panel for each scale, a dot for each figure', async () => {
    const file = join(folder, 'plot.svg')
    await podwire('bench', 'rules/1', 'rules/10', 'size/64', 'W1/64', ...briefly, '--plot', file)
    const svg = readFileSync(file, 'utf8')
    expect([...svg.matchAll(/class="title" [^>]*>([^<]*)</g)].map(([, title]) => title)).toEqual([
      'bytes of a frame through the overlay',
      'rules that a routed frame passes',
    ])
    expect([...svg.matchAll(/<circle /g)].length).toBe(6)
    expect(svg).toMatch(/<title>flow cache off, 10: [\d.]+ [nµm]s a frame \(/)
    expect(svg).not.toContain('NaN')
  })

  test('nothing to plot: a sentence, before anything is measured', async () => {
    const { code, out, err } = await podwire('bench', 'W1', ...briefly, '--plot', join(folder, 'none.svg'))
    expect([code, out]).toEqual([2, ''])
    expect(err).toBe('podwire: there is nothing to plot: --plot needs W6, size, rules, pods or nodes\n')
  })
})
