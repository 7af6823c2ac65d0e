/**
 * Says where two runs of one case differ: the frames of every interface, and the exit codes. A frame belongs to the
 * step during which it was seen. Within a step and an interface, the frames of one flow stand in one order: both
 * directions of an ARP, ICMP or UDP exchange together, each direction of a TCP connection by itself, because whether
 * a program answers before or after the kernel's own ACK is a matter of microseconds.
 */
import { Describer } from './describe.ts'
import type { SeenFrame } from './frames.ts'

/** What one world did. */
export interface Run {
  /** When each step began, in the time of the frames. */
  readonly starts: readonly number[]
  readonly exits: readonly (number | null)[]
  /** By `namespace/device`. */
  readonly frames: ReadonlyMap<string, readonly SeenFrame[]>
}

const MOST_PER_INTERFACE = 3
/** Seconds by which a frame may seem to be earlier than the command that sent it; the pause before it is far longer. */
const ROUNDING = 0.001

/** One sentence or a few lines for each difference; none when the runs are the same. */
export function differences(expected: Run, actual: Run, fixedPorts: ReadonlySet<number>): string[] {
  const found: string[] = []
  for (const [i, exit] of expected.exits.entries()) {
    if (exit !== actual.exits[i]) found.push(`step ${i + 1}: exit code ${actual.exits[i]}, expected ${exit}`)
  }
  for (const name of new Set([...expected.frames.keys(), ...actual.frames.keys()])) {
    const wanted = flowsOf(expected, name, fixedPorts)
    const seen = flowsOf(actual, name, fixedPorts)
    const here: string[] = []
    for (const flow of new Set([...wanted.keys(), ...seen.keys()])) {
      const difference = firstDifference(wanted.get(flow) ?? [], seen.get(flow) ?? [])
      if (difference !== null) here.push(`${name}, ${flow}, ${difference}`)
    }
    found.push(...here.slice(0, MOST_PER_INTERFACE))
    if (here.length > MOST_PER_INTERFACE) found.push(`${name}: ${here.length - MOST_PER_INTERFACE} more flows differ`)
  }
  return found
}

/** How many frames were compared. */
export function countOf(run: Run, fixedPorts: ReadonlySet<number>): number {
  let count = 0
  for (const name of run.frames.keys())
    for (const lines of flowsOf(run, name, fixedPorts).values()) count += lines.length
  return count
}

function flowsOf(run: Run, name: string, fixedPorts: ReadonlySet<number>): Map<string, string[]> {
  const flows = new Map<string, string[]>()
  const describer = new Describer(fixedPorts)
  for (const frame of run.frames.get(name) ?? []) {
    const line = describer.describe(frame)
    if (line === null) continue
    const step = run.starts.filter((start) => start - ROUNDING <= frame.time).length
    const key = `step ${step}, ${line.flow}`
    const lines = flows.get(key)
    if (lines === undefined) flows.set(key, [line.text])
    else lines.push(line.text)
  }
  return flows
}

function firstDifference(wanted: readonly string[], seen: readonly string[]): string | null {
  const longest = Math.max(wanted.length, seen.length)
  for (let i = 0; i < longest; i++) {
    if (wanted[i] === seen[i]) continue
    const count = wanted.length === seen.length ? '' : ` (${seen.length} frames, expected ${wanted.length})`
    return `frame ${i + 1}${count}:\n  kernel   ${wanted[i] ?? 'nothing'}\n  podwire  ${seen[i] ?? 'nothing'}`
  }
  return null
}
