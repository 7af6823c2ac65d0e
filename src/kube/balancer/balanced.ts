/** What load balancer implementations share: which Services are theirs, and where those have endpoints. */
import { equal } from '../json.ts'
import type { LoadBalancerIngress, Node, Service } from '../objects.ts'
import { slicesOf } from '../slices.ts'
import type { Store } from '../store.ts'

/** Nodes with this label take no traffic of load balancers; kubeadm gives it to the control plane's. */
const EXCLUDED = 'node.kubernetes.io/exclude-from-external-load-balancers'

/** A Service of type LoadBalancer whose `loadBalancerClass` is this implementation's. */
export function isMine(service: Service, loadBalancerClass: string | null): boolean {
  const { type, loadBalancerClass: wanted } = service.spec
  return type === 'LoadBalancer' && (wanted ?? null) === loadBalancerClass
}

/** `80/TCP` for each port: what an address can give only once. */
export function portsOf(service: Service): string[] {
  return (service.spec.ports ?? []).map((port) => `${port.port}/${port.protocol}`)
}

/** The nodes that may stand behind a load balancer: well, and not kept out of it. */
export function usableNodes(store: Store): Node[] {
  const well = (node: Node) =>
    node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  return store.list<Node>('Node', null, (node) => well(node) && node.metadata.labels?.[EXCLUDED] === undefined)
}

/** Names of the nodes with ready endpoints of a Service; null as well, for those of nobody's. */
export function nodesWithEndpoints(store: Store, service: Service): ReadonlySet<string | null> {
  const { namespace, name } = service.metadata
  const slices = slicesOf(store, namespace as string, name)
  const ready = slices.flatMap((slice) => slice.endpoints).filter((endpoint) => endpoint.conditions?.ready !== false)
  return new Set(ready.map((endpoint) => endpoint.nodeName ?? null))
}

export function ingressOf(service: Service): readonly LoadBalancerIngress[] {
  return service.status.loadBalancer.ingress ?? []
}

export function setIngress(store: Store, service: Service, ingress: readonly LoadBalancerIngress[]): void {
  const present = store.get<Service>('Service', service.metadata.namespace as string, service.metadata.name)
  if (present === null || equal(ingressOf(present), ingress)) return
  const loadBalancer = ingress.length === 0 ? {} : { ingress: [...ingress] }
  const { namespace, name } = present.metadata
  store.updateStatus('Service', namespace as string, name, { ...present.status, loadBalancer })
}

/** Oldest first: who came first keeps what it has. */
export function byAge(a: Service, b: Service): number {
  const key = ({ metadata }: Service) => `${metadata.creationTimestamp} ${metadata.namespace}/${metadata.name}`
  return key(a) < key(b) ? -1 : 1
}
