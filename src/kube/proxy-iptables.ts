/** kube-proxy's iptables mode: the whole rule set once, afterwards what has changed of it. */
import type { Netns } from '../net/netns.ts'
import { contains, type Ipv4, parseCidr, parseIpv4 } from '../wire/address.ts'
import { ensureJumps, hasCanary } from './jumps.ts'
import type { ProxyMode, ProxyModeOptions } from './proxy-mode.ts'
import { PROXY_CANARY, PROXY_JUMPS, type ProxyOptions, writeServices } from './proxy-rules.ts'
import type { ProxyPlace, ProxyService } from './proxy-services.ts'
import { RuleSet } from './rule-set.ts'

const LOOPBACK = parseIpv4('127.0.0.1')

/** Chains of Services: those that nobody wants any more are deleted, whoever wrote them. */
const OURS = /^KUBE-(SVC|SVL|EXT|FW|SEP)-/

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

  /** All of it the first time; then what all Services share, and the chains of those that have changed. */
  sync(services: readonly ProxyService[], place: ProxyPlace, waiting = 0): void {
    const rules = new RuleSet()
    const { clusterCIDR, nodeIP } = this.#options
    const options: ProxyOptions = {
      clusterCIDR,
      dropInvalid: this.#dropInvalid,
      localhostNodePorts: this.#localhost,
      nodeIp: parseIpv4(nodeIP),
      nodePortIps: nodePortIps(this.#netns, this.#options),
      place,
      waiting,
    }
    writeServices(rules, services, options)
    const wanted = new Set(rules.chains('nat'))
    const present = [...(this.#netns.netfilter.rules.peek('nat')?.chains.keys() ?? [])]
    const stale = { mangle: [], filter: [], nat: present.filter((chain) => OURS.test(chain) && !wanted.has(chain)) }
    const before = this.#written
    this.#netns.netfilter.restore(rules.update(stale, before), { noflush: true })
    if (before === null) ensureJumps(this.#netns, PROXY_JUMPS)
    this.#written = rules
  }

  /** Chains that somebody has deleted, though kube-proxy had made them: all rules are written anew then. */
  intact(): boolean {
    if (hasCanary(this.#netns, PROXY_CANARY)) return true
    this.#written = null
    return false
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
