/** kube-proxy's iptables mode: the whole rule set once, afterwards its own chains anew. */
import type { Netns } from '../net/netns.ts'
import type { ProxyMode } from './proxy-mode.ts'
import { type ProxyOptions, type ProxyService, writeKubeProxy } from './proxy-rules.ts'
import { RuleSet, type RuleTable } from './rule-set.ts'

const TABLES: readonly RuleTable[] = ['mangle', 'filter', 'nat']

export class IptablesMode implements ProxyMode {
  readonly #netns: Netns
  readonly #options: ProxyOptions
  #written: RuleSet | null = null

  constructor(netns: Netns, options: ProxyOptions) {
    this.#netns = netns
    this.#options = options
  }

  /** NodePorts are served at 127.0.0.1 too. */
  start(): void {
    this.#netns.sysctl.set('net.ipv4.conf.all.route_localnet', '1')
  }

  sync(services: readonly ProxyService[]): void {
    const rules = new RuleSet()
    writeKubeProxy(rules, services, this.#options)
    const text = this.#written === null ? rules.text() : rules.update(stale(this.#written, rules))
    this.#netns.netfilter.restore(text, { noflush: true })
    this.#written = rules
  }
}

/** Chains that were written and are not wanted any more. */
function stale(before: RuleSet, now: RuleSet): Record<RuleTable, string[]> {
  const result: Record<RuleTable, string[]> = { mangle: [], filter: [], nat: [] }
  for (const table of TABLES) {
    const wanted = new Set(now.chains(table))
    result[table] = before.chains(table).filter((chain) => !wanted.has(chain))
  }
  return result
}
