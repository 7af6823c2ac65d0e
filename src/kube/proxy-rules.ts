/**
 * The rules of kube-proxy's iptables mode (1.27 to 1.32, local detector ClusterCIDR) and of flannel, as text for
 * iptables-restore.
 *
 *   PREROUTING, OUTPUT ─▶ KUBE-SERVICES ─┬▶ KUBE-SVC-… (a ClusterIP) ─▶ KUBE-SEP-… (an endpoint): DNAT
 *                                        └▶ KUBE-NODEPORTS ─▶ KUBE-EXT-… ─▶ KUBE-SVC-… or KUBE-SVL-… (local only)
 *   POSTROUTING ─▶ KUBE-POSTROUTING: MASQUERADE of what KUBE-MARK-MASQ marked
 */

import { sha256Base32 } from '../host/sha256.ts'
import { RuleSet } from './rule-set.ts'

export interface ProxyEndpoint {
  readonly address: string
  readonly port: number
  /** It runs on the node that the rules are for. */
  readonly local: boolean
}

/** One port of one Service, with everything the rules need. */
export interface ProxyService {
  readonly namespace: string
  readonly name: string
  /** Empty when the port has no name. */
  readonly portName?: string
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly clusterIP: string
  readonly port: number
  readonly nodePort?: number
  readonly loadBalancerIP?: string
  readonly externalTrafficPolicy?: 'Cluster' | 'Local'
  readonly internalTrafficPolicy?: 'Cluster' | 'Local'
  readonly sessionAffinity?: 'None' | 'ClientIP'
  /** Seconds. */
  readonly sessionAffinityTimeout?: number
  readonly endpoints: readonly ProxyEndpoint[]
  /** Not kube-proxy's: this one of `endpoints` is always chosen, for captures that can be repeated. */
  readonly pin?: number
}

export interface ProxyOptions {
  readonly clusterCIDR: string
  /** `KUBE-FORWARD … INVALID -j DROP`; true unless conntrack is liberal. */
  readonly dropInvalid?: boolean
}

export interface FlannelRuleOptions {
  readonly clusterCIDR: string
  /** This node's part of it. */
  readonly podCIDR: string
}

/** All three tables for iptables-restore, kube-proxy alone. */
export function kubeProxyRules(services: readonly ProxyService[], options: ProxyOptions): string {
  const rules = new RuleSet()
  writeKubeProxy(rules, services, options)
  return rules.text()
}

/** All three tables for iptables-restore, flannel alone. */
export function flannelRules(options: FlannelRuleOptions): string {
  const rules = new RuleSet()
  writeFlannel(rules, options)
  return rules.text()
}

/** What a node has: kube-proxy's rules with flannel's behind them, as one text. */
export function nodeRules(services: readonly ProxyService[], options: ProxyOptions & FlannelRuleOptions): string {
  const rules = new RuleSet()
  writeKubeProxy(rules, services, options)
  writeFlannel(rules, options)
  return rules.text()
}

/** `default/web:http` */
function portal(service: ProxyService): string {
  const name = `${service.namespace}/${service.name}`
  return service.portName ? `${name}:${service.portName}` : name
}

function comment(text: string): string {
  return `-m comment --comment "${text}"`
}

const NEW = '-m conntrack --ctstate NEW'

export function writeKubeProxy(rules: RuleSet, services: readonly ProxyService[], options: ProxyOptions): void {
  writeFrame(rules, options.dropInvalid ?? true)
  const named = services.map((service) => ({ service, name: portal(service) }))
  for (const { service } of named.sort((a, b) => compare(a.name, b.name))) new Portal(rules, service, options).write()
  const last = 'kubernetes service nodeports; NOTE: this must be the last rule in this chain'
  rules.add('nat', `KUBE-SERVICES ${comment(last)} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`)
}

/** What stands there without any Service. */
function writeFrame(rules: RuleSet, dropInvalid: boolean): void {
  rules.chain('mangle', 'KUBE-IPTABLES-HINT', 'KUBE-KUBELET-CANARY', 'KUBE-PROXY-CANARY')
  rules.chain('filter', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FIREWALL', 'KUBE-FORWARD', 'KUBE-KUBELET-CANARY')
  rules.chain('filter', 'KUBE-NODEPORTS', 'KUBE-PROXY-CANARY', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES')
  rules.chain('nat', 'KUBE-KUBELET-CANARY', 'KUBE-MARK-MASQ', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING')
  rules.chain('nat', 'KUBE-PROXY-CANARY', 'KUBE-SERVICES')
  const firewall = `${NEW} ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`
  const portals = comment('kubernetes service portals')
  const visible = `${NEW} ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`
  const filter = [
    `INPUT ${firewall}`,
    `INPUT ${comment('kubernetes health check service ports')} -j KUBE-NODEPORTS`,
    `INPUT ${visible}`,
    'INPUT -j KUBE-FIREWALL',
    `FORWARD ${firewall}`,
    `FORWARD ${comment('kubernetes forwarding rules')} -j KUBE-FORWARD`,
    `FORWARD ${NEW} ${portals} -j KUBE-SERVICES`,
    `FORWARD ${visible}`,
    `OUTPUT ${firewall}`,
    `OUTPUT ${NEW} ${portals} -j KUBE-SERVICES`,
    'OUTPUT -j KUBE-FIREWALL',
    `KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 ${comment('block incoming localnet connections')} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
    ...(dropInvalid ? ['KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP'] : []),
    `KUBE-FORWARD ${comment('kubernetes forwarding rules')} -m mark --mark 0x4000/0x4000 -j ACCEPT`,
    `KUBE-FORWARD ${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  ]
  const nat = [
    `PREROUTING ${portals} -j KUBE-SERVICES`,
    `OUTPUT ${portals} -j KUBE-SERVICES`,
    `POSTROUTING ${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING`,
    'KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    'KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    'KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    `KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
  ]
  for (const rule of filter) rules.add('filter', rule)
  for (const rule of nat) rules.add('nat', rule)
}

/** An endpoint with the name of its chain. */
interface Target {
  readonly text: string
  readonly address: string
  readonly chain: string
  readonly local: boolean
  readonly pinned: boolean
}

/** The chains and rules of one Service port. */
class Portal {
  readonly #rules: RuleSet
  readonly #service: ProxyService
  readonly #cidr: string
  readonly #name: string
  readonly #l4: string
  readonly #module: string
  readonly #port: string
  readonly #svc: string
  readonly #svl: string
  readonly #ext: string
  readonly #targets: readonly Target[]

  constructor(rules: RuleSet, service: ProxyService, options: ProxyOptions) {
    this.#rules = rules
    this.#service = service
    this.#cidr = options.clusterCIDR
    this.#name = portal(service)
    const protocol = service.protocol.toLowerCase()
    this.#l4 = `-p ${protocol}`
    this.#module = `-m ${protocol}`
    this.#port = `-m ${protocol} --dport ${service.port}`
    const key = sha256Base32(this.#name + protocol, 16)
    this.#svc = `KUBE-SVC-${key}`
    this.#svl = `KUBE-SVL-${key}`
    this.#ext = `KUBE-EXT-${key}`
    this.#targets = service.endpoints
      .map((endpoint, i) => {
        const text = `${endpoint.address}:${endpoint.port}`
        const chain = `KUBE-SEP-${sha256Base32(this.#name + protocol + text, 16)}`
        return { text, address: endpoint.address, chain, local: endpoint.local, pinned: i === service.pin }
      })
      .sort((a, b) => compare(a.text, b.text))
  }

  write(): void {
    if (this.#targets.length === 0) return this.#refuse()
    const local = this.#targets.filter((target) => target.local)
    const inside = this.#service.internalTrafficPolicy === 'Local'
    const outside = this.#service.nodePort !== undefined && this.#service.externalTrafficPolicy === 'Local'
    if (!inside || this.#service.nodePort !== undefined) {
      this.#rules.chain('nat', this.#svc)
      if (!inside) this.#clusterIp(this.#svc)
    }
    if (inside) this.#insideOnly(local)
    this.#fromOutside(local)
    if ((inside || outside) && local.length > 0) this.#spreadLocal(local, outside)
    if (!inside || this.#service.nodePort !== undefined) this.#spread(this.#svc, this.#targets)
    for (const target of this.#targets) this.#endpoint(target)
  }

  #address(ip: string): string {
    return `-d ${ip}/32 ${this.#l4}`
  }

  #refuse(): void {
    const { clusterIP, nodePort } = this.#service
    const why = comment(`${this.#name} has no endpoints`)
    const answer = '-j REJECT --reject-with icmp-port-unreachable'
    this.#rules.add('filter', `KUBE-SERVICES ${this.#address(clusterIP)} ${why} ${this.#port} ${answer}`)
    if (nodePort === undefined) return
    const here = `-m addrtype --dst-type LOCAL ${this.#module} --dport ${nodePort}`
    this.#rules.add('filter', `KUBE-EXTERNAL-SERVICES ${this.#l4} ${why} ${here} ${answer}`)
  }

  #clusterIp(chain: string): void {
    const what = `${this.#address(this.#service.clusterIP)} ${comment(`${this.#name} cluster IP`)} ${this.#port}`
    this.#rules.add('nat', `KUBE-SERVICES ${what} -j ${chain}`)
    this.#rules.add('nat', `${chain} ! -s ${this.#cidr} ${what} -j KUBE-MARK-MASQ`)
  }

  /** internalTrafficPolicy: Local. */
  #insideOnly(local: readonly Target[]): void {
    if (local.length > 0) {
      this.#rules.chain('nat', this.#svl)
      return this.#clusterIp(this.#svl)
    }
    const why = comment(`${this.#name} has no local endpoints`)
    this.#rules.add('filter', `KUBE-SERVICES ${this.#address(this.#service.clusterIP)} ${why} ${this.#port} -j DROP`)
  }

  #fromOutside(local: readonly Target[]): void {
    const { nodePort, loadBalancerIP, externalTrafficPolicy } = this.#service
    const balanced = loadBalancerIP !== undefined && loadBalancerIP !== ''
    if (balanced && nodePort !== undefined) {
      const what = `${this.#address(loadBalancerIP)} ${comment(`${this.#name} loadbalancer IP`)} ${this.#port}`
      this.#rules.add('nat', `KUBE-SERVICES ${what} -j ${this.#ext}`)
    }
    if (nodePort === undefined) return
    const destinations = `${this.#name} external destinations`
    this.#rules.chain('nat', this.#ext)
    const way = `${this.#l4} ${comment(this.#name)} ${this.#module} --dport ${nodePort} -j ${this.#ext}`
    this.#rules.add('nat', `KUBE-NODEPORTS ${way}`)
    if (externalTrafficPolicy !== 'Local') {
      const all = comment(`masquerade traffic for ${destinations}`)
      this.#rules.add('nat', `${this.#ext} ${all} -j KUBE-MARK-MASQ`)
      this.#rules.add('nat', `${this.#ext} -j ${this.#svc}`)
      return
    }
    const pods = comment(`pod traffic for ${destinations}`)
    const own = '-m addrtype --src-type LOCAL'
    this.#rules.add('nat', `${this.#ext} -s ${this.#cidr} ${pods} -j ${this.#svc}`)
    this.#rules.add(
      'nat',
      `${this.#ext} ${comment(`masquerade LOCAL traffic for ${destinations}`)} ${own} -j KUBE-MARK-MASQ`,
    )
    this.#rules.add('nat', `${this.#ext} ${comment(`route LOCAL traffic for ${destinations}`)} ${own} -j ${this.#svc}`)
    if (local.length > 0) return
    const why = comment(`${this.#name} has no local endpoints`)
    if (balanced) {
      this.#rules.add('filter', `KUBE-EXTERNAL-SERVICES ${this.#address(loadBalancerIP)} ${why} ${this.#port} -j DROP`)
    }
    const here = `-m addrtype --dst-type LOCAL ${this.#module} --dport ${nodePort}`
    this.#rules.add('filter', `KUBE-EXTERNAL-SERVICES ${this.#l4} ${why} ${here} -j DROP`)
  }

  #spreadLocal(local: readonly Target[], outside: boolean): void {
    this.#rules.chain('nat', this.#svl)
    if (outside) this.#rules.add('nat', `${this.#ext} -j ${this.#svl}`)
    this.#spread(this.#svl, local)
  }

  /** One of n: the first with probability 1/n, the next with 1/(n−1), the last always. */
  #spread(chain: string, targets: readonly Target[]): void {
    const to = (target: Target) => `${chain} ${comment(`${this.#name} -> ${target.text}`)}`
    if (this.#service.sessionAffinity === 'ClientIP') {
      const seconds = this.#service.sessionAffinityTimeout ?? 10_800
      for (const target of targets) {
        const seen = `-m recent --rcheck --seconds ${seconds} --reap --name ${target.chain} ${MASK} --rsource`
        this.#rules.add('nat', `${to(target)} ${seen} -j ${target.chain}`)
      }
    }
    for (const target of targets) {
      if (target.pinned)
        this.#rules.add('nat', `${to(target)} -m statistic --mode random --probability 1.0 -j ${target.chain}`)
    }
    targets.forEach((target, i) => {
      const left = targets.length - i
      const chance = left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(10)} ` : ''
      this.#rules.add('nat', `${to(target)} ${chance}-j ${target.chain}`)
    })
  }

  #endpoint(target: Target): void {
    const name = comment(this.#name)
    this.#rules.chain('nat', target.chain)
    this.#rules.add('nat', `${target.chain} -s ${target.address}/32 ${name} -j KUBE-MARK-MASQ`)
    const affine = this.#service.sessionAffinity === 'ClientIP'
    const remember = affine ? `-m recent --set --name ${target.chain} ${MASK} --rsource ` : ''
    const act = `${remember}${this.#module} -j DNAT --to-destination ${target.text}`
    this.#rules.add('nat', `${target.chain} ${this.#l4} ${name} ${act}`)
  }
}

const MASK = '--mask 255.255.255.255'

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What flanneld adds (pkg/trafficmngr/iptables): forwarding of pods, masquerading of what leaves the cluster. */
export function writeFlannel(rules: RuleSet, options: FlannelRuleOptions): void {
  const { clusterCIDR: cluster, podCIDR: pods } = options
  const forward = comment('flanneld forward')
  const masq = comment('flanneld masq')
  rules.chain('filter', 'FLANNEL-FWD')
  rules.chain('nat', 'FLANNEL-POSTRTG')
  rules.add('filter', `FORWARD ${forward} -j FLANNEL-FWD`)
  rules.add('filter', `FLANNEL-FWD -s ${cluster} ${forward} -j ACCEPT`)
  rules.add('filter', `FLANNEL-FWD -d ${cluster} ${forward} -j ACCEPT`)
  rules.add('nat', `POSTROUTING ${masq} -j FLANNEL-POSTRTG`)
  const postrouting = [
    `-m mark --mark 0x4000/0x4000 ${masq} -j RETURN`,
    `-s ${pods} -d ${cluster} ${masq} -j RETURN`,
    `-s ${cluster} -d ${pods} ${masq} -j RETURN`,
    `! -s ${cluster} -d ${pods} ${masq} -j RETURN`,
    `-s ${cluster} ! -d 224.0.0.0/4 ${masq} -j MASQUERADE --random-fully`,
    `! -s ${cluster} -d ${cluster} ${masq} -j MASQUERADE --random-fully`,
  ]
  for (const rule of postrouting) rules.add('nat', `FLANNEL-POSTRTG ${rule}`)
}
