/** What is wrong in a file that a person wrote: where, what was found, what was expected, and what may help. */

export interface Position {
  /** From 1. */
  readonly line: number
  /** From 1, in characters. */
  readonly column: number
  /** How many characters to underline. */
  readonly length: number
}

export interface Problem {
  readonly file: string
  readonly position: Position | null
  /** Where in the document: `nodes[1].ip`; empty for the whole. */
  readonly path: string
  /** One sentence: what was found. */
  readonly found: string
  readonly expected?: string
  readonly suggestion?: string
}

/** One or more problems that make a topology unusable. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[], text: (file: string) => string | null) {
    super(problems.map((problem) => formatProblem(problem, text(problem.file))).join('\n'))
    this.problems = problems
  }
}

/**
 * error: unknown key "prot"
 *  --> topo.yaml:5:20  (cluster.vxlan.prot)
 * 5 |   vxlan: { vni: 1, prot: 8472 }
 *   |                    ^^^^
 *   = expected one of: vni, port
 *   = help: did you mean "port"?
 */
export function formatProblem(problem: Problem, source: string | null): string {
  const lines = [`error: ${problem.found}`]
  const { position } = problem
  const inside = problem.path === '' ? '' : `  (${problem.path})`
  if (position === null) {
    lines.push(` --> ${problem.file}${inside}`)
  } else {
    const number = String(position.line)
    const margin = ' '.repeat(number.length)
    lines.push(`${margin}--> ${problem.file}:${position.line}:${position.column}${inside}`)
    const text = source?.split('\n').at(position.line - 1)
    if (text !== undefined) {
      const room = Math.max(1, Math.min(position.length, text.length - position.column + 1))
      lines.push(`${number} | ${text}`, `${margin} | ${' '.repeat(position.column - 1)}${'^'.repeat(room)}`)
    }
  }
  const margin = position === null ? '' : ' '.repeat(String(position.line).length)
  if (problem.expected !== undefined) lines.push(`${margin} = expected ${problem.expected}`)
  if (problem.suggestion !== undefined) lines.push(`${margin} = help: ${problem.suggestion}`)
  return lines.join('\n')
}

/** The candidate that is spelt most like the word, if any is near enough to be meant. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  let best: string | null = null
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + same))
    }
    row = next
  }
  return row[b.length]
}
