/** Rules on their way to iptables-restore: chains and rules of three tables, in order. */

export type RuleTable = 'mangle' | 'filter' | 'nat'

const TABLES: readonly RuleTable[] = ['mangle', 'filter', 'nat']

const BUILT_IN: Readonly<Record<RuleTable, readonly string[]>> = {
  mangle: [],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
}

export class RuleSet {
  readonly #chains: Record<RuleTable, string[]> = { mangle: [], filter: [], nat: [] }
  readonly #known: Record<RuleTable, Set<string>> = { mangle: new Set(), filter: new Set(), nat: new Set() }
  readonly #rules: Record<RuleTable, string[]> = { mangle: [], filter: [], nat: [] }

  readonly #owners = new Map<string, string>()
  readonly #parts = new Map<string, RuleSet[]>()

  /** Adds all of another set; its chains are the owner's. */
  include(part: RuleSet, owner: string): void {
    for (const table of TABLES) {
      this.chain(table, ...part.#chains[table])
      for (const chain of part.#chains[table]) this.#owners.set(chain, owner)
      for (const rule of part.#rules[table]) this.#rules[table].push(rule)
    }
    const parts = this.#parts.get(owner)
    if (parts === undefined) this.#parts.set(owner, [part])
    else parts.push(part)
  }

  /** Declares chains; twice is once. */
  chain(table: RuleTable, ...names: readonly string[]): void {
    for (const name of names) {
      if (this.#known[table].has(name)) continue
      this.#known[table].add(name)
      this.#chains[table].push(name)
    }
  }

  /** `rule` is what stands behind `-A `. */
  add(table: RuleTable, rule: string): void {
    this.#rules[table].push(rule)
  }

  /** Puts rules before all that is there (`-I`), in the order given. */
  insert(table: RuleTable, ...rules: readonly string[]): void {
    this.#rules[table].unshift(...rules)
  }

  chains(table: RuleTable): readonly string[] {
    return this.#chains[table]
  }

  /** Everything, for iptables-restore: built-in chains too. */
  text(): string {
    return this.#write(
      (table) => BUILT_IN[table].map((chain) => `:${chain} ACCEPT [0:0]`),
      () => true,
      () => [],
    )
  }

  /**
   * Only its own chains, for `iptables-restore --noflush`: they are emptied and filled again; `stale` ones are
   * deleted; built-in chains and other people's rules stay as they are. Chains of Services that are as in `before`
   * are left out.
   */
  update(stale: Readonly<Record<RuleTable, readonly string[]>>, before: RuleSet | null = null): string {
    const same = before === null ? new Set<string>() : this.#unchanged(before)
    const skipped = (chain: string) => same.has(this.#owners.get(chain) ?? '')
    const own = (table: RuleTable, rule: string) => {
      const chain = chainOf(rule)
      return !BUILT_IN[table].includes(chain) && !skipped(chain)
    }
    const emptied = (table: RuleTable) => stale[table].map((chain) => `:${chain} - [0:0]`)
    return this.#write(emptied, own, (table) => stale[table].map((chain) => `-X ${chain}`), skipped)
  }

  /** Owners whose parts are the very same in both. */
  #unchanged(before: RuleSet): Set<string> {
    const same = new Set<string>()
    for (const [owner, parts] of this.#parts) {
      const old = before.#parts.get(owner)
      if (old?.length === parts.length && parts.every((part, i) => part === old[i])) same.add(owner)
    }
    return same
  }

  #write(
    before: (table: RuleTable) => readonly string[],
    wanted: (table: RuleTable, rule: string) => boolean,
    after: (table: RuleTable) => readonly string[],
    skipped: (chain: string) => boolean = () => false,
  ): string {
    const lines: string[] = []
    for (const table of TABLES) {
      // Nobody makes a table for nothing.
      const empty = this.#chains[table].length === 0 && this.#rules[table].length === 0
      if (empty && after(table).length === 0) continue
      lines.push(`*${table}`, ...before(table))
      for (const chain of this.#chains[table]) if (!skipped(chain)) lines.push(`:${chain} - [0:0]`)
      for (const rule of this.#rules[table]) if (wanted(table, rule)) lines.push(`-A ${rule}`)
      lines.push(...after(table), 'COMMIT')
    }
    return `${lines.join('\n')}\n`
  }
}

function chainOf(rule: string): string {
  return rule.slice(0, rule.indexOf(' '))
}
