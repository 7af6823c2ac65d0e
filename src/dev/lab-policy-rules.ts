/** A lab's NetworkPolicies, laid out as kube-router does: a firewall chain per selected pod, a policy chain in it. */

import { sha256Base32 } from '../host/sha256.ts'
import type { RuleSet } from '../kube/rule-set.ts'
import type { Lab, LabNode, LabPolicy } from './lab-file.ts'

const ALLOWED = '0x10000/0x10000'
const REJECT = 'REJECT --reject-with icmp-port-unreachable'

function comment(text: string): string {
  return `-m comment --comment "${text}"`
}

export function writePolicies(rules: RuleSet, lab: Lab, node: LabNode): void {
  const policies = (lab.policies ?? []).filter((policy) => podOf(lab, policy.pod).node === node.name)
  if (policies.length === 0) return
  const hooks = ['INPUT', 'FORWARD', 'OUTPUT']
  rules.chain('filter', ...hooks.map((hook) => `KUBE-ROUTER-${hook}`))
  rules.insert('filter', ...hooks.map((hook) => `${hook} ${comment('kube-router netpol')} -j KUBE-ROUTER-${hook}`))
  for (const policy of policies) writePolicy(rules, lab, policy)
}

function writePolicy(rules: RuleSet, lab: Lab, policy: LabPolicy): void {
  const destination = `-d ${podOf(lab, policy.pod).ip}/32`
  const firewall = `KUBE-POD-FW-${sha256Base32(policy.pod, 16)}`
  const allowance = `KUBE-NWPLCY-${sha256Base32(`default${policy.pod}`, 16)}`
  const pod = `default/${policy.pod}`
  const jump = comment(`rule to jump traffic destined to POD ${pod}`)
  const last = policy.action === 'REJECT' ? REJECT : 'DROP'
  const local = comment('rule to permit the traffic to pods when source is the pods local node')
  rules.chain('filter', firewall, allowance)
  const filter = [
    `KUBE-ROUTER-FORWARD ${destination} ${jump} -j ${firewall}`,
    `KUBE-ROUTER-OUTPUT ${destination} ${jump} -j ${firewall}`,
    `KUBE-ROUTER-FORWARD ${destination} -m physdev --physdev-is-bridged ${jump} -j ${firewall}`,
    `${firewall} ${comment('rule for stateful firewall for pod')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    `${firewall} ${comment('rule to drop invalid state for pod')} -m conntrack --ctstate INVALID -j DROP`,
    `${firewall} ${destination} ${local} -m addrtype --src-type LOCAL -j ACCEPT`,
    `${firewall} ${destination} ${comment('run through nw policy')} -j ${allowance}`,
    `${firewall} ${comment(`rule to REJECT traffic destined for POD ${pod}`)} -m mark ! --mark ${ALLOWED} -j ${last}`,
    `${firewall} -j MARK --set-xmark 0x0/0x10000`,
    `${firewall} -j MARK --set-xmark 0x20000/0x20000`,
  ]
  for (const rule of filter) rules.add('filter', rule)
  for (const { from, protocol = 'TCP', port } of policy.allow ?? []) {
    const source = from === undefined ? '' : `-s ${sourceOf(lab, from)} `
    const l4 = protocol.toLowerCase()
    const ports = port === undefined ? '' : `-m ${l4} --dport ${port} `
    rules.add('filter', `${allowance} ${source}${destination} -p ${l4} ${ports}-j MARK --set-xmark ${ALLOWED}`)
  }
  rules.add('filter', `${allowance} -m mark --mark ${ALLOWED} -j RETURN`)
}

function podOf(lab: Lab, name: string) {
  const pod = lab.pods?.find((each) => each.name === name)
  if (pod === undefined) throw new Error(`the lab has no pod ${name}`)
  return pod
}

/** A pod's address, or the range that was named. */
function sourceOf(lab: Lab, from: string): string {
  const pod = lab.pods?.find((each) => each.name === from)
  return pod === undefined ? from : `${pod.ip}/32`
}
