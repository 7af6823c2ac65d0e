/** Rules on their way to `nft -f -`: sets, chains and elements of one table, and how to get from one state to the next. */

export interface PlannedElement {
  readonly comment: string
  /** `goto service-…`, `drop`; empty in a set. */
  readonly value: string
}

export class NftPlan {
  readonly table: string
  /** What stands in the braces of a set's or map's declaration. */
  readonly sets = new Map<string, { readonly kind: 'set' | 'map'; readonly body: string }>()
  /** A base chain's hook; empty for all others. */
  readonly chains = new Map<string, { readonly hook: string; readonly rules: string[] }>()
  readonly elements = new Map<string, Map<string, PlannedElement>>()

  constructor(table: string) {
    this.table = table
  }

  set(kind: 'set' | 'map', name: string, body: string): void {
    this.sets.set(name, { kind, body })
  }

  chain(name: string, hook = ''): void {
    if (!this.chains.has(name)) this.chains.set(name, { hook, rules: [] })
  }

  rule(chain: string, rule: string): void {
    this.chain(chain)
    this.chains.get(chain)?.rules.push(rule)
  }

  element(set: string, key: string, value = '', comment = ''): void {
    const known = this.elements.get(set) ?? new Map<string, PlannedElement>()
    known.set(key, { comment, value })
    this.elements.set(set, known)
  }

  /** Everything, into a table that has nothing of it yet. */
  text(): string {
    return this.update(new NftPlan(this.table))
  }

  /** From what was written before to this; `keep`: stale chains are emptied only, and may go later. */
  update(before: NftPlan, keep: (chain: string) => boolean = () => false): string {
    const lines: string[] = []
    const { table } = this
    for (const [name, { kind, body }] of this.sets) {
      if (before.sets.get(name)?.body !== body) lines.push(`add ${kind} ${table} ${name} { ${body} }`)
    }
    for (const [name, { hook }] of this.chains) {
      if (!before.chains.has(name)) lines.push(`add chain ${table} ${name}${hook === '' ? '' : ` { ${hook} }`}`)
    }
    for (const [name, { rules }] of this.chains) {
      const old = before.chains.get(name)?.rules ?? []
      if (old.length === rules.length && rules.every((rule, i) => rule === old[i])) continue
      if (old.length > 0) lines.push(`flush chain ${table} ${name}`)
      for (const rule of rules) lines.push(`add rule ${table} ${name} ${rule}`)
    }
    this.#elements(before, lines)
    for (const [name, { rules }] of before.chains) {
      if (!this.chains.has(name) && rules.length > 0) lines.push(`flush chain ${table} ${name}`)
    }
    for (const name of before.chains.keys()) {
      if (!this.chains.has(name) && !keep(name)) lines.push(`delete chain ${table} ${name}`)
    }
    for (const [name, { kind }] of before.sets) {
      if (!this.sets.has(name)) lines.push(`delete ${kind} ${table} ${name}`)
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`
  }

  /** Old elements go before new ones come: a key may have got another value. */
  #elements(before: NftPlan, lines: string[]): void {
    const { table } = this
    for (const [set, old] of before.elements) {
      const now = this.elements.get(set)
      if (!this.sets.has(set)) continue
      const gone = [...old].filter(([key, element]) => !same(now?.get(key), element)).map(([key]) => key)
      if (gone.length > 0) lines.push(`delete element ${table} ${set} { ${gone.join(', ')} }`)
    }
    for (const [set, now] of this.elements) {
      const old = before.elements.get(set)
      const fresh = [...now].filter(([key, element]) => !same(old?.get(key), element))
      const texts = fresh.map(([key, { comment, value }]) => {
        const said = comment === '' ? '' : ` comment "${comment}"`
        return `${key}${said}${value === '' ? '' : ` : ${value}`}`
      })
      if (texts.length > 0) lines.push(`add element ${table} ${set} { ${texts.join(', ')} }`)
    }
  }
}

function same(a: PlannedElement | undefined, b: PlannedElement | undefined): boolean {
  return a !== undefined && b !== undefined && a.value === b.value && a.comment === b.comment
}
