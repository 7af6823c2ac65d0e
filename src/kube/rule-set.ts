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
   * deleted; built-in chains and other people's rules stay as they are.
   */
  update(stale: Readonly<Record<RuleTable, readonly string[]>>): string {
    const own = (table: RuleTable, rule: string) => !BUILT_IN[table].includes(rule.slice(0, rule.indexOf(' ')))
    const emptied = (table: RuleTable) => stale[table].map((chain) => `:${chain} - [0:0]`)
    return this.#write(emptied, own, (table) => stale[table].map((chain) => `-X ${chain}`))
  }

  #write(
    before: (table: RuleTable) => readonly string[],
    wanted: (table: RuleTable, rule: string) => boolean,
    after: (table: RuleTable) => readonly string[],
  ): string {
    const lines: string[] = []
    for (const table of TABLES) {
      lines.push(`*${table}`, ...before(table))
      for (const chain of this.#chains[table]) lines.push(`:${chain} - [0:0]`)
      for (const rule of this.#rules[table]) if (wanted(table, rule)) lines.push(`-A ${rule}`)
      lines.push(...after(table), 'COMMIT')
    }
    return `${lines.join('\n')}\n`
  }
}
