/**
 * NetworkPolicies as packets see them: for each policy whom it selects, and whom it lets in and out. Allowing only adds up;
 * whoever is selected by any policy for a direction is closed to all else in that direction.
 */
import { selects } from '../label-selector.ts'
import type { Pod } from '../objects.ts'
import type { NetworkPolicy, PolicyPeer, PolicyPort, PolicyType } from '../objects-policy.ts'
import type { Store } from '../store.ts'

export interface PolicyPlan {
  readonly namespace: string
  readonly name: string
  readonly type: PolicyType
  /** Pods that it selects: those with an address of their own. */
  readonly pods: readonly Pod[]
  readonly rules: readonly PolicyRule[]
}

/** What one rule of a policy allows: any of its ports with any of its peers. */
export interface PolicyRule {
  /** Null: everybody. */
  readonly peers: PolicyPeers | null
  readonly ports: readonly AllowedPort[]
}

export interface PolicyPeers {
  /** Null when no peer of the rule is a selector. */
  readonly pods: readonly Pod[] | null
  readonly blocks: readonly { readonly cidr: string; readonly except: readonly string[] }[]
}

export interface AllowedPort {
  /** Null: all. */
  readonly protocol: 'tcp' | 'udp' | 'sctp' | null
  /** `80`, `80:90`; null: all. */
  readonly ports: string | null
  /** The pods behind a named port; null: whoever the rule is about. */
  readonly pods: readonly Pod[] | null
}

const ALL_PORTS: readonly AllowedPort[] = [{ protocol: null, ports: null, pods: null }]

/** In order of namespace and name; for both directions Ingress comes first. */
export function policyPlans(store: Store): PolicyPlan[] {
  const pods = store.list<Pod>('Pod', null, hasOwnAddress)
  return store.list<NetworkPolicy>('NetworkPolicy').flatMap((policy) => {
    const { spec, metadata } = policy
    const namespace = metadata.namespace as string
    const chosen = pods.filter(
      (pod) => pod.metadata.namespace === namespace && selects(spec.podSelector, pod.metadata.labels),
    )
    const plan = (type: PolicyType, rules: readonly PolicyRule[]): PolicyPlan[] => {
      return spec.policyTypes.includes(type) ? [{ namespace, name: metadata.name, type, pods: chosen, rules }] : []
    }
    const peersOf = (peers: readonly PolicyPeer[] | undefined) => resolvePeers(store, pods, namespace, peers)
    const ingress = (spec.ingress ?? []).map(({ from, ports }): PolicyRule => {
      return { peers: peersOf(from), ports: resolvePorts(ports, chosen) }
    })
    const egress = (spec.egress ?? []).map(({ to, ports }): PolicyRule => {
      const peers = peersOf(to)
      return { peers, ports: resolvePorts(ports, peers === null ? pods : (peers.pods ?? [])) }
    })
    return [...plan('Ingress', ingress), ...plan('Egress', egress)]
  })
}

/** Pods on the host's network are the host; those that have ended have given their addresses back. */
function hasOwnAddress({ spec, status }: Pod): boolean {
  const over = status.phase === 'Succeeded' || status.phase === 'Failed'
  return spec.hostNetwork !== true && status.podIP !== undefined && status.podIP !== '' && !over
}

function resolvePeers(
  store: Store,
  pods: readonly Pod[],
  namespace: string,
  peers: readonly PolicyPeer[] | undefined,
): PolicyPeers | null {
  if (peers === undefined || peers.length === 0) return null
  const bySelector = peers.filter((peer) => peer.ipBlock === undefined)
  const matches = (pod: Pod) => bySelector.some((peer) => isPeer(store, peer, namespace, pod))
  const blocks = peers.flatMap(({ ipBlock }) => {
    return ipBlock === undefined ? [] : [{ cidr: ipBlock.cidr, except: ipBlock.except ?? [] }]
  })
  return { pods: bySelector.length === 0 ? null : pods.filter(matches), blocks }
}

/** Without a namespaceSelector the policy's own namespace is meant; without a podSelector all pods. */
function isPeer(store: Store, peer: PolicyPeer, own: string, { metadata }: Pod): boolean {
  const { podSelector, namespaceSelector } = peer
  if (podSelector !== undefined && !selects(podSelector, metadata.labels)) return false
  if (namespaceSelector === undefined) return metadata.namespace === own
  return selects(namespaceSelector, store.get('Namespace', null, metadata.namespace as string)?.metadata.labels)
}

/** `targets`: the pods whose containers' port names count. */
function resolvePorts(ports: readonly PolicyPort[] | undefined, targets: readonly Pod[]): readonly AllowedPort[] {
  if (ports === undefined || ports.length === 0) return ALL_PORTS
  return ports.flatMap(({ protocol = 'TCP', port, endPort }): AllowedPort[] => {
    const l4 = protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp'
    if (port === undefined) return [{ protocol: l4, ports: null, pods: null }]
    if (typeof port === 'string') return named(port, protocol, targets).map((each) => ({ protocol: l4, ...each }))
    return [{ protocol: l4, ports: endPort === undefined ? `${port}` : `${port}:${endPort}`, pods: null }]
  })
}

/** A name may be another number in each pod: the pods by number, smallest first. */
function named(name: string, protocol: string, targets: readonly Pod[]): { ports: string; pods: Pod[] }[] {
  const found = new Map<number, Pod[]>()
  for (const pod of targets) {
    for (const port of pod.spec.containers.flatMap((container) => container.ports ?? [])) {
      if (port.name !== name || (port.protocol ?? 'TCP') !== protocol) continue
      const pods = found.get(port.containerPort)
      if (pods === undefined) found.set(port.containerPort, [pod])
      else if (!pods.includes(pod)) pods.push(pod)
    }
  }
  return [...found].sort(([a], [b]) => a - b).map(([port, pods]) => ({ ports: `${port}`, pods }))
}
