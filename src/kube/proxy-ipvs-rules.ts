/**
 * The rules of kube-proxy's ipvs mode (pkg/proxy/ipvs/proxier.go, 1.32). They are as many for ten thousand Services as for
 * one: IPVS chooses endpoints, IP sets say what is to be masqueraded, and what may not be reached by an address on
 * kube-ipvs0.
 */
import type { Netfilter, TableName } from '../netfilter/netfilter.ts'
import type { ProxySets, SetName } from './proxy-ipvs-sets.ts'
import { RuleSet } from './rule-set.ts'

/** A load balancer's address that the node itself may not use. */
export interface Barred {
  readonly address: string
  readonly protocol: string
  readonly port: number
}

const MARK = '0x4000'

function comment(text: string): string {
  return `-m comment --comment "${text}"`
}

const FIREWALL = 'kube-proxy firewall rules'
const ACCESS = 'kubernetes ipvs access filter'

/** Where the chains hang, in the order in which each is put in front of what is there. */
const jumps: readonly (readonly [table: TableName, from: string, to: string, comment: string])[] = [
  ['nat', 'OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals'],
  ['nat', 'PREROUTING', 'KUBE-SERVICES', 'kubernetes service portals'],
  ['nat', 'POSTROUTING', 'KUBE-POSTROUTING', 'kubernetes postrouting rules'],
  ['filter', 'FORWARD', 'KUBE-FORWARD', 'kubernetes forwarding rules'],
  ['filter', 'INPUT', 'KUBE-NODE-PORT', 'kubernetes health check rules'],
  ['filter', 'INPUT', 'KUBE-PROXY-FIREWALL', FIREWALL],
  ['filter', 'FORWARD', 'KUBE-PROXY-FIREWALL', FIREWALL],
  ['filter', 'INPUT', 'KUBE-IPVS-FILTER', ACCESS],
  ['filter', 'OUTPUT', 'KUBE-IPVS-OUT-FILTER', ACCESS],
]

/** Rules that are there while a set has entries. */
const bySet: readonly (readonly [
  set: SetName,
  table: 'nat' | 'filter',
  from: string,
  to: string,
  sides: string,
  protocol: string,
])[] = [
  ['KUBE-LOOP-BACK', 'nat', 'KUBE-POSTROUTING', 'MASQUERADE', 'dst,dst,src', ''],
  ['KUBE-LOAD-BALANCER', 'nat', 'KUBE-SERVICES', 'KUBE-LOAD-BALANCER', 'dst,dst', ''],
  ['KUBE-LOAD-BALANCER-LOCAL', 'nat', 'KUBE-LOAD-BALANCER', 'RETURN', 'dst,dst', ''],
  ['KUBE-NODE-PORT-LOCAL-TCP', 'nat', 'KUBE-NODE-PORT', 'RETURN', 'dst', 'tcp'],
  ['KUBE-NODE-PORT-TCP', 'nat', 'KUBE-NODE-PORT', 'KUBE-MARK-MASQ', 'dst', 'tcp'],
  ['KUBE-NODE-PORT-LOCAL-UDP', 'nat', 'KUBE-NODE-PORT', 'RETURN', 'dst', 'udp'],
  ['KUBE-NODE-PORT-UDP', 'nat', 'KUBE-NODE-PORT', 'KUBE-MARK-MASQ', 'dst', 'udp'],
  ['KUBE-NODE-PORT-LOCAL-SCTP-HASH', 'nat', 'KUBE-NODE-PORT', 'RETURN', 'dst,dst', 'sctp'],
  ['KUBE-NODE-PORT-SCTP-HASH', 'nat', 'KUBE-NODE-PORT', 'KUBE-MARK-MASQ', 'dst,dst', 'sctp'],
  ['KUBE-LOAD-BALANCER-FW', 'filter', 'KUBE-PROXY-FIREWALL', 'KUBE-SOURCE-RANGES-FIREWALL', 'dst,dst', ''],
  ['KUBE-LOAD-BALANCER-SOURCE-CIDR', 'filter', 'KUBE-SOURCE-RANGES-FIREWALL', 'RETURN', 'dst,dst,src', ''],
  ['KUBE-LOAD-BALANCER-SOURCE-IP', 'filter', 'KUBE-SOURCE-RANGES-FIREWALL', 'RETURN', 'dst,dst,src', ''],
]

/** Its own chains anew, and the jumps to them where they are missing. */
export function writeIpvsRules(
  netfilter: Netfilter,
  sets: ProxySets,
  clusterCIDR: string,
  barred: readonly Barred[],
): void {
  const rules = new RuleSet()
  rules.chain('nat', 'KUBE-SERVICES', 'KUBE-POSTROUTING', 'KUBE-NODE-PORT', 'KUBE-LOAD-BALANCER', 'KUBE-MARK-MASQ')
  rules.chain('filter', 'KUBE-FORWARD', 'KUBE-NODE-PORT', 'KUBE-PROXY-FIREWALL', 'KUBE-SOURCE-RANGES-FIREWALL')
  rules.chain('filter', 'KUBE-IPVS-FILTER', 'KUBE-IPVS-OUT-FILTER')
  const asks = (set: SetName, sides: string) => `-m set --match-set ${set} ${sides}`
  rules.add('nat', 'KUBE-SERVICES -s 127.0.0.0/8 -j RETURN')
  for (const [set, table, from, to, sides, protocol] of bySet) {
    if (sets.isEmpty(set)) continue
    const only = protocol === '' ? '' : ` -p ${protocol}`
    rules.add(table, `${from}${only} ${sets.comment(set)} ${asks(set, sides)} -j ${to}`)
  }
  const portals = (set: SetName) => `KUBE-SERVICES ${sets.comment(set)} ${asks(set, 'dst,dst')}`
  if (!sets.isEmpty('KUBE-CLUSTER-IP')) {
    rules.add('nat', `${portals('KUBE-CLUSTER-IP')} ! -s ${clusterCIDR} -j KUBE-MARK-MASQ`)
  }
  if (!sets.isEmpty('KUBE-EXTERNAL-IP')) rules.add('nat', `${portals('KUBE-EXTERNAL-IP')} -j KUBE-MARK-MASQ`)
  for (const set of ['KUBE-EXTERNAL-IP', 'KUBE-EXTERNAL-IP-LOCAL'] as const) {
    if (sets.isEmpty(set)) continue
    rules.add('nat', `${portals(set)} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT`)
    rules.add('nat', `${portals(set)} -m addrtype --dst-type LOCAL -j ACCEPT`)
  }
  rules.add('nat', 'KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT')
  rules.add('nat', 'KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ')
  rules.add('filter', 'KUBE-SOURCE-RANGES-FIREWALL -j DROP')
  for (const { address, protocol, port } of barred) {
    const service = `-m ipvs --vaddr ${address} --vproto ${protocol} --vport ${port}`
    rules.add('filter', `KUBE-IPVS-OUT-FILTER -s ${address} ${service} -j DROP`)
  }
  for (const set of ['KUBE-CLUSTER-IP', 'KUBE-LOAD-BALANCER'] as const) {
    if (!sets.isEmpty(set)) rules.add('nat', `KUBE-SERVICES ${asks(set, 'dst,dst')} -j ACCEPT`)
  }
  rules.add('filter', `KUBE-FORWARD ${comment('kubernetes forwarding rules')} -m mark --mark ${MARK}/${MARK} -j ACCEPT`)
  rules.add(
    'filter',
    `KUBE-FORWARD ${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  )
  const health = 'KUBE-HEALTH-CHECK-NODE-PORT'
  rules.add('filter', `KUBE-NODE-PORT ${sets.comment(health)} ${asks(health, 'dst')} -j ACCEPT`)
  // What a Service offers may be reached by its address; the node's own ports may not (kubernetes/kubernetes#72236).
  const offered = ['KUBE-LOAD-BALANCER', 'KUBE-CLUSTER-IP', 'KUBE-EXTERNAL-IP', 'KUBE-EXTERNAL-IP-LOCAL'] as const
  for (const set of offered) rules.add('filter', `KUBE-IPVS-FILTER ${asks(set, 'dst,dst')} -j RETURN`)
  rules.add('filter', `KUBE-IPVS-FILTER ${asks(health, 'dst')} -j RETURN`)
  rules.add('filter', `KUBE-IPVS-FILTER -m conntrack --ctstate NEW ${asks('KUBE-IPVS-IPS', 'dst')} -j REJECT`)
  rules.add('nat', `KUBE-POSTROUTING -m mark ! --mark ${MARK}/${MARK} -j RETURN`)
  rules.add('nat', `KUBE-POSTROUTING -j MARK --xor-mark ${MARK}`)
  rules.add(
    'nat',
    `KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
  )
  rules.add('nat', `KUBE-MARK-MASQ -j MARK --or-mark ${MARK}`)
  netfilter.restore(rules.update({ mangle: [], filter: [], nat: [] }), { noflush: true })
  for (const [table, from, to, why] of jumps) ensureJump(netfilter, table, from, to, why)
}

/** EnsureRule with Prepend. */
function ensureJump(netfilter: Netfilter, table: TableName, from: string, to: string, why: string): void {
  const rule = ['-m', 'comment', '--comment', why, '-j', to]
  try {
    netfilter.iptables(['-t', table, '-C', from, ...rule])
  } catch {
    netfilter.iptables(['-t', table, '-I', from, ...rule])
  }
}
