/** The resource types that the emulated API server serves, and every name that kubectl takes for them. */
import { fail, notModelled } from './failure.ts'

export interface Resource {
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly short: readonly string[]
  readonly group: string
  readonly version: string
  readonly namespaced: boolean
  /** Belongs to `kubectl get all`. */
  readonly all: boolean
}

function resource(
  kind: string,
  plural: string,
  short: readonly string[],
  groupVersion: string,
  namespaced: boolean,
  all = false,
): Resource {
  const slash = groupVersion.indexOf('/')
  return {
    kind,
    plural,
    singular: kind.toLowerCase(),
    short,
    group: slash < 0 ? '' : groupVersion.slice(0, slash),
    version: groupVersion.slice(slash + 1),
    namespaced,
    all,
  }
}

/** In discovery order, which is the order of `get all`. */
export const RESOURCES: readonly Resource[] = [
  resource('ConfigMap', 'configmaps', ['cm'], 'v1', true),
  resource('Endpoints', 'endpoints', ['ep'], 'v1', true),
  resource('Event', 'events', ['ev'], 'v1', true),
  resource('Namespace', 'namespaces', ['ns'], 'v1', false),
  resource('Node', 'nodes', ['no'], 'v1', false),
  resource('Pod', 'pods', ['po'], 'v1', true, true),
  resource('ServiceAccount', 'serviceaccounts', ['sa'], 'v1', true),
  resource('Service', 'services', ['svc'], 'v1', true, true),
  resource('DaemonSet', 'daemonsets', ['ds'], 'apps/v1', true, true),
  resource('Deployment', 'deployments', ['deploy'], 'apps/v1', true, true),
  resource('ReplicaSet', 'replicasets', ['rs'], 'apps/v1', true, true),
  resource('StatefulSet', 'statefulsets', ['sts'], 'apps/v1', true, true),
  resource('EndpointSlice', 'endpointslices', [], 'discovery.k8s.io/v1', true),
  resource('NetworkPolicy', 'networkpolicies', ['netpol'], 'networking.k8s.io/v1', true),
]

/** A real API server has these; podwire's has not. */
const UNSERVED = new Set(
  `secrets secret persistentvolumes persistentvolume pv persistentvolumeclaims
  persistentvolumeclaim pvc replicationcontrollers replicationcontroller rc jobs job
  cronjobs cronjob cj ingresses ingress ing ingressclasses ingressclass leases
  lease roles role rolebindings rolebinding clusterroles clusterrole clusterrolebindings clusterrolebinding
  storageclasses storageclass sc resourcequotas resourcequota quota limitranges limitrange limits componentstatuses
  componentstatus cs horizontalpodautoscalers horizontalpodautoscaler hpa poddisruptionbudgets poddisruptionbudget
  pdb priorityclasses priorityclass pc customresourcedefinitions customresourcedefinition crd crds`.split(/\s+/),
)

export function resourceOfKind(kind: string): Resource | null {
  return RESOURCES.find((candidate) => candidate.kind === kind) ?? null
}

/** `po`, `pods`, `Pod`, `deployments.apps`, `deployment.v1.apps`. */
export function findResource(word: string): Resource | null {
  const lower = word.toLowerCase()
  for (const candidate of RESOURCES) {
    const names = [candidate.plural, candidate.singular, ...candidate.short]
    for (const name of names) {
      if (lower === name) return candidate
      if (candidate.group !== '' && lower === `${name}.${candidate.group}`) return candidate
      if (lower === `${name}.${candidate.version}.${candidate.group}`) return candidate
    }
  }
  return null
}

export function needResource(word: string): Resource {
  const found = findResource(word)
  if (found !== null) return found
  if (UNSERVED.has(word.toLowerCase().split('.')[0]!)) notModelled(`the resource type "${word}"`)
  fail(`the server doesn't have a resource type "${word}"`)
}

/** `pods,svc` or `all`. */
export function needResources(word: string): Resource[] {
  const found: Resource[] = []
  for (const part of word.split(',')) {
    if (part === '') continue
    if (part === 'all') found.push(...RESOURCES.filter((candidate) => candidate.all))
    else found.push(needResource(part))
  }
  return found
}

/** `pod/web`, `deployment.apps/web`: how kubectl names an object in its messages. */
export function label(resource: Resource, name: string): string {
  return `${groupedKind(resource)}/${name}`
}

/** `pod`, `deployment.apps`. */
export function groupedKind(resource: Resource): string {
  return resource.group === '' ? resource.singular : `${resource.singular}.${resource.group}`
}

/** `pods`, `deployments.apps`: how the API server names the type in its errors. */
export function groupedPlural(resource: Resource): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

export function groupVersion(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}
