/** kube-proxy's iptables mode: the whole rule set once, afterwards its own chains anew. */
import type { Netns } from '../net/netns.ts'
import { contains, type Ipv4, parseCidr, parseIpv4 } from '../wire/address.ts'
import type { ProxyMode, ProxyModeOptions } from './proxy-mode.ts'
import { type ProxyOptions, writeKubeProxy } from './proxy-rules.ts'
import type { ProxyPlace, ProxyService } from './proxy-services.ts'
import { RuleSet, type RuleTable } from './rule-set.ts'

const TABLES: readonly RuleTable[] = ['mangle', 'filter', 'nat']
const LOOPBACK = parseIpv4('127.0.0.1')

export class IptablesMode implements ProxyMode {
  readonly #netns: Netns
  readonly #options: ProxyModeOptions
  readonly #localhost: boolean
  #dropInvalid = true
  #written: RuleSet | null = null

  constructor(netns: Netns, options: ProxyModeOptions) {
    this.#netns = netns
    this.#options = options
    const { nodePortAddresses = [], localhostNodePorts = true } = options
    const loopback = nodePortAddresses.length === 0 || nodePortAddresses.some((text) => within(text, LOOPBACK))
    this.#localhost = localhostNodePorts && loopback
  }

  start(): void {
    const { sysctl } = this.#netns
    // Without it, what comes from 127.0.0.1 may not leave for a pod.
    if (this.#localhost) sysctl.set('net.ipv4.conf.all.route_localnet', '1')
    this.#dropInvalid = sysctl.get('net.netfilter.nf_conntrack_tcp_be_liberal') !== '1'
  }

  sync(services: readonly ProxyService[], place: ProxyPlace): void {
    const rules = new RuleSet()
    const { clusterCIDR, nodeIP } = this.#options
    const options: ProxyOptions = {
      clusterCIDR,
      dropInvalid: this.#dropInvalid,
      localhostNodePorts: this.#localhost,
      nodeIp: parseIpv4(nodeIP),
      nodePortIps: nodePortIps(this.#netns, this.#options),
      place,
    }
    writeKubeProxy(rules, services, options)
    const text = this.#written === null ? rules.text() : rules.update(stale(this.#written, rules))
    this.#netns.netfilter.restore(text, { noflush: true })
    this.#written = rules
  }
}

/** The addresses of the node that answer on node ports; null: all, and whatever comes later. */
export function nodePortIps(netns: Netns, options: ProxyModeOptions): Ipv4[] | null {
  const { nodePortAddresses = [], nodeIP } = options
  if (nodePortAddresses.length === 0 || nodePortAddresses.includes('0.0.0.0/0')) return null
  if (nodePortAddresses.includes('primary')) return [parseIpv4(nodeIP)]
  const own = [...netns.devices.values()].flatMap((device) => netns.addressesOf(device).map((each) => each.address))
  return own.filter((address) => nodePortAddresses.some((text) => within(text, address)))
}

function within(text: string, address: Ipv4): boolean {
  return text !== 'primary' && contains(parseCidr(text), address)
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
