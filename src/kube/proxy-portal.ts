/** The chains and rules of one Service's port in kube-proxy's iptables mode (pkg/proxy/iptables/proxier.go, 1.32). */
import { sha256Base32 } from '../host/sha256.ts'
import { contains, type Ipv4, parseCidr } from '../wire/address.ts'
import {
  isExternal,
  isExternalLocal,
  isInternalLocal,
  type ProxyEndpoint,
  type ProxyPlace,
  type ProxyService,
  portalOf,
  reachable,
} from './proxy-services.ts'
import type { RuleSet } from './rule-set.ts'

/** With more endpoints than this in the cluster, comments of endpoints' rules are left out. */
export const LARGE = 1000

export interface PortalOptions {
  readonly clusterCIDR: string
  readonly place?: ProxyPlace | null
  readonly nodeIp?: Ipv4
  readonly large: boolean
}

export function comment(text: string): string {
  return `-m comment --comment "${text}"`
}

/** An endpoint with the name of its chain. */
interface Target {
  readonly text: string
  readonly address: string
  readonly chain: string
  readonly endpoint: ProxyEndpoint
  readonly pinned: boolean
}

/** What the filter table does with packets that no rule of the nat table has taken. */
interface Refusal {
  readonly comment: string
  readonly action: string
}

const REJECT = '-j REJECT --reject-with icmp-port-unreachable'
const MASK = '--mask 255.255.255.255'

export class Portal {
  readonly #rules: RuleSet
  readonly #service: ProxyService
  readonly #options: PortalOptions
  readonly #name: string
  readonly #l4: string
  readonly #module: string
  readonly #svc: string
  readonly #svl: string
  readonly #ext: string
  readonly #fw: string
  readonly #cluster: readonly Target[]
  readonly #local: readonly Target[]
  readonly #all: readonly Target[]
  readonly #any: boolean

  constructor(rules: RuleSet, service: ProxyService, options: PortalOptions) {
    this.#rules = rules
    this.#service = service
    this.#options = options
    this.#name = portalOf(service)
    const protocol = service.protocol.toLowerCase()
    this.#l4 = `-p ${protocol}`
    this.#module = `-m ${protocol}`
    const key = sha256Base32(this.#name + protocol, 16)
    this.#svc = `KUBE-SVC-${key}`
    this.#svl = `KUBE-SVL-${key}`
    this.#ext = `KUBE-EXT-${key}`
    this.#fw = `KUBE-FW-${key}`
    const { cluster, local, all, any } = reachable(service, options.place ?? null)
    this.#cluster = this.#targets(cluster)
    this.#local = this.#targets(local)
    this.#all = this.#targets(all)
    this.#any = any
  }

  write(): void {
    const service = this.#service
    const insideLocal = isInternalLocal(service)
    const inside = insideLocal ? this.#local.length > 0 : this.#any
    const outside = isExternalLocal(service) ? this.#local.length > 0 : this.#any
    const { nodePort, loadBalancerIPs = [], externalIPs = [], sourceRanges = [] } = service
    const guarded = this.#any && loadBalancerIPs.length > 0 && sourceRanges.length > 0
    const insideChain = insideLocal ? this.#svl : this.#svc

    // Where packets come in.
    const cluster = `${this.#to(service.clusterIP, `${this.#name} cluster IP`)}`
    if (inside) this.#nat(`KUBE-SERVICES ${cluster} -j ${insideChain}`)
    else this.#filter('KUBE-SERVICES', service.clusterIP, this.#refusal)
    for (const ip of externalIPs) {
      if (this.#any) this.#nat(`KUBE-SERVICES ${this.#to(ip, `${this.#name} external IP`)} -j ${this.#ext}`)
      if (!outside) this.#filter('KUBE-EXTERNAL-SERVICES', ip, this.#refusal)
    }
    for (const ip of loadBalancerIPs) this.#balanced(ip, guarded)
    if (!outside) for (const ip of loadBalancerIPs) this.#filter('KUBE-EXTERNAL-SERVICES', ip, this.#refusal)
    if (nodePort !== undefined) this.#nodePort(nodePort, outside)
    this.#healthCheck()

    // Where they go.
    if (inside) {
      this.#nat(`${insideChain} ! -s ${this.#options.clusterCIDR} ${cluster} -j KUBE-MARK-MASQ`, insideChain)
    }
    if (this.#any && isExternal(service)) this.#external(outside)
    if (guarded) this.#firewall(sourceRanges, loadBalancerIPs)
    this.#spread(this.#svc, this.#cluster)
    this.#spread(this.#svl, this.#local)
    for (const target of this.#all) this.#endpoint(target)
  }

  #targets(endpoints: readonly ProxyEndpoint[]): Target[] {
    const { protocol, pin } = this.#service
    const pinned = pin === undefined ? null : this.#service.endpoints[pin]
    return endpoints
      .map((endpoint) => {
        const text = `${endpoint.address}:${endpoint.port}`
        const chain = `KUBE-SEP-${sha256Base32(this.#name + protocol.toLowerCase() + text, 16)}`
        return { text, address: endpoint.address, chain, endpoint, pinned: endpoint === pinned }
      })
      .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
  }

  #nat(rule: string, ...chains: readonly string[]): void {
    this.#rules.chain('nat', ...chains)
    this.#rules.add('nat', rule)
  }

  /** Packets to one address and the Service's port. */
  #to(ip: string, why: string): string {
    return `-d ${ip}/32 ${this.#l4} ${comment(why)} ${this.#module} --dport ${this.#service.port}`
  }

  /** Without any endpoint everybody is refused; without a local one, those who ask for one are ignored. */
  get #refusal(): Refusal {
    if (!this.#any) return { comment: `${this.#name} has no endpoints`, action: REJECT }
    return { comment: `${this.#name} has no local endpoints`, action: '-j DROP' }
  }

  #filter(chain: string, ip: string, refusal: Refusal): void {
    this.#rules.add('filter', `${chain} ${this.#to(ip, refusal.comment)} ${refusal.action}`)
  }

  #balanced(ip: string, guarded: boolean): void {
    if (this.#any) {
      const chain = guarded ? this.#fw : this.#ext
      this.#nat(`KUBE-SERVICES ${this.#to(ip, `${this.#name} loadbalancer IP`)} -j ${chain}`)
    }
    if (!guarded) return
    this.#rules.add(
      'filter',
      `KUBE-PROXY-FIREWALL ${this.#to(ip, `${this.#name} traffic not accepted by ${this.#fw}`)} -j DROP`,
    )
  }

  #nodePort(port: number, outside: boolean): void {
    const { action, comment: why } = this.#refusal
    if (this.#any) {
      this.#nat(`KUBE-NODEPORTS ${this.#l4} ${comment(this.#name)} ${this.#module} --dport ${port} -j ${this.#ext}`)
    }
    if (outside) return
    const here = `-m addrtype --dst-type LOCAL ${this.#module} --dport ${port}`
    this.#rules.add('filter', `KUBE-EXTERNAL-SERVICES ${this.#l4} ${comment(why)} ${here} ${action}`)
  }

  #healthCheck(): void {
    const { healthCheckNodePort } = this.#service
    if (healthCheckNodePort === undefined) return
    const why = comment(`${this.#name} health check node port`)
    this.#rules.add('filter', `KUBE-NODEPORTS -p tcp ${why} -m tcp --dport ${healthCheckNodePort} -j ACCEPT`)
  }

  /** KUBE-EXT-…: traffic for addresses that are for clients outside. */
  #external(outside: boolean): void {
    const ext = this.#ext
    const destinations = `${this.#name} external destinations`
    this.#rules.chain('nat', ext)
    if (!isExternalLocal(this.#service)) {
      this.#nat(`${ext} ${comment(`masquerade traffic for ${destinations}`)} -j KUBE-MARK-MASQ`)
      if (outside) this.#nat(`${ext} -j ${this.#svc}`)
      return
    }
    const own = '-m addrtype --src-type LOCAL'
    // Pods and the node itself are treated as if they had gone out and come back by a load balancer.
    this.#nat(`${ext} -s ${this.#options.clusterCIDR} ${comment(`pod traffic for ${destinations}`)} -j ${this.#svc}`)
    this.#nat(`${ext} ${comment(`masquerade LOCAL traffic for ${destinations}`)} ${own} -j KUBE-MARK-MASQ`)
    this.#nat(`${ext} ${comment(`route LOCAL traffic for ${destinations}`)} ${own} -j ${this.#svc}`)
    if (outside) this.#nat(`${ext} -j ${this.#svl}`)
  }

  /** KUBE-FW-…: loadBalancerSourceRanges. Who is not let on stays without DNAT, and KUBE-PROXY-FIREWALL drops it. */
  #firewall(ranges: readonly string[], ips: readonly string[]): void {
    const why = comment(`${this.#name} loadbalancer IP`)
    const { nodeIp } = this.#options
    let fromNode = false
    this.#rules.chain('nat', this.#fw)
    for (const range of ranges) {
      const source = range === '0.0.0.0/0' ? '' : `-s ${range} `
      this.#nat(`${this.#fw} ${source}${why} -j ${this.#ext}`)
      if (nodeIp !== undefined && contains(parseCidr(range), nodeIp)) fromNode = true
    }
    // A node that has the address itself speaks from it.
    if (fromNode) for (const ip of ips) this.#nat(`${this.#fw} -s ${ip}/32 ${why} -j ${this.#ext}`)
    this.#nat(`${this.#fw} ${comment(`other traffic to ${this.#name} will be dropped by KUBE-PROXY-FIREWALL`)}`)
  }

  /** One of n: the first with probability 1/n, the next with 1/(n−1), the last always. */
  #spread(chain: string, targets: readonly Target[]): void {
    if (targets.length === 0) return
    this.#rules.chain('nat', chain)
    const { large } = this.#options
    const to = (target: Target) => (large ? chain : `${chain} ${comment(`${this.#name} -> ${target.text}`)}`)
    if (this.#service.sessionAffinity === 'ClientIP') {
      const seconds = this.#service.sessionAffinityTimeout ?? 10_800
      for (const target of targets) {
        const seen = `-m recent --rcheck --seconds ${seconds} --reap --name ${target.chain} ${MASK} --rsource`
        this.#nat(`${to(target)} ${seen} -j ${target.chain}`)
      }
    }
    for (const target of targets) {
      if (target.pinned) this.#nat(`${to(target)} -m statistic --mode random --probability 1.0 -j ${target.chain}`)
    }
    targets.forEach((target, i) => {
      const left = targets.length - i
      const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : ''
      this.#nat(`${to(target)} ${chance}-j ${target.chain}`)
    })
  }

  #endpoint(target: Target): void {
    const name = this.#options.large ? '' : `${comment(this.#name)} `
    this.#rules.chain('nat', target.chain)
    this.#nat(`${target.chain} -s ${target.address}/32 ${name}-j KUBE-MARK-MASQ`)
    const affine = this.#service.sessionAffinity === 'ClientIP'
    const remember = affine ? `-m recent --set --name ${target.chain} ${MASK} --rsource ` : ''
    this.#nat(`${target.chain} ${this.#l4} ${name}${remember}${this.#module} -j DNAT --to-destination ${target.text}`)
  }
}
