/**
 * Rules that were read before. Thousands of nodes are given the same lines by kube-proxy, and reading one is what they cost
 * most: so what a line meant is kept, and the next chain gets a copy with counters of its own. Only what never changes once it
 * is read is shared; a line with anything else is read each time.
 */
import { Rule, type Table } from './chain.ts'
import type { Hook } from './hook.ts'

/** Lines that are kept at least this long: until so many others have come since they were wanted last. */
const KEPT = 4000

/** A rule without the chain that it is in. */
export interface Stencil {
  /** The table that it is for, and whose. */
  readonly kind: string
  readonly rule: Rule
  /** Of the chain that it stands in: what may be asked depends on it. */
  readonly chain: string
  readonly hook: Hook | null
  /** The chain that it goes to; null: none. */
  readonly goal: string | null
}

/** By line. */
let young = new Map<string, Stencil>()
let old = new Map<string, Stencil>()

/** Null: the line was not read for such a table lately. */
export function stencilOf(kind: string, line: string): Stencil | null {
  const found = young.get(line)
  if (found !== undefined) return found.kind === kind ? found : null
  const before = old.get(line)
  if (before?.kind !== kind) return null
  keep(line, before)
  return before
}

function keep(line: string, stencil: Stencil): void {
  if (young.size >= KEPT) {
    old = young
    young = new Map()
  }
  young.set(line, stencil)
}

/** The rule was read from this line, for this chain. */
export function learnStencil(kind: string, line: string, rule: Rule, chain: string, hook: Hook | null): void {
  const { matches, target, input, output } = rule
  const same = matches.every((match) => match.shareable) && (target === null || target.shareable)
  if (!same || input.given || output.given) return
  keep(line, { kind, rule: copyOf(rule), chain, hook, goal: rule.chain?.name ?? null })
}

/** The rule for this table; null when the line means something else there. */
export function rendered({ rule, goal }: Stencil, table: Table): Rule | null {
  // What is no chain's name here may be one there.
  if (rule.target !== null && table.chains.has(rule.target.name)) return null
  const made = copyOf(rule)
  if (goal === null) return made
  const chain = table.chains.get(goal)
  if (chain === undefined || chain.hook !== null) return null
  made.chain = chain
  return made
}

/** Where it goes is left out: the chain is another table's. */
function copyOf(rule: Rule): Rule {
  const copy = new Rule()
  copy.source = rule.source
  copy.sourceMask = rule.sourceMask
  copy.destination = rule.destination
  copy.destinationMask = rule.destinationMask
  copy.protocol = rule.protocol
  copy.inverted = rule.inverted
  copy.fragments = rule.fragments
  copy.states = rule.states
  copy.statesNot = rule.statesNot
  copy.mark = rule.mark
  copy.markMask = rule.markMask
  copy.markNot = rule.markNot
  copy.headed = rule.headed
  copy.more = rule.more
  copy.matches = rule.matches
  copy.tests = rule.tests
  copy.verdict = rule.verdict
  copy.target = rule.target
  return copy
}
