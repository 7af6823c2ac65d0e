/** The kinds that the store serves: their group, version, plural and scope. */

export interface KindInfo {
  readonly kind: string
  readonly apiVersion: string
  readonly plural: string
  readonly namespaced: boolean
  /** The API server counts spec changes in metadata.generation. */
  readonly generation: boolean
}

function info(kind: string, apiVersion: string, plural: string, namespaced = true, generation = false): KindInfo {
  return { kind, apiVersion, plural, namespaced, generation }
}

export const KINDS: ReadonlyMap<string, KindInfo> = new Map(
  [
    info('Namespace', 'v1', 'namespaces', false),
    info('Node', 'v1', 'nodes', false),
    info('Pod', 'v1', 'pods'),
    info('Service', 'v1', 'services'),
    info('Endpoints', 'v1', 'endpoints'),
    info('ConfigMap', 'v1', 'configmaps'),
    info('ServiceAccount', 'v1', 'serviceaccounts'),
    info('Event', 'v1', 'events'),
    info('Deployment', 'apps/v1', 'deployments', true, true),
    info('ReplicaSet', 'apps/v1', 'replicasets', true, true),
    info('DaemonSet', 'apps/v1', 'daemonsets', true, true),
    info('StatefulSet', 'apps/v1', 'statefulsets', true, true),
    info('EndpointSlice', 'discovery.k8s.io/v1', 'endpointslices', true, true),
    info('NetworkPolicy', 'networking.k8s.io/v1', 'networkpolicies', true, true),
  ].map((entry) => [entry.kind, entry]),
)

/** `deployments.apps`: how the API server names a type in its sentences. */
export function resourceName(kind: string): string {
  const known = KINDS.get(kind)
  if (known === undefined) return `${kind.toLowerCase()}s`
  const slash = known.apiVersion.indexOf('/')
  return slash < 0 ? known.plural : `${known.plural}.${known.apiVersion.slice(0, slash)}`
}
