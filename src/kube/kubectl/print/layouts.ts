/** Which layout shows which kind. */
import { configMapLayout, eventLayout, namespaceLayout, nodeLayout, serviceAccountLayout } from './cluster-layout.ts'
import { endpointSliceLayout, endpointsLayout, networkPolicyLayout, serviceLayout } from './network-layout.ts'
import { podLayout } from './pod-layout.ts'
import type { Layout } from './table.ts'
import { daemonSetLayout, deploymentLayout, replicaSetLayout, statefulSetLayout } from './workload-layout.ts'

const LAYOUTS: ReadonlyMap<string, Layout> = new Map([
  ['Pod', podLayout],
  ['Service', serviceLayout],
  ['Endpoints', endpointsLayout],
  ['EndpointSlice', endpointSliceLayout],
  ['NetworkPolicy', networkPolicyLayout],
  ['Deployment', deploymentLayout],
  ['ReplicaSet', replicaSetLayout],
  ['DaemonSet', daemonSetLayout],
  ['StatefulSet', statefulSetLayout],
  ['Node', nodeLayout],
  ['Namespace', namespaceLayout],
  ['Event', eventLayout],
  ['ConfigMap', configMapLayout],
  ['ServiceAccount', serviceAccountLayout],
])

export function layoutOf(kind: string): Layout {
  const found = LAYOUTS.get(kind)
  if (found === undefined) throw new Error(`no table layout for ${kind}`)
  return found
}
