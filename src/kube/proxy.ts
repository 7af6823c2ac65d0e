/**
 * kube-proxy on one node: watches Services and EndpointSlices, has its mode write the rules anew when something has
 * changed, and forgets UDP flows that would go on to endpoints that are gone.
 */

import type { Netns } from '../net/netns.ts'
import type { Flow } from '../netfilter/flow.ts'
import { type Scheduler, Timer } from '../sim/scheduler.ts'
import { parseIpv4 } from '../wire/address.ts'
import { SERVICE_NAME } from './controllers/endpointslice.ts'
import { PROXY_DELAY, PROXY_PERIOD } from './latency.ts'
import type { EndpointSlice, Service, ServicePortSpec } from './objects.ts'
import { IptablesMode } from './proxy-iptables.ts'
import type { ProxyMode, ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'
import type { ProxyEndpoint, ProxyService } from './proxy-rules.ts'
import type { Store } from './store.ts'

export interface KubeProxyOptions extends ProxyModeOptions {
  readonly mode: ProxyModeName
}

const UDP = 17

export class KubeProxy {
  readonly #store: Store
  readonly #scheduler: Scheduler
  readonly #netns: Netns
  readonly #options: KubeProxyOptions
  readonly #timer: Timer
  readonly #mode: ProxyMode
  #services: readonly ProxyService[] = []
  #last = Number.NEGATIVE_INFINITY

  constructor(store: Store, scheduler: Scheduler, netns: Netns, options: KubeProxyOptions) {
    this.#store = store
    this.#scheduler = scheduler
    this.#netns = netns
    this.#options = options
    this.#mode = modeOf(options.mode, netns, options)
    this.#timer = new Timer({ run: () => this.sync() })
  }

  /** Writes the rules of what there is now, and follows changes from then on. */
  start(): void {
    const { sysctl } = this.#netns
    sysctl.set('net.netfilter.nf_conntrack_tcp_timeout_established', '86400')
    sysctl.set('net.netfilter.nf_conntrack_tcp_timeout_close_wait', '3600')
    this.#mode.start()
    this.sync()
    this.#store.listen('Service', () => this.#changed())
    this.#store.listen('EndpointSlice', () => this.#changed())
  }

  /** What the rules were last made of. */
  get services(): readonly ProxyService[] {
    return this.#services
  }

  /** Writes the rules now. */
  sync(): void {
    this.#last = this.#scheduler.now
    const services = proxyServices(this.#store, this.#options.node)
    this.#mode.sync(services)
    this.#forgetFlows(services)
    this.#services = services
  }

  #changed(): void {
    if (this.#timer.armed) return
    const soonest = Math.max(this.#scheduler.now + PROXY_DELAY, this.#last + PROXY_PERIOD)
    this.#scheduler.at(this.#timer, soonest)
  }

  /**
   * UDP has no end: an entry that is used lives on. Entries of endpoints that went are deleted, and those that were
   * made while a Service had no endpoint at all.
   */
  #forgetFlows(services: readonly ProxyService[]): void {
    const after = new Map(services.map((service) => [keyOf(service), service]))
    for (const before of this.#services) {
      if (before.protocol !== 'UDP') continue
      const now = after.get(keyOf(before))
      const addresses = new Set((now?.endpoints ?? []).map((endpoint) => endpoint.address))
      for (const { address } of before.endpoints) if (!addresses.has(address)) this.#forget(before, address)
      if (before.endpoints.length === 0 && addresses.size > 0) this.#forget(before, null)
    }
  }

  /** Flows to the Service; only those that were sent to this endpoint, unless it is null. */
  #forget(service: ProxyService, endpoint: string | null): void {
    const portal = parseIpv4(service.clusterIP)
    const answering = endpoint === null ? null : parseIpv4(endpoint)
    this.#netns.netfilter.conntrack.delete((flow: Flow) => {
      const { original, reply } = flow
      if (original.protocol !== UDP) return false
      const toPortal = original.destination === portal && original.destinationPort === service.port
      const toNodePort = service.nodePort !== undefined && original.destinationPort === service.nodePort
      return (toPortal || toNodePort) && (answering === null || reply.source === answering)
    })
  }
}

function modeOf(name: ProxyModeName, netns: Netns, options: ProxyModeOptions): ProxyMode {
  switch (name) {
    case 'iptables':
      return new IptablesMode(netns, options)
  }
}

function keyOf(service: ProxyService): string {
  return `${service.namespace}/${service.name}:${service.portName ?? ''}/${service.protocol}`
}

/** Every port of every Service that has an address, with its ready endpoints, as one node sees them. */
export function proxyServices(store: Store, node: string): ProxyService[] {
  const slices = new Map<string, EndpointSlice[]>()
  for (const slice of store.list<EndpointSlice>('EndpointSlice')) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`
    slices.set(key, [...(slices.get(key) ?? []), slice])
  }
  return store.list<Service>('Service').flatMap((service) => {
    const { clusterIP, type } = service.spec
    if (!clusterIP || clusterIP === 'None' || type === 'ExternalName') return []
    const own = slices.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? []
    return (service.spec.ports ?? []).map((port) => proxyService(service, port, endpointsOf(own, port, node)))
  })
}

function proxyService(service: Service, port: ServicePortSpec, endpoints: ProxyEndpoint[]): ProxyService {
  const { spec, status, metadata } = service
  const balanced = status.loadBalancer.ingress?.[0]?.ip
  const timeout = spec.sessionAffinityConfig?.clientIP.timeoutSeconds
  return {
    namespace: metadata.namespace as string,
    name: metadata.name,
    portName: port.name ?? '',
    protocol: port.protocol,
    clusterIP: spec.clusterIP as string,
    port: port.port,
    endpoints,
    ...(port.nodePort ? { nodePort: port.nodePort } : {}),
    ...(balanced === undefined ? {} : { loadBalancerIP: balanced }),
    ...(spec.externalTrafficPolicy === undefined ? {} : { externalTrafficPolicy: spec.externalTrafficPolicy }),
    ...(spec.internalTrafficPolicy === undefined ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy }),
    ...(spec.sessionAffinity === undefined ? {} : { sessionAffinity: spec.sessionAffinity }),
    ...(timeout === undefined ? {} : { sessionAffinityTimeout: timeout }),
  }
}

/** Ready ones; while there is none, those that still serve on their way out (KEP-1669). */
function endpointsOf(slices: readonly EndpointSlice[], port: ServicePortSpec, node: string): ProxyEndpoint[] {
  const ready = new Map<string, ProxyEndpoint>()
  const leaving = new Map<string, ProxyEndpoint>()
  for (const slice of slices) {
    const number = slice.ports?.find((p) => (p.name ?? '') === (port.name ?? '') && p.protocol === port.protocol)?.port
    if (number === undefined || slice.addressType !== 'IPv4') continue
    for (const { addresses, conditions, nodeName } of slice.endpoints) {
      const endpoint = { address: addresses[0], port: number, local: nodeName === node }
      const key = `${endpoint.address}:${endpoint.port}`
      if (conditions.ready !== false) ready.set(key, endpoint)
      else if (conditions.serving === true && conditions.terminating === true) leaving.set(key, endpoint)
    }
  }
  return [...(ready.size > 0 ? ready : leaving).values()]
}
