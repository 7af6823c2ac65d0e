/** Cost against rules, Services, pods, nodes and frame size, as an SVG that needs nothing else and follows light or dark. */
import { scaleLog } from 'd3-scale'
import type { Axis } from './points.ts'
import type { Report, Row } from './report.ts'

const WIDTH = 420
const HEIGHT = 300
const LEFT = 64
const RIGHT = 22
const TOP = 40
const BOTTOM = 84
/** A legend's lines: two columns. */
const COLUMN = 180
const LINE = 18
/** Colours; a ninth line has the first one's again. */
const COLOURS = 8

const STYLE = `
    svg { background: #ffffff; color-scheme: light dark }
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }
    .title { font-size: 14px; font-weight: bold }
    .tick { fill: #59636e }
    .grid { stroke: #d1d9e0; stroke-width: 0.6 }
    .line { fill: none; stroke-width: 2 }
    .c0 { stroke: #0969da; fill: #0969da } .c1 { stroke: #1a7f37; fill: #1a7f37 }
    .c2 { stroke: #8250df; fill: #8250df } .c3 { stroke: #9a6700; fill: #9a6700 }
    .c4 { stroke: #cf222e; fill: #cf222e } .c5 { stroke: #bf3989; fill: #bf3989 }
    .c6 { stroke: #1b7c83; fill: #1b7c83 } .c7 { stroke: #6e7781; fill: #6e7781 }
    .line { fill: none }
    @media (prefers-color-scheme: dark) {
      svg { background: #0d1117 }
      text { fill: #e6edf3 }
      .tick { fill: #9198a1 }
      .grid { stroke: #3d444d }
      .c0 { stroke: #4493f8; fill: #4493f8 } .c1 { stroke: #3fb950; fill: #3fb950 }
      .c2 { stroke: #ab7df8; fill: #ab7df8 } .c3 { stroke: #d29922; fill: #d29922 }
      .c4 { stroke: #f85149; fill: #f85149 } .c5 { stroke: #f778ba; fill: #f778ba }
      .c6 { stroke: #39c5cf; fill: #39c5cf } .c7 { stroke: #9198a1; fill: #9198a1 }
      .line { fill: none }
    }
  `

interface Dot {
  readonly x: number
  /** Nanoseconds per frame, and those of the slowest and the fastest round. */
  readonly y: number
  readonly low: number
  readonly high: number
}

interface Panel {
  readonly axis: Axis['name']
  readonly lines: ReadonlyMap<string, readonly Dot[]>
}

const titles: Readonly<Record<Axis['name'], string>> = {
  rules: 'rules that a routed frame passes',
  Services: 'Services: the first packet of a connection',
  pods: 'pods that talk in pairs',
  nodes: 'nodes, a pod on each',
  'frame size': 'bytes of a frame through the overlay',
}

/** @throws RangeError when nothing of it is on a scale. */
export function mustBePlottable(rows: readonly { readonly axis: Axis | null }[]): void {
  if (rows.some(({ axis }) => axis !== null)) return
  throw new RangeError('podwire: there is nothing to plot: --plot needs W6, size, rules, pods or nodes')
}

export function plot(report: Report): string {
  const panels = panelsOf(report.rows)
  const columns = Math.min(3, panels.length)
  const width = columns * WIDTH
  // Each panel is as high as the longest legend needs.
  const most = Math.max(...panels.map(({ lines }) => Math.ceil(lines.size / 2)))
  const each = HEIGHT + Math.max(0, most - 2) * LINE
  const height = Math.ceil(panels.length / columns) * each + 28
  const drawn = panels.map((panel, i) => {
    const place = `translate(${(i % columns) * WIDTH} ${Math.floor(i / columns) * each})`
    return `  <g transform="${place}">\n${draw(panel)}\n  </g>`
  })
  const foot = `podwire ${report.podwire}, ${report.cpu}, Node ${report.node}; medians of ${report.rounds}, bars: all rounds`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    '  <title>What a frame costs in podwire</title>',
    `  <style>${STYLE}</style>`,
    ...drawn,
    `  <text class="tick" x="12" y="${height - 10}">${escaped(foot)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function panelsOf(rows: readonly Row[]): Panel[] {
  const panels = new Map<Axis['name'], Map<string, Dot[]>>()
  for (const { axis, title, figures } of rows) {
    if (axis === null) continue
    const lines = panels.get(axis.name) ?? new Map<string, Dot[]>()
    panels.set(axis.name, lines)
    for (const [participant, figure] of Object.entries(figures)) {
      const name = title === axis.name ? named(participant) : `${title}, ${named(participant)}`
      const y = 1e9 / figure.framesPerCpuSecond
      const dot = { x: axis.value, y, low: 1e9 / figure.highest, high: 1e9 / figure.lowest }
      lines.set(name, [...(lines.get(name) ?? []), dot])
    }
  }
  return [...panels].map(([axis, lines]) => ({ axis, lines }))
}

function named(participant: string): string {
  if (participant === 'hop') return 'flow cache off'
  return participant === 'cache' ? 'flow cache on' : participant
}

function draw({ axis, lines }: Panel): string {
  const dots = [...lines.values()].flat()
  const xs = dots.map(({ x }) => x)
  const [low, high] = [Math.min(...dots.map((dot) => dot.low)), Math.max(...dots.map((dot) => dot.high))]
  const x = scaleLog()
    .domain(wide(Math.min(...xs), Math.max(...xs)))
    .range([LEFT, WIDTH - RIGHT])
  const y = scaleLog()
    .domain(wide(low, high))
    .range([HEIGHT - BOTTOM, TOP])
    .nice()
  const out = [`<text class="title" x="${LEFT}" y="22">${titles[axis]}</text>`]
  for (const value of decades(y.domain())) {
    const at = y(value).toFixed(1)
    out.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`)
    out.push(`<text class="tick" x="${LEFT - 6}" y="${at}" dy="4" text-anchor="end">${duration(value)}</text>`)
  }
  for (const value of [...new Set(xs)].sort((a, b) => a - b)) {
    const at = x(value).toFixed(1)
    out.push(`<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`)
    out.push(`<text class="tick" x="${at}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${value}</text>`)
  }
  for (const [i, [name, line]] of [...lines].entries()) {
    const at = line.map((dot) => `${x(dot.x).toFixed(1)},${y(dot.y).toFixed(1)}`)
    out.push(`<polyline class="line c${i % COLOURS}" points="${at.join(' ')}"/>`)
    for (const dot of line) out.push(marked(`c${i % COLOURS}`, x(dot.x), y(dot.y), y(dot.low), y(dot.high), name, dot))
    const [left, top] = [LEFT + (i % 2) * COLUMN, HEIGHT - BOTTOM + 38 + (i >> 1) * LINE]
    out.push(`<rect class="c${i % COLOURS}" x="${left}" y="${top - 9}" width="10" height="10"/>`)
    out.push(`<text x="${left + 15}" y="${top}">${escaped(name)}</text>`)
  }
  return out.map((line) => `    ${line}`).join('\n')
}

function marked(kind: string, x: number, y: number, low: number, high: number, name: string, dot: Dot): string {
  const told = escaped(`${name}, ${dot.x}: ${duration(dot.y)} a frame (${duration(dot.low)} to ${duration(dot.high)})`)
  const at = x.toFixed(1)
  const bar = `<line class="${kind}" x1="${at}" x2="${at}" y1="${low.toFixed(1)}" y2="${high.toFixed(1)}"/>`
  return `<g>${bar}<circle class="${kind}" cx="${at}" cy="${y.toFixed(1)}" r="3.5"><title>${told}</title></circle></g>`
}

/** A logarithmic axis needs some width. */
function wide(low: number, high: number): [number, number] {
  return low === high ? [low / 2, high * 2] : [low, high]
}

/** 1, 2 and 5 of each decade; the decades alone where that would be too many. */
function decades([low, high]: number[]): number[] {
  const first = Math.floor(Math.log10(low))
  const last = Math.ceil(Math.log10(high))
  const steps = last - first > 3 ? [1] : [1, 2, 5]
  const all = Array.from({ length: last - first + 1 }, (_, i) => steps.map((step) => step * 10 ** (first + i))).flat()
  return all.filter((value) => value >= low && value <= high)
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1000) return `${Number(nanoseconds.toPrecision(3))} ns`
  if (nanoseconds < 1e6) return `${Number((nanoseconds / 1000).toPrecision(3))} µs`
  return `${Number((nanoseconds / 1e6).toPrecision(3))} ms`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
