/** The cluster's API objects as CoreDNS reads them: Services, EndpointSlices and Namespaces. */
import { SECOND } from '../../sim/scheduler.ts'
import { compareIpv4, type Ipv4, tryParseIpv4 } from '../../wire/address.ts'
import type { EndpointSlice, Endpoints, KubeObject, Pod, Service } from '../objects.ts'
import type { Store } from '../store.ts'

/** A port of a Service or of an endpoint; the name may be empty. */
export interface DnsPort {
  readonly name: string
  /** Upper case, as in manifests. */
  readonly protocol: string
  /** -1 stands for the ports of a Service that has none, so that its addresses are found. */
  readonly port: number
}

/** A ready endpoint. */
export interface DnsEndpoint {
  readonly address: Ipv4
  /** Null: named after its address, 10-244-1-2. */
  readonly hostname: string | null
  /** The pod's name; null when none is behind it. */
  readonly pod: string | null
  readonly ports: readonly DnsPort[]
}

export type DnsService =
  | { readonly type: 'cluster'; readonly addresses: readonly Ipv4[]; readonly ports: readonly DnsPort[] }
  | { readonly type: 'headless' }
  | { readonly type: 'external'; readonly target: string }

export interface ServiceName {
  readonly namespace: string
  readonly name: string
}

/** What the server knows, asked anew for every question. Names are lower case. */
export interface DnsRecords {
  hasNamespace(namespace: string): boolean
  service(namespace: string, name: string): DnsService | null
  endpoints(namespace: string, name: string): readonly DnsEndpoint[]
  /** The Service with this cluster address. */
  serviceAt(address: Ipv4): ServiceName | null
  /** The endpoints with this address, under their Services. */
  endpointsAt(address: Ipv4): readonly (ServiceName & { readonly endpoint: DnsEndpoint })[]
  hasPod(namespace: string, address: Ipv4): boolean
  /** The addresses of a name outside the cluster; null when no such name was declared. */
  upstream(name: string): readonly Ipv4[] | null
  /** When the records last changed, in seconds since 1970: the serial of the SOA record. */
  serial(): number
}

/** The two questions that CoreDNS asks of the API; Store is one that answers them. */
export interface ObjectSource {
  get(kind: string, namespace: string | null, name: string): KubeObject | null
  list(kind: string, namespace?: string | null): readonly KubeObject[]
}

const SERVICE_NAME = 'kubernetes.io/service-name'
const NO_PORT: DnsPort = { name: '', protocol: '', port: -1 }

type PortLike = { readonly name?: string; readonly port?: number; readonly protocol?: string }

function portsOf(ports: readonly PortLike[] | undefined): readonly DnsPort[] {
  if (ports === undefined || ports.length === 0) return [NO_PORT]
  return ports.map(({ name = '', protocol = 'TCP', port = 0 }) => ({ name, protocol, port }))
}

function addressesOf(texts: readonly string[]): Ipv4[] {
  return texts.map(tryParseIpv4).filter((address) => address !== null)
}

export interface StoreRecordsOptions {
  /** The outside world's names, lower case, as the topology declares them. */
  readonly upstream: (name: string) => readonly Ipv4[] | null
  /** Seconds since 1970. */
  readonly serial: () => number
}

export class StoreRecords implements DnsRecords {
  readonly #source: ObjectSource
  readonly #options: StoreRecordsOptions

  constructor(source: ObjectSource, options: StoreRecordsOptions) {
    this.#source = source
    this.#options = options
  }

  hasNamespace(namespace: string): boolean {
    return this.#source.get('Namespace', null, namespace) !== null
  }

  service(namespace: string, name: string): DnsService | null {
    const service = this.#source.get('Service', namespace, name) as Service | null
    if (service === null) return null
    const { type, externalName, clusterIP, clusterIPs, ports } = service.spec
    if (type === 'ExternalName') return { type: 'external', target: (externalName ?? '').replace(/\.$/, '') }
    if (clusterIP === 'None') return { type: 'headless' }
    return { type: 'cluster', addresses: addressesOf(clusterIPs ?? [clusterIP ?? '']), ports: portsOf(ports) }
  }

  endpoints(namespace: string, name: string): readonly DnsEndpoint[] {
    const slices = this.#slices(namespace).filter((slice) => slice.metadata.labels?.[SERVICE_NAME] === name)
    const endpoints = slices.length > 0 ? slices.flatMap(readyIn) : this.#written(namespace, name)
    return [...endpoints].sort((a, b) => compareIpv4(a.address, b.address))
  }

  serviceAt(address: Ipv4): ServiceName | null {
    for (const { metadata } of this.#source.list('Service')) {
      const { namespace = 'default', name } = metadata
      const service = this.service(namespace, name)
      if (service?.type === 'cluster' && service.addresses.includes(address)) return { namespace, name }
    }
    return null
  }

  endpointsAt(address: Ipv4): readonly (ServiceName & { readonly endpoint: DnsEndpoint })[] {
    return this.#source.list('Service').flatMap(({ metadata: { namespace = 'default', name } }) =>
      this.endpoints(namespace, name)
        .filter((endpoint) => endpoint.address === address)
        .map((endpoint) => ({ namespace, name, endpoint })),
    )
  }

  hasPod(namespace: string, address: Ipv4): boolean {
    const pods = this.#source.list('Pod', namespace) as readonly Pod[]
    return pods.some((pod) => tryParseIpv4(pod.status.podIP ?? '') === address)
  }

  upstream(name: string): readonly Ipv4[] | null {
    return this.#options.upstream(name)
  }

  serial(): number {
    return this.#options.serial()
  }

  #slices(namespace: string): readonly EndpointSlice[] {
    return this.#source.list('EndpointSlice', namespace) as readonly EndpointSlice[]
  }

  /** Endpoints that somebody wrote by hand; in a real cluster a controller mirrors them into slices. */
  #written(namespace: string, name: string): readonly DnsEndpoint[] {
    const written = this.#source.get('Endpoints', namespace, name) as Endpoints | null
    return (written?.subsets ?? []).flatMap((subset) =>
      (subset.addresses ?? []).flatMap(({ ip, hostname, targetRef }) =>
        addressesOf([ip]).map((address) => ({
          address,
          hostname: hostname ?? null,
          pod: targetRef?.name ?? null,
          ports: portsOf(subset.ports),
        })),
      ),
    )
  }
}

function readyIn(slice: EndpointSlice): readonly DnsEndpoint[] {
  const ports = portsOf(slice.ports)
  // No word about readiness counts as ready.
  const ready = slice.endpoints.filter((endpoint) => endpoint.conditions?.ready !== false)
  return ready.flatMap(({ addresses, hostname, targetRef }) =>
    addressesOf(addresses).map((address) => ({
      address,
      hostname: hostname ?? null,
      pod: targetRef?.name ?? null,
      ports,
    })),
  )
}

/** Of this store, and of the names outside that the topology declares. */
export function storeRecords(store: Store, upstream: Readonly<Record<string, string | readonly string[]>>): DnsRecords {
  const outside = new Map<string, Ipv4[]>()
  for (const [name, value] of Object.entries(upstream)) outside.set(name.toLowerCase(), addressesOf([value].flat()))
  const { clock } = store
  let serial = 0
  const changed = () => {
    serial = clock.epochSeconds + Math.floor(clock.now / SECOND)
  }
  changed()
  for (const kind of ['Service', 'EndpointSlice', 'Endpoints']) store.listen(kind, changed)
  return new StoreRecords(store, { upstream: (name) => outside.get(name) ?? null, serial: () => serial })
}
