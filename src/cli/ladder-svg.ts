/** A ladder as an SVG that needs nothing else: it follows the reader's light or dark, and tells each frame under the pointer. */
import type { Ladder, Rung } from './ladder-model.ts'
import { gapsOf } from './ladder-text.ts'

/** Of a monospaced letter of twelve pixels. */
const LETTER = 7.3
const TIME = 96
const TOP = 86
const ROW = 34
const MARGIN = 24

const STYLE = `
    svg { background: #ffffff; color-scheme: light dark }
    text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1f2328 }
    .title { font-size: 14px; font-weight: bold }
    .name { font-weight: bold; text-anchor: middle }
    .time { fill: #59636e; text-anchor: end }
    .label { text-anchor: middle }
    .life { stroke: #d1d9e0; stroke-width: 1.5 }
    .box { fill: #f6f8fa; stroke: #d1d9e0 }
    .arrow { stroke-width: 1.6; fill: none }
    .tcp { stroke: #0969da; color: #0969da }
    .udp { stroke: #1a7f37; color: #1a7f37 }
    .icmp { stroke: #8250df; color: #8250df }
    .arp { stroke: #9a6700; color: #9a6700 }
    .other { stroke: #59636e; color: #59636e }
    .drop { stroke: #cf222e; color: #cf222e }
    .head { fill: currentColor; stroke: none }
    .label, .note { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
    text.why { fill: #cf222e }
    @media (prefers-color-scheme: dark) {
      svg { background: #0d1117 }
      text { fill: #e6edf3 }
      .label, .note { stroke: #0d1117 }
      .time { fill: #9198a1 }
      .life { stroke: #3d444d }
      .box { fill: #151b23; stroke: #3d444d }
      .tcp { stroke: #4493f8; color: #4493f8 }
      .udp { stroke: #3fb950; color: #3fb950 }
      .icmp { stroke: #ab7df8; color: #ab7df8 }
      .arp { stroke: #d29922; color: #d29922 }
      .other { stroke: #9198a1; color: #9198a1 }
      .drop { stroke: #f85149; color: #f85149 }
      text.why { fill: #f85149 }
    }
  `

const classes = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['ICMP', 'icmp'],
  ['ICMPv6', 'icmp'],
  ['ARP', 'arp'],
])

export function ladderSvg(ladder: Ladder): string {
  const { lifelines, rungs } = ladder
  const gaps = gapsOf(ladder).map((gap) => gap * LETTER)
  const columns: number[] = []
  let x = MARGIN + TIME + Math.max(((lifelines[0]?.length ?? 0) * LETTER) / 2 + 10, 24)
  for (const gap of gaps) {
    columns.push(x)
    x += gap
  }
  const rows = placesOf(rungs)
  const bottom = (rows.at(-1) ?? TOP) + ROW
  const width = Math.ceil(Math.max(widthOf(ladder, columns), MARGIN * 2 + ladder.title.length * 8.6))
  const body = [
    `  <text class="title" x="${MARGIN}" y="28">${escaped(ladder.title)}</text>`,
    ...lifelines.map((name, i) => lifeline(name, columns[i], bottom)),
    ...rungs.map((rung, i) => rungMarkup(rung, columns, rows[i])),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + MARGIN}" width="${width}" height="${bottom + MARGIN}" role="img">
  <title>${escaped(ladder.title)}</title>
  <style>${STYLE}</style>
${body.join('\n')}
</svg>
`
}

/** Where each rung's line is; one with a reason for a drop takes a row more. */
function placesOf(rungs: readonly Rung[]): number[] {
  let y = TOP
  return rungs.map((rung) => {
    const place = y
    y += ROW + (rung.drop === null ? 0 : 16)
    return place
  })
}

/** To the end of the longest text. */
function widthOf({ lifelines, rungs }: Ladder, columns: readonly number[]): number {
  let right = 0
  lifelines.forEach((name, i) => {
    right = Math.max(right, columns[i] + (name.length * LETTER) / 2 + 10)
  })
  for (const { from, to, text, drop } of rungs) {
    if (from === to) right = Math.max(right, columns[from] + 14 + text.length * LETTER)
    if (drop !== null) right = Math.max(right, columns[to] + 14 + drop.length * LETTER)
  }
  return right + MARGIN
}

function lifeline(name: string, x: number, bottom: number): string {
  const half = (name.length * LETTER) / 2 + 8
  return (
    `  <line class="life" x1="${fixed(x)}" y1="62" x2="${fixed(x)}" y2="${bottom}"/>\n` +
    `  <rect class="box" x="${fixed(x - half)}" y="40" width="${fixed(half * 2)}" height="22" rx="4"/>\n` +
    `  <text class="name" x="${fixed(x)}" y="55">${escaped(name)}</text>`
  )
}

function rungMarkup(rung: Rung, columns: readonly number[], y: number): string {
  const { from, to, drop } = rung
  const kind = drop === null ? (classes.get(rung.protocol) ?? 'other') : 'drop'
  const start = columns[from]
  const end = columns[to]
  const parts = [`<title>${escaped(`frame ${rung.frame}\n${rung.full}`)}</title>`]
  parts.push(`<text class="time" x="${MARGIN + TIME - 16}" y="${y + 4}">${rung.time.toFixed(6)}</text>`)
  if (from === to) {
    parts.push(`<circle class="arrow ${kind}" cx="${fixed(start)}" cy="${y}" r="4"/>`)
    parts.push(`<text class="note" x="${fixed(start + 12)}" y="${y + 4}">${escaped(rung.text)}</text>`)
  } else {
    const room = Math.floor(Math.abs(end - start) / LETTER) - 2
    const text = rung.text.length > room ? `${rung.text.slice(0, Math.max(room - 1, 0))}…` : rung.text
    const tip = drop === null ? end : end + (end > start ? -10 : 10)
    parts.push(`<text class="label" x="${fixed((start + end) / 2)}" y="${y - 5}">${escaped(text)}</text>`)
    parts.push(`<line class="arrow ${kind}" x1="${fixed(start)}" y1="${y}" x2="${fixed(tip)}" y2="${y}"/>`)
    if (drop === null) {
      const back = end > start ? -9 : 9
      parts.push(`<path class="head ${kind}" d="M${fixed(end)} ${y}l${back} -4v8z"/>`)
    } else parts.push(`<path class="arrow drop" d="M${fixed(tip - 5)} ${y - 5}l10 10m0 -10l-10 10"/>`)
  }
  if (drop !== null) parts.push(`<text class="why note" x="${fixed(end + 12)}" y="${y + 20}">${escaped(drop)}</text>`)
  return `  <g>${parts.join('')}</g>`
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10)
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** For text between tags: what XML does not allow is shown as a replacement character. */
function escaped(text: string): string {
  return text
    .replace(/[&<>"]/g, (character) => entities[character])
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd')
}
