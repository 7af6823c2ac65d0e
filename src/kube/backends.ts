/** Which pods stand behind a Service, and at which ports: what Endpoints and EndpointSlices are made of. */
import { selected } from './label-table.ts'
import type { EndpointPort, Pod, Service, TargetRef } from './objects.ts'
import { isReady } from './ownership.ts'
import type { Store } from './store.ts'

/** Where a node stands, for traffic that should stay near. */
export const ZONE = 'topology.kubernetes.io/zone'

export interface Backend {
  readonly pod: Pod
  readonly ip: string
  readonly nodeName: string | null
  /** Of its node. */
  readonly zone: string | null
  /** DNS name of its own inside a headless Service. */
  readonly hostname: string | null
  readonly target: TargetRef
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly ports: readonly EndpointPort[]
}

/** In the order of their addresses. Pods without address, and finished ones, are none. */
export function backendsOf(store: Store, service: Service): Backend[] {
  const selector = service.spec.selector ?? {}
  const chosen = (pod: Pod) =>
    pod.status.podIP !== undefined && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed'
  const namespace = service.metadata.namespace as string
  const everyone = Object.keys(selector).length === 0
  const pods = everyone ? store.list<Pod>('Pod', namespace) : selected(store.tables.labelled, namespace, selector)
  return pods
    .filter(chosen)
    .map((pod) => backendOf(store, service, pod))
    .sort((a, b) => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.pod.metadata.name < b.pod.metadata.name ? -1 : 1))
}

function backendOf(store: Store, service: Service, pod: Pod): Backend {
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const serving = isReady(pod)
  const node = store.get('Node', null, pod.spec.nodeName ?? '')
  const { name, namespace, uid } = pod.metadata
  const named = pod.spec.hostname !== undefined && pod.spec.subdomain === service.metadata.name
  return {
    pod,
    ip: pod.status.podIP as string,
    nodeName: pod.spec.nodeName ?? null,
    zone: node?.metadata.labels?.[ZONE] ?? null,
    hostname: named ? (pod.spec.hostname ?? null) : null,
    target: { kind: 'Pod', namespace: namespace as string, name, uid: uid as string },
    ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating),
    serving,
    terminating,
    ports: portsOf(service, pod),
  }
}

/** A port that is named in targetPort is looked up in the pod; pods that lack it have no such port. */
function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const found: EndpointPort[] = []
  for (const port of service.spec.ports ?? []) {
    const number =
      typeof port.targetPort === 'number' ? port.targetPort : namedPort(pod, port.targetPort, port.protocol)
    if (number === null) continue
    found.push({
      ...(port.name ? { name: port.name } : {}),
      port: number,
      protocol: port.protocol,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    })
  }
  return found
}

/** The container port of this name; null when the pod has none. */
export function namedPort(pod: Pod, name: string, protocol: string): number | null {
  for (const container of pod.spec.containers) {
    for (const port of container.ports ?? []) {
      if (port.name === name && (port.protocol ?? 'TCP') === protocol) return port.containerPort
    }
  }
  return null
}
