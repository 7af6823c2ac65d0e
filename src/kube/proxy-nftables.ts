/** kube-proxy's nftables mode: a table of its own, of which each sync changes what has to be changed. */
import type { Netns } from '../net/netns.ts'
import type { Scheduler } from '../sim/scheduler.ts'
import { SECOND } from '../sim/scheduler.ts'
import { parseIpv4 } from '../wire/address.ts'
import { NftPlan } from './nft-plan.ts'
import { nodePortIps } from './proxy-iptables.ts'
import type { ProxyMode, ProxyModeOptions } from './proxy-mode.ts'
import { KUBE_PROXY_TABLE, planKubeProxy } from './proxy-nftables-rules.ts'
import { type ProxyPlace, type ProxyService, portalOf } from './proxy-services.ts'

/** A chain that nobody needs is emptied at once and deleted by a later sync: old kernels take that long to notice. */
const STALE = SECOND

export class NftablesMode implements ProxyMode {
  readonly #netns: Netns
  readonly #scheduler: Scheduler
  readonly #options: ProxyModeOptions
  #written: NftPlan | null = null
  readonly #stale = new Map<string, number>()

  constructor(netns: Netns, options: ProxyModeOptions) {
    this.#netns = netns
    this.#scheduler = netns.world.scheduler
    // Only the node's own address answers on node ports unless it is said otherwise.
    const { nodePortAddresses = [] } = options
    this.#options = { ...options, nodePortAddresses: nodePortAddresses.length === 0 ? ['primary'] : nodePortAddresses }
  }

  start(): void {
    this.#anew(new NftPlan(KUBE_PROXY_TABLE))
  }

  sync(services: readonly ProxyService[], place: ProxyPlace): void {
    const { clusterCIDR, serviceCIDR, nodeIP } = this.#options
    const sorted = services.map((service) => ({ service, name: portalOf(service) }))
    sorted.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    const plan = planKubeProxy(
      sorted.map(({ service }) => service),
      {
        clusterCIDR,
        serviceCIDR,
        nodeIp: parseIpv4(nodeIP),
        nodePortIps: nodePortIps(this.#netns, this.#options),
        place,
      },
    )
    const before = this.#written ?? new NftPlan(KUBE_PROXY_TABLE)
    // Somebody has changed the table meanwhile: it is made anew, as after a failed transaction.
    if (!this.#run(plan.update(before, (chain) => this.#waits(chain)))) this.#anew(plan)
    for (const chain of [...this.#stale.keys()]) {
      // It is still there, without rules.
      if (plan.chains.has(chain)) this.#stale.delete(chain)
      else plan.chain(chain)
    }
    this.#written = plan
  }

  /** True for a second from when the chain was found to be stale. */
  #waits(chain: string): boolean {
    const { now } = this.#scheduler
    const since = this.#stale.get(chain)
    if (since === undefined) {
      this.#stale.set(chain, now)
      return true
    }
    if (now - since < STALE) return true
    this.#stale.delete(chain)
    return false
  }

  /** The whole table, whatever there was. */
  #anew(plan: NftPlan): void {
    const table = KUBE_PROXY_TABLE
    const empty = `add table ${table}\ndelete table ${table}\nadd table ${table} { comment "rules for kube-proxy" ; }\n`
    this.#stale.clear()
    if (!this.#run(empty + plan.text())) throw new Error("podwire bug: kube-proxy's table is refused")
  }

  /** `nft -f -`; true when it was taken. */
  #run(text: string): boolean {
    if (text === '') return true
    const { netfilter, devices } = this.#netns
    return netfilter.runNft({ name: '/dev/stdin', text }, () => devices.values()).code === 0
  }
}
