/**
 * NetworkPolicies as rules and sets of one node, laid out as kube-router does (pkg/controllers/netpol):
 *
 *   FORWARD ─▶ KUBE-ROUTER-FORWARD ─▶ KUBE-POD-FW-… (a selected pod of this node)
 *                                       ├▶ KUBE-NWPLCY-… (each policy for it): mark 0x10000 is "allowed"
 *                                       └▶ DROP or REJECT of what has no mark
 *
 * kube-router has one chain for a policy with both directions; here each direction has its own, because a packet between
 * two pods of one policy must be allowed by both.
 */
import { sha256Base32 } from '../../host/sha256.ts'
import type { Jump } from '../jumps.ts'
import type { Pod } from '../objects.ts'
import { RuleSet } from '../rule-set.ts'
import type { AllowedPort, PolicyPlan, PolicyRule } from './plan.ts'

export type PolicyAction = 'drop' | 'reject'

/** A set of addresses or of networks, with `nomatch` behind a network's holes. */
export interface AddressSet {
  readonly type: 'hash:ip' | 'hash:net'
  readonly elements: readonly string[]
}

export interface PolicyRules {
  readonly rules: RuleSet
  readonly sets: ReadonlyMap<string, AddressSet>
}

const HOOKS = ['INPUT', 'FORWARD', 'OUTPUT'] as const
const DEFAULT_CHAIN = 'KUBE-NWPLCY-DEFAULT'
const ALLOWED = '0x10000/0x10000'
const COMPLIES = '0x20000/0x20000'
/** A comment may be this long (XT_MAX_COMMENT_LEN). */
const LONGEST = 255

/** The rules that lead from the built-in chains to these; they come before all others. */
export const POLICY_JUMPS: readonly Jump[] = HOOKS.map((hook) => {
  return { table: 'filter', chain: hook, rule: `${comment('kube-router netpol')} -j KUBE-ROUTER-${hook}` }
})

export function policyRules(plans: readonly PolicyPlan[], node: string, action: PolicyAction): PolicyRules {
  const writer = new Writer(node, action)
  writer.write(plans)
  return writer
}

class Writer implements PolicyRules {
  readonly rules = new RuleSet()
  readonly sets = new Map<string, AddressSet>()
  readonly #node: string
  readonly #action: PolicyAction

  constructor(node: string, action: PolicyAction) {
    this.#node = node
    this.#action = action
  }

  write(plans: readonly PolicyPlan[]): void {
    const { rules } = this
    rules.chain('filter', ...HOOKS.map((hook) => `KUBE-ROUTER-${hook}`), DEFAULT_CHAIN)
    rules.add(
      'filter',
      `${DEFAULT_CHAIN} ${comment('rule to mark traffic matching a network policy')} ${mark(ALLOWED)}`,
    )
    for (const plan of plans) this.#policy(plan)
    for (const [pod, selecting] of this.#selected(plans)) this.#firewall(pod, selecting)
    const complies = `${comment('rule to explicitly ACCEPT traffic that comply to network policies')} -m mark --mark ${COMPLIES}`
    for (const hook of HOOKS) rules.add('filter', `KUBE-ROUTER-${hook} ${complies} -j ACCEPT`)
  }

  /** Pods of this node that are selected, and by which policies. */
  #selected(plans: readonly PolicyPlan[]): ReadonlyMap<Pod, PolicyPlan[]> {
    const found = new Map<Pod, PolicyPlan[]>()
    for (const plan of plans) {
      for (const pod of plan.pods) {
        if (pod.spec.nodeName !== this.#node) continue
        const known = found.get(pod)
        if (known === undefined) found.set(pod, [plan])
        else known.push(plan)
      }
    }
    return found
  }

  #policy(plan: PolicyPlan): void {
    const chain = chainOf(plan)
    const own = this.#addresses(plan, plan.type === 'Ingress' ? 'DST' : 'SRC', 'selected', plan.pods)
    this.rules.chain('filter', chain)
    plan.rules.forEach((rule, i) => this.#rule(plan, rule, i, own))
  }

  /** One rule of a policy: each of its peers with each of its ports. */
  #rule(plan: PolicyPlan, rule: PolicyRule, index: number, own: string): void {
    const ingress = plan.type === 'Ingress'
    const side = ingress ? 'SRC' : 'DST'
    const { peers } = rule
    if (peers === null) {
      const words = ingress ? 'all sources to dest pods' : 'source pods to all destinations'
      this.#ports(plan, rule.ports, index, { words, own, other: null, pods: true })
      return
    }
    if (peers.pods !== null) {
      const other = this.#addresses(plan, side, `${index} pods`, peers.pods)
      this.#ports(plan, rule.ports, index, { words: 'source pods to dest pods', own, other, pods: true })
    }
    // A set for each block: another block may let in what this one leaves out.
    peers.blocks.forEach(({ cidr, except }, i) => {
      const other = setName(plan, side, `${index} block ${i}`)
      const holes = except.flatMap((hole) => halves(hole).map((half) => `${half} nomatch`))
      this.sets.set(other, { type: 'hash:net', elements: [...halves(cidr), ...holes] })
      const words = ingress ? 'specified ipBlocks to dest pods' : 'source pods to specified ipBlocks'
      this.#ports(plan, rule.ports, index, { words, own, other, pods: false })
    })
  }

  #ports(plan: PolicyPlan, ports: readonly AllowedPort[], index: number, between: Between): void {
    const { namespace, name } = plan
    const ingress = plan.type === 'Ingress'
    const about = comment(
      `rule to ACCEPT traffic from ${between.words} selected by policy name ${name} namespace ${namespace}`,
    )
    ports.forEach((port, i) => {
      let [source, destination] = ingress ? [between.other, between.own] : [between.own, between.other]
      if (port.pods !== null) {
        // A port's name means nothing at addresses that are no pods'.
        if (!ingress && !between.pods) return
        destination = this.#addresses(plan, 'DST', `${index} port ${i}`, port.pods)
      }
      const words = [chainOf(plan), about]
      if (source !== null) words.push(`-m set --match-set ${source} src`)
      if (destination !== null) words.push(`-m set --match-set ${destination} dst`)
      if (port.protocol !== null) words.push(`-p ${port.protocol}`)
      if (port.ports !== null) words.push(portMatch(port))
      this.rules.add('filter', `${words.join(' ')} ${mark(ALLOWED)}`)
      this.rules.add('filter', `${words.join(' ')} -m mark --mark ${ALLOWED} -j RETURN`)
    })
  }

  #firewall(pod: Pod, policies: readonly PolicyPlan[]): void {
    const { rules } = this
    const { namespace, name } = pod.metadata
    const ip = pod.status.podIP as string
    const chain = `KUBE-POD-FW-${sha256Base32(`${namespace}${name}`, 16)}`
    const who = `POD name:${name} namespace: ${namespace}`
    rules.chain('filter', chain)
    const into = comment(`rule to jump traffic destined to ${who} to chain ${chain}`)
    const from = comment(`rule to jump traffic from ${who} to chain ${chain}`)
    const bridged = '-m physdev --physdev-is-bridged'
    for (const hook of ['FORWARD', 'OUTPUT']) rules.add('filter', `KUBE-ROUTER-${hook} -d ${ip}/32 ${into} -j ${chain}`)
    rules.add('filter', `KUBE-ROUTER-FORWARD -d ${ip}/32 ${bridged} ${into} -j ${chain}`)
    for (const hook of HOOKS) rules.add('filter', `KUBE-ROUTER-${hook} -s ${ip}/32 ${from} -j ${chain}`)
    rules.add('filter', `KUBE-ROUTER-FORWARD -s ${ip}/32 ${bridged} ${from} -j ${chain}`)
    const state = '-m conntrack --ctstate'
    const local = comment('rule to permit the traffic to pods when source is the pods local node')
    rules.add(
      'filter',
      `${chain} ${comment('rule for stateful firewall for pod')} ${state} RELATED,ESTABLISHED -j ACCEPT`,
    )
    rules.add('filter', `${chain} ${comment('rule to drop invalid state for pod')} ${state} INVALID -j DROP`)
    rules.add('filter', `${chain} -d ${ip}/32 ${local} -m addrtype --src-type LOCAL -j ACCEPT`)
    for (const type of ['Ingress', 'Egress'] as const) {
      const side = type === 'Ingress' ? '-d' : '-s'
      const own = policies.filter((policy) => policy.type === type)
      for (const policy of own) {
        const about = comment(`run through nw policy ${policy.name}`)
        rules.add('filter', `${chain} ${side} ${ip}/32 ${about} -j ${chainOf(policy)}`)
      }
      const about = comment(`run through default ${type.toLowerCase()} network policy chain`)
      if (own.length === 0) rules.add('filter', `${chain} ${side} ${ip}/32 ${about} -j ${DEFAULT_CHAIN}`)
    }
    const [verb, target] =
      this.#action === 'drop' ? ['DROP', 'DROP'] : ['REJECT', 'REJECT --reject-with icmp-port-unreachable']
    const last = comment(`rule to ${verb} traffic destined for ${who}`)
    rules.add('filter', `${chain} ${last} -m mark ! --mark ${ALLOWED} -j ${target}`)
    rules.add('filter', `${chain} -j MARK --set-xmark 0x0/0x10000`)
    rules.add(
      'filter',
      `${chain} ${comment('set mark to ACCEPT traffic that comply to network policies')} ${mark(COMPLIES)}`,
    )
  }

  #addresses(plan: PolicyPlan, side: 'SRC' | 'DST', what: string, pods: readonly Pod[]): string {
    const name = setName(plan, side, what)
    const elements = new Set(pods.map((pod) => pod.status.podIP as string))
    this.sets.set(name, { type: 'hash:ip', elements: [...elements] })
    return name
  }
}

interface Between {
  readonly words: string
  /** The set of the selected pods. */
  readonly own: string
  /** The set of the other side; null: everybody. */
  readonly other: string | null
  /** May the other side be pods, whose ports have names? */
  readonly pods: boolean
}

function chainOf({ namespace, name, type }: PolicyPlan): string {
  return `KUBE-NWPLCY-${sha256Base32(`${namespace}${name}${type}`, 16)}`
}

function setName({ namespace, name, type }: PolicyPlan, side: 'SRC' | 'DST', what: string): string {
  return `KUBE-${side}-${sha256Base32(`${namespace}${name}${type}${what}`, 16)}`
}

function portMatch({ protocol, ports }: AllowedPort): string {
  return protocol === 'sctp' ? `-m multiport --dports ${ports}` : `-m ${protocol} --dport ${ports}`
}

function mark(value: string): string {
  return `-j MARK --set-xmark ${value}`
}

function comment(text: string): string {
  return `-m comment --comment "${text.slice(0, LONGEST)}"`
}

/** hash:net takes no network of all addresses: two halves stand for it. */
function halves(cidr: string): string[] {
  return cidr.endsWith('/0') ? ['0.0.0.0/1', '128.0.0.0/1'] : [cidr]
}
