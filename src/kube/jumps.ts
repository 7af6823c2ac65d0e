/** Rules of built-in chains that lead to Kubernetes' own, and how they are kept there (pkg/util/iptables: EnsureRule). */
import type { Netns } from '../net/netns.ts'
import { NetfilterError } from '../netfilter/error.ts'
import type { RuleTable } from './rule-set.ts'

export interface Jump {
  readonly table: RuleTable
  readonly chain: string
  readonly rule: string
}

export const RULE_TABLES: readonly RuleTable[] = ['mangle', 'filter', 'nat']

/** Puts those that are missing before whatever is there; in the end they stand in the order given. */
export function ensureJumps({ netfilter }: Netns, jumps: readonly Jump[]): void {
  for (const { table, chain, rule } of [...jumps].reverse()) {
    const words = splitWords(rule)
    try {
      netfilter.iptables(['-t', table, '-C', chain, ...words])
    } catch (error) {
      if (!(error instanceof NetfilterError)) throw error
      netfilter.iptables(['-t', table, '-I', chain, ...words])
    }
  }
}

/** A chain that nothing uses: when it is gone from a table, somebody has flushed more than that. */
export function hasCanary({ netfilter }: Netns, canary: string): boolean {
  return RULE_TABLES.every((table) => netfilter.rules.peek(table)?.chains.has(canary))
}

/** The words of a rule; a comment in quotes is one. */
function splitWords(rule: string): string[] {
  return [...rule.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word)
}
