/** Differences for reading: first how much is different and in what, then what was decided otherwise. */
import type { Difference, RecordingDiff } from './diff.ts'
import type { Paint } from './paint.ts'

/** So many decisions are listed; with `all`, all. */
const LISTED = 20

export function isSame({ ways, decisions, unpaired }: RecordingDiff): boolean {
  return ways.length === 0 && decisions.length === 0 && unpaired.length === 0
}

export function diffText(diff: RecordingDiff, names: readonly [string, string], paint: Paint, all: boolean): string {
  const { bold, dim, green } = paint
  const lines = [bold(`A: ${names[0]}`), bold(`B: ${names[1]}`), '']
  if (diff.identical)
    return `${[...lines, green('The same: every frame, byte by byte, at the same time')].join('\n')}\n`
  if (isSame(diff)) {
    lines.push(green(`The same: ${diff.pairs} packets went the same ways for the same reasons`))
    return `${lines.join('\n')}\n`
  }
  lines.push(`${diff.differing} of ${diff.pairs} pairs of packets differ${only(diff)}`)
  const [a, b] = diff.others
  if (a !== b) lines.push(dim(`Not compared: ${a} packets in A and ${b} in B that are not IPv4, such as ARP`))
  section(lines, 'Ways and headers', diff.ways, paint, true)
  section(lines, 'Decisions', diff.decisions, paint, all)
  if (diff.unpaired.length > 0) {
    lines.push('', bold('Without a partner'))
    for (const { flow, side, count, frame } of diff.unpaired) {
      lines.push(`  only ${side}: ${count} of ${flow} ${dim(`(from frame ${frame} of ${side})`)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function only({ unpaired }: RecordingDiff): string {
  const count = (side: 'A' | 'B') =>
    unpaired.filter((each) => each.side === side).reduce((sum, each) => sum + each.count, 0)
  return unpaired.length === 0 ? '' : `; ${count('A')} are only in A, ${count('B')} only in B`
}

function section(
  lines: string[],
  title: string,
  differences: readonly Difference[],
  { bold, dim }: Paint,
  all: boolean,
): void {
  if (differences.length === 0) return
  lines.push('', bold(title))
  const shown = all ? differences : differences.slice(0, LISTED)
  // By place, the places in the order of their most frequent difference.
  for (const place of new Set(shown.map((each) => each.place))) {
    lines.push(`  ${place ?? 'in the end'}`)
    for (const each of shown.filter((other) => other.place === place)) {
      const packets = each.count === 1 ? '1 packet' : `${each.count} packets`
      const who = `${packets}: ${each.flow}, frame ${each.frames[0]} of A, ${each.frames[1]} of B`
      lines.push(`    ${each.text} ${dim(`(${who})`)}`)
    }
  }
  if (shown.length < differences.length) {
    lines.push(dim(`  and ${differences.length - shown.length} more: --all lists them`))
  }
}

export function diffJson(diff: RecordingDiff, names: readonly [string, string]): unknown {
  return { a: names[0], b: names[1], same: diff.identical || isSame(diff), ...diff }
}
