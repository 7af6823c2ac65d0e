/** The rules of the CNI plugin portmap for a lab's pods with host ports. */
import { createHash } from 'node:crypto'
import type { RuleSet } from '../kube/rule-set.ts'
import { parseCidr } from '../wire/address.ts'
import type { Lab, LabNode, LabPod } from './lab-file.ts'

/** Flannel's CNI configuration calls its network so. */
const NETWORK = 'cbr0'

export function writeHostPorts(rules: RuleSet, lab: Lab, node: LabNode, podCIDR: string): void {
  const pods = (lab.pods ?? []).filter((pod) => pod.node === node.name && (pod.hostPorts ?? []).length > 0)
  if (pods.length === 0) return
  rules.chain('nat', 'CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-SETMARK', 'CNI-HOSTPORT-MASQ')
  const masq = 'POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ'
  rules.insert('nat', masq)
  const nat = [
    'PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
    'OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
    'CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000',
    'CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE',
  ]
  for (const rule of nat) rules.add('nat', rule)
  for (const pod of pods) writePod(rules, pod, parseCidr(podCIDR).prefix)
}

function writePod(rules: RuleSet, pod: LabPod, prefix: number): void {
  const hash = createHash('sha512').update(`${NETWORK}${pod.name}`).digest('hex')
  const chain = `CNI-DN-${hash}`.slice(0, 28)
  rules.chain('nat', chain)
  for (const { hostPort, containerPort, protocol = 'TCP' } of pod.hostPorts ?? []) {
    const l4 = protocol.toLowerCase()
    const name = `-m comment --comment "dnat name: ${NETWORK} id: ${pod.name}"`
    rules.add('nat', `CNI-HOSTPORT-DNAT -p ${l4} ${name} -m multiport --dports ${hostPort} -j ${chain}`)
    for (const source of [`${pod.ip}/${prefix}`, '127.0.0.1/32']) {
      rules.add('nat', `${chain} -s ${source} -p ${l4} -m ${l4} --dport ${hostPort} -j CNI-HOSTPORT-SETMARK`)
    }
    const target = `--to-destination ${pod.ip}:${containerPort}`
    rules.add('nat', `${chain} -p ${l4} -m ${l4} --dport ${hostPort} -j DNAT ${target}`)
  }
}
