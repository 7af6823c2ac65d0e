/** What is asked at one hook, in plain fields: found out when the rules change, and read for each packet. */
import type { Chain } from './chain.ts'
import { Hook, type TableName, tableNames, Verdict } from './hook.ts'
import type { Ruleset } from './ruleset.ts'

/** The base chains of one hook that decide or count something; the many empty ones are not walked at all. */
class BusyChains {
  readonly raw: Chain | null
  readonly mangle: Chain | null
  readonly nat: Chain | null
  readonly filter: Chain | null

  constructor(chain: (table: TableName) => Chain | null) {
    this.raw = chain('raw')
    this.mangle = chain('mangle')
    this.nat = chain('nat')
    this.filter = chain('filter')
  }
}

export class HookTables extends BusyChains {
  /** What x_tables asks after each of them, where both rule sets have a busy chain; null: it has no table at all. */
  readonly later: BusyChains | null
  /** Connections are tracked, and there is a nat table: at the hooks where either has something to do. */
  tracks = false
  translates = false
  /** Packets come in, or come into being, here; or they leave, or are delivered. */
  readonly entering: boolean
  readonly leaving: boolean

  constructor(hook: Hook, rules: Ruleset, legacy: Ruleset) {
    super((name) => busyChain(rules, name, hook) ?? busyChain(legacy, name, hook))
    const both = (name: TableName) => (busyChain(rules, name, hook) === null ? null : busyChain(legacy, name, hook))
    this.later = tableNames.some((name) => legacy.peek(name) !== null) ? new BusyChains(both) : null
    this.entering = hook === Hook.PREROUTING || hook === Hook.OUTPUT
    this.leaving = hook === Hook.POSTROUTING || hook === Hook.INPUT
  }
}

const hooks = [Hook.PREROUTING, Hook.INPUT, Hook.FORWARD, Hook.OUTPUT, Hook.POSTROUTING] as const

/** By hook. */
export function hookTables(rules: Ruleset, legacy: Ruleset): HookTables[] {
  return hooks.map((hook) => new HookTables(hook, rules, legacy))
}

/** Does any rule need connection tracking? */
export function tracks(rules: Ruleset): boolean {
  return tableNames.some((name) => {
    const table = rules.peek(name)
    return table !== null && [...table.chains.values()].some((chain) => chain.rules.some((rule) => rule.tracks))
  })
}

function busyChain(rules: Ruleset, name: TableName, hook: Hook): Chain | null {
  const chain = rules.peek(name)?.hooks[hook] ?? null
  if (chain === null) return null
  return chain.rules.length > 0 || chain.counted || chain.policy !== Verdict.ACCEPT ? chain : null
}
