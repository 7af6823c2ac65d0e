/** The table that `podwire bench` prints, a line as soon as a point is measured; flow cache off and on side by side. */
import type { Figure, Row } from './report.ts'

const figureHeads = ['frames/CPU-s', 'ns/hop', 'B/frame', 'GC']
const widths = [14, 8, 9, 7]
/** A peer's figure, and the two ratios. */
const PEER = [14, 9, 9]

export function tableHead(peers: readonly string[]): string {
  const block = figureHeads.map((head, i) => head.padStart(widths[i])).join('')
  const width = block.length
  const over = (text: string) => ` ${text} `.padStart((width + text.length + 2) >> 1, '─').padEnd(width, '─')
  const first = `${''.padEnd(37)}  ${over('flow cache off')}  ${over('flow cache on')}`
  const ends = peers.map((peer) => [peer, 'off', 'on'].map((text, i) => text.padStart(PEER[i])).join('')).join('')
  const names = `${'point'.padEnd(19)}${'frame'.padStart(6)}${'hops'.padStart(6)}${'build'.padStart(6)}`
  return `${first}\n${names}  ${block}  ${block}${'gain'.padStart(7)}${ends}\n`
}

export function tableLine(row: Row, peers: readonly string[]): string {
  const { hop, cache } = row.figures
  const names = `${row.point.padEnd(19)}${String(row.frame).padStart(6)}${String(row.hops).padStart(6)}`
  const built = milliseconds(hop.buildMs).padStart(6)
  const gain = times(cache.framesPerCpuSecond / hop.framesPerCpuSecond).padStart(7)
  const ends = peers.map((peer) => against(row, peer)).join('')
  const line = `${names}${built}  ${cells(hop)}  ${cells(cache)}${gain}${ends}\n`
  if (hop.gbps === null || cache.gbps === null) return line
  return `${line}${`goodput: ${hop.gbps.toFixed(2)} Gbit/s, with the flow cache ${cache.gbps.toFixed(2)}`.padStart(60)}\n`
}

function cells(figure: Figure): string {
  const texts = [
    rate(figure.framesPerCpuSecond),
    figure.nsPerHop.toFixed(figure.nsPerHop < 100 ? 1 : 0),
    figure.bytesPerFrame === null ? '-' : figure.bytesPerFrame.toFixed(figure.bytesPerFrame < 10 ? 2 : 0),
    figure.gcShare === null ? '-' : `${(figure.gcShare * 100).toFixed(1)}%`,
  ]
  return texts.map((text, i) => text.padStart(widths[i])).join('')
}

/** A peer's figure, and how many times as fast podwire is, without and with the flow cache; TCP by what arrives. */
function against({ figures, ratios }: Row, peer: string): string {
  const [theirs, found] = [figures[peer], ratios?.[peer]]
  if (theirs === undefined || found === undefined) return PEER.map((width) => '-'.padStart(width)).join('')
  const figure = theirs.gbps === null ? rate(theirs.framesPerCpuSecond) : `${theirs.gbps.toFixed(2)}G`
  return [figure, times(found.hop.median), times(found.cache.median)].map((text, i) => text.padStart(PEER[i])).join('')
}

/** Who the peers are, below the table. */
export function tableFoot(descriptions: Readonly<Record<string, string>>): string {
  return Object.entries(descriptions)
    .map(([peer, description]) => `${peer}: ${description}\n`)
    .join('')
}

export function rate(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  return value >= 1e3 ? `${(value / 1e3).toFixed(1)}k` : value.toFixed(0)
}

function times(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)}x`
}

function milliseconds(value: number): string {
  return value < 1000 ? `${value.toFixed(0)}ms` : `${(value / 1000).toFixed(1)}s`
}
