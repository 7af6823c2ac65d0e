/**
 * What kube-proxy knows of the cluster, whatever its mode: each port of each Service with its endpoints, and which of
 * them a node may use (pkg/proxy: ServicePortMap, EndpointsMap, CategorizeEndpoints).
 */
import { formatCidr, tryParseCidr } from '../wire/address.ts'
import { ZONE } from './backends.ts'
import { sloppyIp } from './ipam.ts'
import type { EndpointSlice, Node, Service, ServicePortSpec, SliceEndpoint } from './objects.ts'
import type { ServiceSelection } from './service-selection.ts'
import { slicesOf } from './slices.ts'
import type { Store } from './store.ts'

/** Services with this label are somebody else's to implement. */
const PROXY_NAME = 'service.kubernetes.io/service-proxy-name'
const HEADLESS = 'service.kubernetes.io/headless'

/** An endpoint that serves: a ready one, or one on its way out that still passes its probes. */
export interface ProxyEndpoint {
  readonly address: string
  readonly port: number
  /** It runs on the node that the rules are for. */
  readonly local: boolean
  /** On its way out: used only where no ready one is (KEP-1669). */
  readonly terminating?: boolean
  /** Hints of the EndpointSlice; none: for everybody. */
  readonly forZones?: readonly string[]
  readonly forNodes?: readonly string[]
}

/** One port of one Service, with everything the rules need. */
export interface ProxyService {
  readonly namespace: string
  readonly name: string
  /** Empty when the port has no name. */
  readonly portName?: string
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly clusterIP: string
  readonly port: number
  readonly nodePort?: number
  /** Of `status.loadBalancer`, but for those whose traffic a proxy brings (`ipMode: Proxy`). */
  readonly loadBalancerIPs?: readonly string[]
  /** Networks, without host bits; none: everybody. */
  readonly sourceRanges?: readonly string[]
  readonly externalIPs?: readonly string[]
  /** Where the node says whether it has endpoints; only with externalTrafficPolicy Local on a load balancer. */
  readonly healthCheckNodePort?: number
  readonly externalTrafficPolicy?: 'Cluster' | 'Local'
  readonly internalTrafficPolicy?: 'Cluster' | 'Local'
  readonly sessionAffinity?: 'None' | 'ClientIP'
  /** Seconds. */
  readonly sessionAffinityTimeout?: number
  readonly endpoints: readonly ProxyEndpoint[]
  /** Not kube-proxy's: this one of `endpoints` is always chosen, for captures that can be repeated. */
  readonly pin?: number
}

/** Where a node stands, for endpoints that are meant for some only. */
export interface ProxyPlace {
  readonly node: string
  readonly zone: string | null
}

/** The endpoints that a node uses for a Service's port. */
export interface Reachable {
  /** For traffic policy Cluster. */
  readonly cluster: readonly ProxyEndpoint[]
  /** For traffic policy Local. */
  readonly local: readonly ProxyEndpoint[]
  /** Both, each once. */
  readonly all: readonly ProxyEndpoint[]
  /** There is one somewhere, though perhaps not for this node. */
  readonly any: boolean
}

/** `default/web:http` */
export function portalOf(service: ProxyService): string {
  const name = `${service.namespace}/${service.name}`
  return service.portName ? `${name}:${service.portName}` : name
}

/** It has an address that is for clients outside. */
export function isExternal(service: ProxyService): boolean {
  const { nodePort, loadBalancerIPs = [], externalIPs = [] } = service
  return nodePort !== undefined || loadBalancerIPs.length > 0 || externalIPs.length > 0
}

export function isExternalLocal(service: ProxyService): boolean {
  return service.externalTrafficPolicy === 'Local'
}

export function isInternalLocal(service: ProxyService): boolean {
  return service.internalTrafficPolicy === 'Local'
}

/**
 * Ready endpoints; where there is none, those that still serve on their way out. With externalTrafficPolicy Local the
 * cluster's endpoints are needed as well: the node's own traffic goes to any.
 */
export function reachable(service: ProxyService, place: ProxyPlace | null = null): Reachable {
  const { endpoints } = service
  const usesCluster = !isInternalLocal(service) || isExternal(service)
  const usesLocal = isInternalLocal(service) || (isExternalLocal(service) && isExternal(service))
  const ready = endpoints.filter((endpoint) => endpoint.terminating !== true)
  const leaving = endpoints.filter((endpoint) => endpoint.terminating === true)
  let cluster: readonly ProxyEndpoint[] = []
  if (usesCluster) {
    cluster = near(ready, place)
    // Out of the way of a broken connection, the place does not matter.
    if (cluster.length === 0) cluster = leaving
  }
  let local: readonly ProxyEndpoint[] = []
  if (usesLocal) {
    local = ready.filter((endpoint) => endpoint.local)
    if (local.length === 0) local = leaving.filter((endpoint) => endpoint.local)
  }
  const all = [...cluster, ...local.filter((endpoint) => !cluster.includes(endpoint))]
  return { cluster, local, all, any: endpoints.length > 0 }
}

/** Hints count only when every endpoint has one, and one is for here: first the node, then the zone. */
function near(ready: readonly ProxyEndpoint[], place: ProxyPlace | null): readonly ProxyEndpoint[] {
  if (place === null) return ready
  const { node, zone } = place
  const hinted = (hints: readonly string[] | undefined) => hints !== undefined && hints.length > 0
  if (ready.every((endpoint) => hinted(endpoint.forNodes))) {
    const here = ready.filter((endpoint) => endpoint.forNodes?.includes(node))
    if (here.length > 0) return here
  }
  if (zone === null || !ready.every((endpoint) => hinted(endpoint.forZones))) return ready
  const here = ready.filter((endpoint) => endpoint.forZones?.includes(zone))
  return here.length > 0 ? here : ready
}

/** The zone of a node, as its labels say now. */
export function placeOf(store: Store, node: string): ProxyPlace {
  const labels = store.get<Node>('Node', null, node)?.metadata.labels
  return { node, zone: labels?.[ZONE] ?? null }
}

/** What was made of a Service, and of which slices: objects of the store are frozen, and changed ones are others. */
interface Known {
  readonly slices: readonly EndpointSlice[]
  readonly ports: readonly ProxyService[]
}

const known = new WeakMap<Service, Map<string, Known>>()

/** Every port of every Service that has an address, as one node sees them; the same objects while nothing changes. */
export function proxyServices(store: Store, node: string, selection: ServiceSelection | null = null): ProxyService[] {
  const services = selection === null ? store.list<Service>('Service') : selection.list(store)
  return services.flatMap((service) => {
    const { clusterIP, type } = service.spec
    const { labels = {}, namespace, name } = service.metadata
    if (labels[PROXY_NAME] !== undefined || labels[HEADLESS] !== undefined) return []
    if (!clusterIP || clusterIP === 'None' || type === 'ExternalName') return []
    const slices = slicesOf(store, namespace as string, name).filter((slice) => {
      return slice.metadata.labels?.[HEADLESS] === undefined
    })
    return portsOf(service, slices, node)
  })
}

function portsOf(service: Service, slices: readonly EndpointSlice[], node: string): readonly ProxyService[] {
  const byNode = known.get(service) ?? new Map<string, Known>()
  known.set(service, byNode)
  // Nodes without an endpoint of it see the same.
  const here = slices.some(({ endpoints }) => endpoints.some(({ nodeName }) => nodeName === node))
  const at = here ? node : ''
  const before = byNode.get(at)
  if (before?.slices.length === slices.length && slices.every((slice, i) => slice === before.slices[i])) {
    return before.ports
  }
  const made = (service.spec.ports ?? []).map((port) => proxyService(service, port, endpointsOf(slices, port, node)))
  byNode.set(at, { slices, ports: made })
  return made
}

function proxyService(service: Service, port: ServicePortSpec, endpoints: ProxyEndpoint[]): ProxyService {
  const { spec, status, metadata } = service
  const balanced = (status.loadBalancer.ingress ?? [])
    .filter((entry) => entry.ip !== undefined && entry.ipMode !== 'Proxy')
    .map((entry) => entry.ip as string)
  const timeout = spec.sessionAffinityConfig?.clientIP.timeoutSeconds
  const checked = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local' && spec.healthCheckNodePort
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((text) => tryParseCidr(text.trim()))
  return {
    namespace: metadata.namespace as string,
    name: metadata.name,
    portName: port.name ?? '',
    protocol: port.protocol,
    clusterIP: sloppyIp(spec.clusterIP as string),
    port: port.port,
    endpoints,
    loadBalancerIPs: spec.type === 'LoadBalancer' ? balanced : [],
    sourceRanges: ranges.filter((range) => range !== null).map(formatCidr),
    externalIPs: (spec.externalIPs ?? []).map(sloppyIp),
    ...(port.nodePort ? { nodePort: port.nodePort } : {}),
    ...(checked ? { healthCheckNodePort: checked } : {}),
    ...(spec.externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy: spec.externalTrafficPolicy }),
    ...(spec.internalTrafficPolicy === undefined ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy }),
    ...(spec.sessionAffinity === undefined ? {} : { sessionAffinity: spec.sessionAffinity }),
    ...(timeout === undefined ? {} : { sessionAffinityTimeout: timeout }),
  }
}

/** Those that serve; an address and port that two slices have is one endpoint. */
function endpointsOf(slices: readonly EndpointSlice[], port: ServicePortSpec, node: string): ProxyEndpoint[] {
  const found = new Map<string, ProxyEndpoint>()
  for (const slice of slices) {
    const number = slice.ports?.find((p) => (p.name ?? '') === (port.name ?? '') && p.protocol === port.protocol)?.port
    if (number === undefined || slice.addressType !== 'IPv4') continue
    for (const entry of slice.endpoints) {
      const endpoint = proxyEndpoint(entry, number, node)
      if (endpoint === null) continue
      const key = `${endpoint.address}:${endpoint.port}`
      if (found.get(key) === undefined || found.get(key)?.terminating === true) found.set(key, endpoint)
    }
  }
  return [...found.values()]
}

function proxyEndpoint(entry: SliceEndpoint, port: number, node: string): ProxyEndpoint | null {
  const { conditions = {}, addresses, nodeName, hints } = entry
  const ready = conditions.ready !== false
  if (!ready && !(conditions.serving === true && conditions.terminating === true)) return null
  const zones = hints?.forZones?.map((zone) => zone.name)
  const nodes = hints?.forNodes?.map((each) => each.name)
  return {
    address: sloppyIp(addresses[0]),
    port,
    local: nodeName === node,
    ...(ready ? {} : { terminating: true }),
    ...(zones === undefined ? {} : { forZones: zones }),
    ...(nodes === undefined ? {} : { forNodes: nodes }),
  }
}
