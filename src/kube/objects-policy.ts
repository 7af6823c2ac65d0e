/** NetworkPolicies (networking.k8s.io/v1). */
import type { KubeObject, LabelSelector } from './objects-meta.ts'

export interface NetworkPolicy extends KubeObject {
  kind: 'NetworkPolicy'
  spec: {
    podSelector: LabelSelector
    policyTypes: PolicyType[]
    ingress?: { from?: PolicyPeer[]; ports?: PolicyPort[] }[]
    egress?: { to?: PolicyPeer[]; ports?: PolicyPort[] }[]
  }
}

export type PolicyType = 'Ingress' | 'Egress'

export interface PolicyPeer {
  podSelector?: LabelSelector
  namespaceSelector?: LabelSelector
  ipBlock?: { cidr: string; except?: string[] }
}

export interface PolicyPort {
  protocol?: 'TCP' | 'UDP' | 'SCTP'
  port?: number | string
  endPort?: number
}
