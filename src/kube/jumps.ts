/** Rules of built-in chains that lead to Kubernetes' own, and how they are kept there (pkg/util/iptables: EnsureRule). */
import type { Netns } from '../net/netns.ts'
import type { RuleTable } from './rule-set.ts'

export interface Jump {
  readonly table: RuleTable
  readonly chain: string
  readonly rule: string
}

export const RULE_TABLES: readonly RuleTable[] = ['mangle', 'filter', 'nat']

/** Puts those that are missing before whatever is there; in the end they stand in the order given. */
export function ensureJumps({ netfilter }: Netns, jumps: readonly Jump[]): void {
  const { rules } = netfilter
  for (const { table, chain, rule } of [...jumps].reverse()) {
    rules.ensure(table, chain, rule, splitWords(rule))
  }
}

/** A chain that nothing uses: when it is gone from a table, somebody has flushed more than that. */
export function hasCanary({ netfilter }: Netns, canary: string): boolean {
  return RULE_TABLES.every((table) => netfilter.rules.peek(table)?.chains.has(canary))
}

const split = new Map<string, readonly string[]>()

/** The words of a rule; a comment in quotes is one. There are some dozen such rules. */
function splitWords(rule: string): readonly string[] {
  let words = split.get(rule)
  if (words === undefined) {
    words = [...rule.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word)
    split.set(rule, words)
  }
  return words
}
