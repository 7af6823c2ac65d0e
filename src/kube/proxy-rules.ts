/**
 * The rules of kube-proxy's iptables mode (1.27 to 1.32, local detector ClusterCIDR) and of flannel, as text for
 * iptables-restore.
 *
 *   PREROUTING, OUTPUT ─▶ KUBE-SERVICES ─┬▶ KUBE-SVC-… (a ClusterIP) ─▶ KUBE-SEP-… (an endpoint): DNAT
 *                                        └▶ KUBE-NODEPORTS ─▶ KUBE-EXT-… ─▶ KUBE-SVC-… or KUBE-SVL-… (local only)
 *   POSTROUTING ─▶ KUBE-POSTROUTING: MASQUERADE of what KUBE-MARK-MASQ marked
 */

import type { Netns } from '../net/netns.ts'
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { ensureJumps, hasCanary, type Jump } from './jumps.ts'
import { comment, LARGE, Portal, type PortalOptions } from './proxy-portal.ts'
import { type ProxyPlace, type ProxyService, portalOf } from './proxy-services.ts'
import { RuleSet } from './rule-set.ts'

export interface ProxyOptions {
  readonly clusterCIDR: string
  /** `KUBE-FORWARD … INVALID -j DROP`; true unless conntrack is liberal. */
  readonly dropInvalid?: boolean
  /** Addresses of the node that answer on node ports; null: all. */
  readonly nodePortIps?: readonly Ipv4[] | null
  /** Node ports on 127.0.0.1 (--iptables-localhost-nodeports); true unless it is said otherwise. */
  readonly localhostNodePorts?: boolean
  /** Where the node stands; null: endpoints' hints are not looked at. */
  readonly place?: ProxyPlace | null
  /** Endpoints of Services whose rules are not to be written yet. */
  readonly waiting?: number
  /** The node's own address, which loadBalancerSourceRanges may name. */
  readonly nodeIp?: Ipv4
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

const NEW = '-m conntrack --ctstate NEW'

/** kube-proxy's and the kubelet's rules, as on a node where nothing else has come before. */
export function writeKubeProxy(rules: RuleSet, services: readonly ProxyService[], options: ProxyOptions): void {
  for (const { table, chain, rule } of [...PROXY_JUMPS, ...KUBELET_JUMPS]) rules.add(table, `${chain} ${rule}`)
  writeKubelet(rules)
  writeServices(rules, services, options)
}

const parts = new WeakMap<ProxyService, Map<string, RuleSet>>()

/** The rules of a Service's port: the same object as last time while neither it nor what it asks of the options has changed. */
function partOf(service: ProxyService, options: PortalOptions): RuleSet {
  const { clusterCIDR, nodeIp, place, large } = options
  const { sourceRanges = [], endpoints } = service
  const hinted = endpoints.some(({ forZones, forNodes }) => forZones !== undefined || forNodes !== undefined)
  const node = sourceRanges.length > 0 ? nodeIp : ''
  const key = `${clusterCIDR} ${large} ${node} ${hinted ? `${place?.node} ${place?.zone}` : ''}`
  const known = parts.get(service) ?? new Map<string, RuleSet>()
  const before = known.get(key)
  if (before !== undefined) return before
  const part = new RuleSet()
  new Portal(part, service, options).write()
  parts.set(service, known.set(key, part))
  return part
}

/** kube-proxy's own chains. */
export function writeServices(rules: RuleSet, services: readonly ProxyService[], options: ProxyOptions): void {
  writeFrame(rules, options)
  const named = services.map((service) => ({ service, name: portalOf(service) }))
  const endpoints = services.reduce((sum, service) => sum + service.endpoints.length, 0)
  const large = endpoints + (options.waiting ?? 0) > LARGE
  for (const { service } of named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
    rules.include(partOf(service, { ...options, large }), `${service.namespace}/${service.name}`)
  }
  const last = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain')
  const localhost = options.localhostNodePorts ?? true
  if (options.nodePortIps == null) {
    const not = localhost ? '' : '! -d 127.0.0.0/8 '
    rules.add('nat', `KUBE-SERVICES ${not}${last} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`)
    return
  }
  for (const ip of options.nodePortIps) {
    if (ip >>> 24 === 127 && !localhost) continue
    rules.add('nat', `KUBE-SERVICES -d ${formatIpv4(ip)}/32 ${last} -j KUBE-NODEPORTS`)
  }
}

const FIREWALL = `${NEW} ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`
const PORTALS = comment('kubernetes service portals')
const VISIBLE = `${NEW} ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`

/** In the order in which they stand: kube-proxy puts each before all others that are there. */
export const PROXY_JUMPS: readonly Jump[] = [
  { table: 'filter', chain: 'INPUT', rule: FIREWALL },
  { table: 'filter', chain: 'INPUT', rule: `${comment('kubernetes health check service ports')} -j KUBE-NODEPORTS` },
  { table: 'filter', chain: 'INPUT', rule: VISIBLE },
  { table: 'filter', chain: 'FORWARD', rule: FIREWALL },
  { table: 'filter', chain: 'FORWARD', rule: `${comment('kubernetes forwarding rules')} -j KUBE-FORWARD` },
  { table: 'filter', chain: 'FORWARD', rule: `${NEW} ${PORTALS} -j KUBE-SERVICES` },
  { table: 'filter', chain: 'FORWARD', rule: VISIBLE },
  { table: 'filter', chain: 'OUTPUT', rule: FIREWALL },
  { table: 'filter', chain: 'OUTPUT', rule: `${NEW} ${PORTALS} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'PREROUTING', rule: `${PORTALS} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'OUTPUT', rule: `${PORTALS} -j KUBE-SERVICES` },
  { table: 'nat', chain: 'POSTROUTING', rule: `${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING` },
]

/** The kubelet's: KUBE-FIREWALL against what route_localnet would let in, and chains whose loss tells of a flush. */
const KUBELET_JUMPS: readonly Jump[] = [
  { table: 'filter', chain: 'INPUT', rule: '-j KUBE-FIREWALL' },
  { table: 'filter', chain: 'OUTPUT', rule: '-j KUBE-FIREWALL' },
]

/** The canary of kube-proxy, in each of these tables. */
export const PROXY_CANARY = 'KUBE-PROXY-CANARY'

const KUBELET_CANARY = 'KUBE-KUBELET-CANARY'

/** The kubelet's chains, and the rules that lead to them, unless they are there. */
export function ensureKubeletRules(netns: Netns): void {
  if (hasCanary(netns, KUBELET_CANARY)) return
  const rules = new RuleSet()
  writeKubelet(rules)
  netns.netfilter.restore(rules.update({ mangle: [], filter: [], nat: [] }), { noflush: true })
  ensureJumps(netns, KUBELET_JUMPS)
}

function writeKubelet(rules: RuleSet): void {
  rules.chain('mangle', 'KUBE-IPTABLES-HINT', KUBELET_CANARY)
  rules.chain('filter', 'KUBE-FIREWALL', KUBELET_CANARY)
  rules.chain('nat', KUBELET_CANARY)
  rules.add(
    'filter',
    `KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 ${comment('block incoming localnet connections')} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`,
  )
}

/** Chains of everybody's, and what stands in them without any Service. */
function writeFrame(rules: RuleSet, options: ProxyOptions): void {
  const { dropInvalid = true } = options
  for (const table of ['mangle', 'filter', 'nat'] as const) rules.chain(table, PROXY_CANARY)
  rules.chain('filter', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FORWARD')
  rules.chain('filter', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL', 'KUBE-SERVICES')
  rules.chain('nat', 'KUBE-MARK-MASQ', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-SERVICES')
  const filter = [
    ...(dropInvalid ? ['KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP'] : []),
    `KUBE-FORWARD ${comment('kubernetes forwarding rules')} -m mark --mark 0x4000/0x4000 -j ACCEPT`,
    `KUBE-FORWARD ${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  ]
  const nat = [
    'KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    'KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
    'KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    `KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
  ]
  for (const rule of filter) rules.add('filter', rule)
  for (const rule of nat) rules.add('nat', rule)
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
