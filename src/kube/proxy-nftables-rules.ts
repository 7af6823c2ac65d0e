/**
 * The rules of kube-proxy's nftables mode (1.33, local detector ClusterCIDR), as a plan for nft. One look-up finds a
 * Service among any number:
 *
 *   nat-prerouting, nat-output ─▶ services ─▶ @service-ips, @service-nodeports ─▶ service-… or external-…
 *                                                      ─▶ one endpoint-… by numgen: dnat
 *   nat-postrouting ─▶ masquerading of what mark-for-masquerade marked
 *   filter-… ─▶ @no-endpoint-services, @no-endpoint-nodeports, @firewall-ips; cluster-ips-check rejects other ports
 */
import { sha256Base32 } from '../host/sha256.ts'
import { contains, formatIpv4, type Ipv4, parseCidr } from '../wire/address.ts'
import { NftPlan } from './nft-plan.ts'
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

export interface NftProxyOptions {
  readonly clusterCIDR: string
  readonly serviceCIDR: string
  /** Addresses that answer on node ports; null: all but the loopback's. */
  readonly nodePortIps: readonly Ipv4[] | null
  readonly place: ProxyPlace | null
  /** The node's own address, which loadBalancerSourceRanges may name. */
  readonly nodeIp?: Ipv4
}

export const KUBE_PROXY_TABLE = 'ip kube-proxy'
const MARK = '0x4000'

export function planKubeProxy(services: readonly ProxyService[], options: NftProxyOptions): NftPlan {
  const plan = new NftPlan(KUBE_PROXY_TABLE)
  planFrame(plan, options)
  for (const service of services) new NftPortal(plan, service, options).plan()
  return plan
}

/** What stands there without any Service. */
function planFrame(plan: NftPlan, { serviceCIDR, nodePortIps }: NftProxyOptions): void {
  const key = 'ipv4_addr . inet_proto . inet_service'
  plan.set('set', 'cluster-ips', 'type ipv4_addr ; comment "Active ClusterIPs" ;')
  if (nodePortIps !== null) {
    plan.set('set', 'nodeport-ips', 'type ipv4_addr ; comment "IPs that accept NodePort traffic" ;')
  }
  const maps: readonly (readonly [name: string, key: string, comment: string])[] = [
    ['firewall-ips', key, 'destinations that are subject to LoadBalancerSourceRanges'],
    [
      'no-endpoint-nodeports',
      'inet_proto . inet_service',
      'vmap to drop or reject packets to service nodeports with no endpoints',
    ],
    ['no-endpoint-services', key, 'vmap to drop or reject packets to services with no endpoints'],
    ['service-ips', key, 'ClusterIP, ExternalIP and LoadBalancer IP traffic'],
    ['service-nodeports', 'inet_proto . inet_service', 'NodePort traffic'],
  ]
  for (const [name, type, comment] of maps) plan.set('map', name, `type ${type} : verdict ; comment "${comment}" ;`)
  const chains: readonly (readonly [name: string, hook: string])[] = [
    ['cluster-ips-check', ''],
    ['filter-prerouting-pre-dnat', 'type filter hook prerouting priority -110 ;'],
    ['filter-output-pre-dnat', 'type filter hook output priority -110 ;'],
    ['filter-forward', 'type filter hook forward priority 0 ;'],
    ['filter-input', 'type filter hook input priority 0 ;'],
    ['filter-output', 'type filter hook output priority 0 ;'],
    ['firewall-check', ''],
    ['mark-for-masquerade', ''],
    ['masquerading', ''],
    ['nat-output', 'type nat hook output priority -100 ;'],
    ['nat-postrouting', 'type nat hook postrouting priority 100 ;'],
    ['nat-prerouting', 'type nat hook prerouting priority -100 ;'],
    ['nodeport-endpoints-check', ''],
    ['reject-chain', ''],
    ['services', ''],
    ['service-endpoints-check', ''],
  ]
  for (const [name, hook] of chains) plan.chain(name, hook)
  const node = nodePortIps === null ? 'fib daddr type local ip daddr != 127.0.0.0/8' : 'ip daddr @nodeport-ips'
  const destination = 'ip daddr . meta l4proto . th dport vmap'
  const rules: readonly (readonly [chain: string, rule: string])[] = [
    ['cluster-ips-check', 'ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"'],
    ['cluster-ips-check', `ip daddr { ${serviceCIDR} } drop comment "Drop traffic to unallocated ClusterIPs"`],
    ['filter-prerouting-pre-dnat', 'ct state new jump firewall-check'],
    ['filter-forward', 'ct state new jump service-endpoints-check'],
    ['filter-forward', 'ct state new jump cluster-ips-check'],
    ['filter-input', 'ct state new jump nodeport-endpoints-check'],
    ['filter-input', 'ct state new jump service-endpoints-check'],
    ['filter-output', 'ct state new jump service-endpoints-check'],
    ['filter-output-pre-dnat', 'ct state new jump firewall-check'],
    ['filter-output', 'ct state new jump cluster-ips-check'],
    ['firewall-check', `${destination} @firewall-ips`],
    ['mark-for-masquerade', `mark set mark or ${MARK}`],
    ['masquerading', `mark and ${MARK} == 0 return`],
    ['masquerading', `mark set mark xor ${MARK}`],
    ['masquerading', 'masquerade fully-random'],
    ['nat-output', 'jump services'],
    ['nat-postrouting', 'jump masquerading'],
    ['nat-prerouting', 'jump services'],
    ['nodeport-endpoints-check', `${node} meta l4proto . th dport vmap @no-endpoint-nodeports`],
    ['reject-chain', 'reject'],
    ['services', `${destination} @service-ips`],
    ['services', `${node} meta l4proto . th dport vmap @service-nodeports`],
    ['service-endpoints-check', `${destination} @no-endpoint-services`],
  ]
  for (const [chain, rule] of rules) plan.rule(chain, rule)
  for (const ip of nodePortIps ?? []) plan.element('nodeport-ips', formatIpv4(ip))
}

/** An endpoint with its name: `XXXXXXXX-default/web/tcp/http__10.244.1.2/8080`. */
interface Target {
  readonly name: string
  readonly endpoint: ProxyEndpoint
}

class NftPortal {
  readonly #plan: NftPlan
  readonly #service: ProxyService
  readonly #options: NftProxyOptions
  readonly #protocol: string
  /** `default/web/tcp/http`, behind a hash of it. */
  readonly #key: string
  readonly #base: string

  constructor(plan: NftPlan, service: ProxyService, options: NftProxyOptions) {
    this.#plan = plan
    this.#service = service
    this.#options = options
    this.#protocol = service.protocol.toLowerCase()
    this.#base = `${service.namespace}/${service.name}/${this.#protocol}/${service.portName ?? ''}`
    this.#key = `${sha256Base32(this.#base, 8)}-${this.#base}`
  }

  plan(): void {
    const plan = this.#plan
    const service = this.#service
    const { cluster, local, all, any } = reachable(service, this.#options.place)
    const targets = this.#targets(all)
    const affine = service.sessionAffinity === 'ClientIP'
    const chains = { cluster: `service-${this.#key}`, local: `local-${this.#key}`, external: `external-${this.#key}` }
    const inside = isInternalLocal(service) ? local.length > 0 : any
    const outside = isExternalLocal(service) ? local.length > 0 : any
    const external = any && isExternal(service)
    plan.element('cluster-ips', service.clusterIP)
    for (const { name } of targets) plan.chain(`endpoint-${name}`)
    if (cluster.length > 0) plan.chain(chains.cluster)
    if (local.length > 0) plan.chain(chains.local)
    if (external) plan.chain(chains.external)
    const internal = isInternalLocal(service) ? chains.local : chains.cluster
    this.#capture(any, inside, outside, internal, chains.external)
    if (inside) {
      const masquerade = `ip saddr != ${this.#options.clusterCIDR} jump mark-for-masquerade`
      plan.rule(internal, `ip daddr ${service.clusterIP} ${masquerade}`)
    }
    if (external) this.#external(chains, outside)
    if (affine) for (const { name } of targets) this.#affinity(name)
    this.#spread(chains.cluster, this.#targets(cluster))
    this.#spread(chains.local, this.#targets(local))
    for (const target of targets) this.#endpoint(target, affine)
  }

  #targets(endpoints: readonly ProxyEndpoint[]): Target[] {
    const named = endpoints.map((endpoint) => {
      const name = `${this.#base}__${endpoint.address}/${endpoint.port}`
      return { name: `${sha256Base32(name, 8)}-${name}`, text: `${endpoint.address}:${endpoint.port}`, endpoint }
    })
    return named.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
  }

  /** The elements that lead packets for the Service's addresses to its chains, or nowhere. */
  #capture(any: boolean, inside: boolean, outside: boolean, internal: string, external: string): void {
    const service = this.#service
    const plan = this.#plan
    const { nodePort, loadBalancerIPs = [], externalIPs = [], sourceRanges = [] } = service
    const refusal = any ? 'drop' : 'goto reject-chain'
    const portal = portalOf(service)
    const port = (ip: string) => `${ip} . ${this.#protocol} . ${service.port}`
    if (inside) plan.element('service-ips', port(service.clusterIP), `goto ${internal}`)
    else plan.element('no-endpoint-services', port(service.clusterIP), refusal, portal)
    for (const ip of [...externalIPs, ...loadBalancerIPs]) {
      if (any) plan.element('service-ips', port(ip), `goto ${external}`)
      if (!outside) plan.element('no-endpoint-services', port(ip), refusal, portal)
    }
    if (loadBalancerIPs.length > 0 && sourceRanges.length > 0) {
      const chain = `firewall-${this.#key}`
      this.#firewall(chain, sourceRanges, loadBalancerIPs)
      for (const ip of loadBalancerIPs) plan.element('firewall-ips', port(ip), `goto ${chain}`, portal)
    }
    if (nodePort === undefined) return
    const here = `${this.#protocol} . ${nodePort}`
    if (any) plan.element('service-nodeports', here, `goto ${external}`)
    if (!outside) plan.element('no-endpoint-nodeports', here, refusal, portal)
  }

  /** loadBalancerSourceRanges; a node that has the address itself speaks from it. */
  #firewall(chain: string, ranges: readonly string[], ips: readonly string[]): void {
    const { nodeIp } = this.#options
    const own = nodeIp !== undefined && ranges.some((range) => contains(parseCidr(range), nodeIp))
    const sources = own ? [...ranges, ...ips] : ranges
    this.#plan.rule(chain, `ip saddr != { ${sources.join(', ')} } drop`)
  }

  #external(chains: { readonly cluster: string; readonly local: string; readonly external: string }, outside: boolean) {
    const plan = this.#plan
    const { external, cluster } = chains
    if (!isExternalLocal(this.#service)) {
      plan.rule(external, 'jump mark-for-masquerade')
      if (outside) plan.rule(external, `goto ${cluster}`)
      return
    }
    // Pods and the node itself are treated as if they had gone out and come back by a load balancer.
    const { clusterCIDR } = this.#options
    plan.rule(external, `ip saddr ${clusterCIDR} goto ${cluster} comment "short-circuit pod traffic"`)
    plan.rule(external, 'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"')
    plan.rule(external, `fib saddr type local goto ${cluster} comment "short-circuit local traffic"`)
    if (outside) plan.rule(external, `goto ${chains.local}`)
  }

  #affinity(name: string): void {
    const seconds = this.#service.sessionAffinityTimeout ?? 10_800
    this.#plan.set('set', `affinity-${name}`, `type ipv4_addr ; flags dynamic,timeout ; timeout ${seconds}s ;`)
  }

  /** A client goes where it went; all others by chance. */
  #spread(chain: string, targets: readonly Target[]): void {
    if (targets.length === 0) return
    const plan = this.#plan
    if (this.#service.sessionAffinity === 'ClientIP') {
      for (const { name } of targets) plan.rule(chain, `ip saddr @affinity-${name} goto endpoint-${name}`)
    }
    const { pin, endpoints } = this.#service
    const pinned = targets.filter(({ endpoint }) => pin !== undefined && endpoint === endpoints[pin])
    if (pinned.length > 0) plan.rule(chain, choice(pinned))
    plan.rule(chain, choice(targets))
  }

  #endpoint({ name, endpoint }: Target, affine: boolean): void {
    const plan = this.#plan
    const chain = `endpoint-${name}`
    plan.rule(chain, `ip saddr ${endpoint.address} jump mark-for-masquerade`)
    if (affine) plan.rule(chain, `update @affinity-${name} { ip saddr }`)
    plan.rule(chain, `meta l4proto ${this.#protocol} dnat to ${endpoint.address}:${endpoint.port}`)
  }
}

function choice(targets: readonly Target[]): string {
  const ways = targets.map(({ name }, i) => `${i} : goto endpoint-${name}`)
  return `numgen random mod ${targets.length} vmap { ${ways.join(', ')} }`
}
