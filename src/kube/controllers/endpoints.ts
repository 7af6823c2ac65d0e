/** The Endpoints controller: for Services with a selector, the addresses of their pods, ready and not ready. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { type Backend, backendsOf } from '../backends.ts'
import { canonical, equal } from '../json.ts'
import type { EndpointAddress, EndpointSubset, Endpoints, Service } from '../objects.ts'
import type { Store } from '../store.ts'
import { splitKey } from './queue.ts'
import { serviceQueue } from './service-queue.ts'

const HEADLESS = 'service.kubernetes.io/headless'
const CHANGED = 'endpoints.kubernetes.io/last-change-trigger-time'

export class EndpointsController {
  readonly #store: Store

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    const queue = serviceQueue(store, scheduler, (key) => this.sync(key))
    // Whoever edits what the controller owns sees it put right.
    store.listen('Endpoints', ({ object }) => queue.add(`${object.metadata.namespace}/${object.metadata.name}`))
  }

  /** Looks at the object: makes what is missing, and reports. */
  sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const store = this.#store
    const service = store.get<Service>('Service', namespace, name)
    const present = store.get<Endpoints>('Endpoints', namespace, name)
    if (service === null) {
      if (present !== null) store.remove(present)
      return
    }
    // Without a selector they are somebody else's: written by hand. A Service that became a name keeps what it had.
    if (service.spec.type === 'ExternalName') return
    if (service.spec.selector === undefined || service.metadata.deletionTimestamp !== undefined) return
    if (store.get('Namespace', null, namespace)?.metadata.deletionTimestamp !== undefined) return
    const subsets = subsetsOf(service, backendsOf(store, service))
    if (present !== null && equal(present.subsets ?? [], subsets)) return
    const labels = {
      ...service.metadata.labels,
      ...(service.spec.clusterIP === 'None' ? { [HEADLESS]: '' } : {}),
    }
    const wanted: Endpoints = {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, labels, annotations: { [CHANGED]: store.clock.text() } },
      ...(subsets.length === 0 ? {} : { subsets }),
    }
    if (present === null) store.create(wanted)
    else store.update(wanted)
  }
}

/** One subset for each set of port numbers. */
function subsetsOf(service: Service, backends: readonly Backend[]): EndpointSubset[] {
  const groups = new Map<string, { ports: Backend['ports']; backends: Backend[] }>()
  for (const backend of backends) {
    if (backend.terminating && service.spec.publishNotReadyAddresses !== true) continue
    if (backend.ports.length === 0 && (service.spec.ports ?? []).length > 0) continue
    const key = canonical(backend.ports)
    const group = groups.get(key) ?? { ports: backend.ports, backends: [] }
    group.backends.push(backend)
    groups.set(key, group)
  }
  return [...groups.values()].map((group) => {
    const ready = group.backends.filter((backend) => backend.ready).map(addressOf)
    const waiting = group.backends.filter((backend) => !backend.ready).map(addressOf)
    return {
      ...(ready.length === 0 ? {} : { addresses: ready }),
      ...(waiting.length === 0 ? {} : { notReadyAddresses: waiting }),
      ...(group.ports.length === 0 ? {} : { ports: [...group.ports] }),
    }
  })
}

function addressOf(backend: Backend): EndpointAddress {
  return {
    ip: backend.ip,
    ...(backend.hostname === null ? {} : { hostname: backend.hostname }),
    ...(backend.nodeName === null ? {} : { nodeName: backend.nodeName }),
    targetRef: { ...backend.target },
  }
}
