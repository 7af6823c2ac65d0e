/**
 * The EndpointSlice controllers: slices of Services with a selector, and mirrors of Endpoints that were written by
 * hand for Services without one. kube-proxy and CoreDNS read slices only.
 */
import type { Scheduler } from '../../sim/scheduler.ts'
import { type Backend, backendsOf, ZONE } from '../backends.ts'
import { canonical, clone, equal } from '../json.ts'
import type { EndpointSlice, Endpoints, KubeObject, OwnerReference, Service, SliceEndpoint } from '../objects.ts'
import { controllerReference } from '../ownership.ts'
import { SERVICE_NAME, slicesOf } from '../slices.ts'
import type { Store } from '../store.ts'
import { keyOf, splitKey } from './queue.ts'
import { serviceQueue } from './service-queue.ts'

export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by'
export const SKIP_MIRROR = 'endpointslice.kubernetes.io/skip-mirror'
const HEADLESS = 'service.kubernetes.io/headless'
const SLICER = 'endpointslice-controller.k8s.io'
const MIRRORER = 'endpointslicemirroring-controller.k8s.io'

/** Endpoints of one slice (--max-endpoints-per-slice). */
const MOST = 100

/** What a slice should hold. */
interface Content {
  readonly ports: NonNullable<EndpointSlice['ports']>
  readonly endpoints: readonly SliceEndpoint[]
}

export class EndpointSliceController {
  readonly #store: Store

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    const queue = serviceQueue(store, scheduler, (key) => this.sync(key))
    store.listen('Endpoints', ({ object }) => queue.add(`${object.metadata.namespace}/${object.metadata.name}`))
    store.listen('Node', ({ object, old }) => {
      if (object.metadata.labels?.[ZONE] === old?.metadata.labels?.[ZONE]) return
      for (const service of store.list('Service')) queue.add(keyOf(service))
    })
    store.listen('EndpointSlice', ({ object, old }) => {
      for (const slice of [object, old]) {
        const service = slice?.metadata.labels?.[SERVICE_NAME]
        if (service !== undefined) queue.add(`${object.metadata.namespace}/${service}`)
      }
    })
  }

  /** Looks at the object: makes what is missing, and reports. */
  sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const service = this.#store.get<Service>('Service', namespace, name)
    if (service === null) return this.#mirror(namespace, name, null)
    if (this.#store.get('Namespace', null, namespace)?.metadata.deletionTimestamp !== undefined) return
    const selecting = service.spec.selector !== undefined && service.spec.type !== 'ExternalName'
    // A Service that loses its selector loses these slices with it: what follows is written by hand.
    this.#write(service, SLICER, selecting ? contentsOf(service, backendsOf(this.#store, service)) : [], service)
    this.#mirror(namespace, name, service)
  }

  #mirror(namespace: string, name: string, service: Service | null): void {
    const endpoints = this.#store.get<Endpoints>('Endpoints', namespace, name)
    const wanted =
      service !== null && service.spec.selector === undefined && endpoints?.metadata.labels?.[SKIP_MIRROR] !== 'true'
    const about = service ?? { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace } }
    const contents = wanted && endpoints !== null ? mirrorsOf(endpoints) : []
    this.#write(about, MIRRORER, contents, endpoints ?? about)
  }

  /** Makes the manager's slices of this Service hold these contents. */
  #write(service: KubeObject, manager: string, contents: readonly Content[], owner: KubeObject): void {
    const store = this.#store
    const { name, namespace } = service.metadata
    const mine = slicesOf(store, namespace as string, name).filter(({ metadata }) => {
      return metadata.labels?.[MANAGED_BY] === manager
    })
    const headless = (service as Service).spec?.clusterIP === 'None'
    const labels = {
      ...service.metadata.labels,
      [MANAGED_BY]: manager,
      [SERVICE_NAME]: name,
      ...(headless ? { [HEADLESS]: '' } : {}),
    }
    contents.forEach((content, i) => {
      const slice = mine[i]
      if (slice === undefined) return this.#create(service, labels, content, controllerReference(owner))
      if (equal(slice.endpoints, content.endpoints) && equal(slice.ports, content.ports)) return
      store.modify(slice, (copy) => Object.assign(copy, clone(content)))
    })
    for (const slice of mine.slice(contents.length)) store.remove(slice)
  }

  #create(service: KubeObject, labels: Record<string, string>, content: Content, owner: OwnerReference): void {
    const { name, namespace } = service.metadata
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: '',
        generateName: `${name}-`,
        namespace: namespace as string,
        labels,
        ownerReferences: [owner],
      },
      addressType: 'IPv4',
      ...clone(content),
    }
    this.#store.create(slice as KubeObject)
  }
}

/** One slice for each set of port numbers; a Service without pods has one empty slice. */
function contentsOf(service: Service, backends: readonly Backend[]): Content[] {
  const groups = new Map<string, { ports: Content['ports']; endpoints: SliceEndpoint[] }>()
  for (const backend of backends) {
    const ports = backend.ports.map((port) => ({ ...port, name: port.name ?? '' }))
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue
    const key = canonical(ports)
    const group = groups.get(key) ?? { ports, endpoints: [] }
    group.endpoints.push({
      addresses: [backend.ip],
      conditions: { ready: backend.ready, serving: backend.serving, terminating: backend.terminating },
      ...(backend.hostname === null ? {} : { hostname: backend.hostname }),
      ...(backend.nodeName === null ? {} : { nodeName: backend.nodeName }),
      ...(backend.zone === null ? {} : { zone: backend.zone }),
      ...hintsOf(service, backend),
      targetRef: { ...backend.target },
    })
    groups.set(key, group)
  }
  if (groups.size === 0) return [{ ports: [], endpoints: [] }]
  return [...groups.values()].flatMap(({ ports, endpoints }) => {
    const count = Math.ceil(endpoints.length / MOST)
    return Array.from({ length: count }, (_, i) => ({ ports, endpoints: endpoints.slice(i * MOST, (i + 1) * MOST) }))
  })
}

/** trafficDistribution: whom an endpoint is for, as far as it is known where it stands. */
function hintsOf(service: Service, { zone, nodeName }: Backend): Pick<SliceEndpoint, 'hints'> {
  const { trafficDistribution: wish } = service.spec
  if (wish === undefined || zone === null) return {}
  const forNodes = wish === 'PreferSameNode' && nodeName !== null ? { forNodes: [{ name: nodeName }] } : {}
  return { hints: { forZones: [{ name: zone }], ...forNodes } }
}

function mirrorsOf(endpoints: Endpoints): Content[] {
  return (endpoints.subsets ?? []).map((subset) => ({
    ports: (subset.ports ?? []).map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' })),
    endpoints: [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ].map(({ address, ready }) => ({
      addresses: [address.ip],
      conditions: { ready },
      ...(address.hostname === undefined ? {} : { hostname: address.hostname }),
      ...(address.nodeName === undefined ? {} : { nodeName: address.nodeName }),
      ...(address.targetRef === undefined ? {} : { targetRef: address.targetRef }),
    })),
  }))
}
