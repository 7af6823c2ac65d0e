/**
 * The rules of kube-proxy's iptables mode (1.27 to 1.32, local detector ClusterCIDR) and of flannel, as text for
 * iptables-restore.
 *
 *   PREROUTING, OUTPUT ─▶ KUBE-SERVICES ─┬▶ KUBE-SVC-… (a ClusterIP) ─▶ KUBE-SEP-… (an endpoint): DNAT
 *                                        └▶ KUBE-NODEPORTS ─▶ KUBE-EXT-… ─▶ KUBE-SVC-… or KUBE-SVL-… (local only)
 *   POSTROUTING ─▶ KUBE-POSTROUTING: MASQUERADE of what KUBE-MARK-MASQ marked
 */

import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import { comment, LARGE, Portal } from './proxy-portal.ts'
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

export function writeKubeProxy(rules: RuleSet, services: readonly ProxyService[], options: ProxyOptions): void {
  writeFrame(rules, options)
  const named = services.map((service) => ({ service, name: portalOf(service) }))
  const endpoints = services.reduce((sum, service) => sum + service.endpoints.length, 0)
  const large = endpoints > LARGE
  for (const { service } of named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
    new Portal(rules, service, { ...options, large }).write()
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

/** What stands there without any Service. */
function writeFrame(rules: RuleSet, options: ProxyOptions): void {
  const { dropInvalid = true } = options
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
    // Against what route_localnet would let in; the kubelet writes the same rule, whatever kube-proxy is told.
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
