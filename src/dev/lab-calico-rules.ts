/** Felix's filter and nat chains for a lab's node, as far as they matter to workloads without policies. */
import type { RuleSet } from '../kube/rule-set.ts'
import { caliName } from './lab-calico.ts'
import type { Lab, LabNode } from './lab-file.ts'

const ACCEPTED = '-m mark --mark 0x10000/0x10000'
const ACCEPT = '-j MARK --set-xmark 0x10000/0x10000'
const STATE = '-m conntrack --ctstate'
/** Pods may not tunnel by themselves. */
const NO_TUNNELS = ['-p udp -m udp --dport 4789 -j DROP', '-p 4 -j DROP']

export function writeCalico(rules: RuleSet, lab: Lab, node: LabNode, clusterCIDR: string): void {
  rules.chain('filter', 'cali-FORWARD', 'cali-INPUT', 'cali-from-wl-dispatch', 'cali-to-wl-dispatch')
  rules.chain('filter', 'cali-wl-to-host', 'cali-pri-kns.default', 'cali-pro-kns.default')
  rules.chain('nat', 'cali-PREROUTING', 'cali-OUTPUT', 'cali-POSTROUTING', 'cali-nat-outgoing')
  rules.insert('filter', 'FORWARD -j cali-FORWARD', 'INPUT -j cali-INPUT')
  const hooks = ['PREROUTING', 'OUTPUT', 'POSTROUTING']
  rules.insert('nat', ...hooks.map((hook) => `${hook} -j cali-${hook}`))
  const filter = [
    'cali-FORWARD -j MARK --set-xmark 0x0/0xe0000',
    'cali-FORWARD -i cali+ -j cali-from-wl-dispatch',
    'cali-FORWARD -o cali+ -j cali-to-wl-dispatch',
    `FORWARD ${ACCEPTED} -j ACCEPT`,
    `FORWARD ${ACCEPT}`,
    'cali-INPUT -i cali+ -g cali-wl-to-host',
    'cali-wl-to-host -j cali-from-wl-dispatch',
    'cali-wl-to-host -j ACCEPT',
  ]
  for (const profile of ['pri', 'pro']) {
    filter.push(`cali-${profile}-kns.default ${ACCEPT}`, `cali-${profile}-kns.default ${ACCEPTED} -j RETURN`)
  }
  for (const rule of filter) rules.add('filter', rule)
  for (const pod of lab.pods ?? []) {
    if (pod.node === node.name && !pod.hostNetwork) writeWorkload(rules, caliName(pod.name))
  }
  rules.add('filter', 'cali-from-wl-dispatch -j DROP')
  rules.add('filter', 'cali-to-wl-dispatch -j DROP')
  rules.add('nat', 'cali-POSTROUTING -j cali-nat-outgoing')
  if (lab.backend !== 'host-gw') {
    const own = '-m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL'
    rules.add('nat', `cali-POSTROUTING -o vxlan.calico ${own} -j MASQUERADE --random-fully`)
  }
  rules.add('nat', `cali-nat-outgoing -s ${clusterCIDR} ! -d ${clusterCIDR} -j MASQUERADE --random-fully`)
}

/** The chains from and to one pod's device. */
function writeWorkload(rules: RuleSet, device: string): void {
  const ways = [
    { chain: `cali-fw-${device}`, dispatch: `cali-from-wl-dispatch -i ${device}`, profile: 'pro', extra: NO_TUNNELS },
    { chain: `cali-tw-${device}`, dispatch: `cali-to-wl-dispatch -o ${device}`, profile: 'pri', extra: [] },
  ]
  for (const { chain, dispatch, profile, extra } of ways) {
    rules.chain('filter', chain)
    rules.add('filter', `${dispatch} -g ${chain}`)
    const acts = [
      `${STATE} RELATED,ESTABLISHED -j ACCEPT`,
      `${STATE} INVALID -j DROP`,
      '-j MARK --set-xmark 0x0/0x30000',
      ...extra,
      `-j cali-${profile}-kns.default`,
      `${ACCEPTED} -j RETURN`,
      '-j DROP',
    ]
    for (const act of acts) rules.add('filter', `${chain} ${act}`)
  }
}
