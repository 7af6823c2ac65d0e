/** A ladder in characters: a column for each lifeline, a line for each arrow, and its text above the line. */
import type { Ladder, Rung } from './ladder-model.ts'

const NARROWEST = 14
const WIDEST = 72
const TIME = 12

/** How many letters the columns stand apart, so that texts fit between the lifelines that they connect. */
export function gapsOf(ladder: Ladder): number[] {
  const { lifelines, rungs } = ladder
  const gaps = lifelines.map((name, i) => {
    const next = lifelines[i + 1]
    return next === undefined ? 0 : Math.max(NARROWEST, Math.ceil((name.length + next.length) / 2) + 4)
  })
  for (const rung of rungs) {
    const first = Math.min(rung.from, rung.to)
    const last = Math.max(rung.from, rung.to)
    // A note stands to the right of its lifeline.
    const spans = Math.max(last - first, 1)
    const need = Math.min(rung.text.length + 4, WIDEST * spans)
    const held = gaps.slice(first, first + spans).reduce((sum, gap) => sum + gap, 0)
    if (held >= need) continue
    const more = Math.ceil((need - held) / spans)
    for (let i = first; i < first + spans; i++) gaps[i] += more
  }
  return gaps
}

export function ladderText(ladder: Ladder): string {
  const gaps = gapsOf(ladder)
  const columns: number[] = []
  let at = TIME + 4 + Math.ceil((ladder.lifelines[0]?.length ?? 0) / 2)
  for (const gap of gaps) {
    columns.push(at)
    at += gap
  }
  const bare = () => {
    const line: string[] = []
    for (const column of columns) line[column] = '│'
    return line
  }
  let text = ''
  const write = (line: string[]) => {
    text += `${Array.from(line, (character) => character ?? ' ')
      .join('')
      .trimEnd()}\n`
  }
  const head: string[] = []
  ladder.lifelines.forEach((name, i) => put(head, columns[i] - Math.floor(name.length / 2), name))
  write(head)
  for (const rung of ladder.rungs) {
    const words = bare()
    put(words, 0, rung.time.toFixed(6).padStart(TIME))
    drawText(words, rung, columns)
    write(words)
    if (rung.from === rung.to && rung.drop === null) continue
    const line = bare()
    if (rung.from !== rung.to) drawArrow(line, rung, columns)
    if (rung.drop !== null) put(line, columns[rung.to] + 2, `✗ ${rung.drop}`)
    write(line)
  }
  return text
}

function put(line: string[], at: number, text: string): void {
  for (let i = 0; i < text.length; i++) if (at + i >= 0) line[at + i] = text[i]
}

function drawText(line: string[], { from, to, text }: Rung, columns: readonly number[]): void {
  if (from === to) {
    put(line, columns[from], `● ${text}`)
    return
  }
  const left = columns[Math.min(from, to)] + 1
  const room = columns[Math.max(from, to)] - left
  const shown = text.length > room ? `${text.slice(0, Math.max(room - 1, 0))}…` : text
  put(line, left + Math.floor((room - shown.length) / 2), shown)
}

function drawArrow(line: string[], { from, to, drop }: Rung, columns: readonly number[]): void {
  const left = columns[Math.min(from, to)]
  const right = columns[Math.max(from, to)]
  for (let i = left + 1; i < right; i++) line[i] = '─'
  const head = drop === null ? (to > from ? '>' : '<') : '✗'
  line[to > from ? right - 1 : left + 1] = head
}
