/** Services (service.go), with kube-proxy in each of its modes. */
import { affinity } from './services/affinity.ts'
import { basics } from './services/basics.ts'
import { objects } from './services/objects.ts'
import { policies } from './services/policies.ts'
import { types } from './services/types.ts'
import { type Mode, section } from './suite.ts'

const MODES: readonly Mode[] = ['iptables', 'nftables', 'ipvs']

for (const mode of MODES) {
  section('Services', { mode }, (test) => {
    basics(test)
    types(test)
    affinity(test)
    policies(test)
    // No packet of theirs knows of kube-proxy.
    if (mode === 'iptables') objects(test)
  })
}
