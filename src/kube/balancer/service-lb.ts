/**
 * The load balancer of clusters that have no addresses but their nodes' (ServiceLB of k3s, Docker Desktop's): every
 * Service of type LoadBalancer gets the nodes' own addresses, so that a port can be had once only.
 */
import type { Scheduler } from '../../sim/scheduler.ts'
import { keyOf, WorkQueue } from '../controllers/queue.ts'
import { EventRecorder } from '../events.ts'
import type { Node, Service } from '../objects.ts'
import { SERVICE_NAME } from '../slices.ts'
import type { Store } from '../store.ts'
import { byAge, ingressOf, isMine, nodesWithEndpoints, portsOf, setIngress, usableNodes } from './balanced.ts'

export class ServiceLb {
  readonly #store: Store
  readonly #class: string | null
  readonly #events: EventRecorder
  /** What was last said to those that wait, by uid. */
  readonly #said = new Map<string, string>()

  constructor(store: Store, scheduler: Scheduler, loadBalancerClass: string | null) {
    this.#store = store
    this.#class = loadBalancerClass
    this.#events = new EventRecorder(store, 'service-controller')
    const queue = new WorkQueue(scheduler, () => this.#sync())
    store.listen('Service', () => queue.add(''))
    store.listen('Node', () => queue.add(''))
    store.listen('EndpointSlice', ({ object }) => {
      if (object.metadata.labels?.[SERVICE_NAME] !== undefined) queue.add('')
    })
  }

  /** Ports go to who has them, then to who came first. */
  #sync(): void {
    const mine = this.#store.list<Service>('Service', null, (service) => isMine(service, this.#class)).sort(byAge)
    const holders = mine.filter((service) => ingressOf(service).length > 0)
    const taken = new Map<string, string>()
    for (const service of [...holders, ...mine.filter((each) => !holders.includes(each))]) {
      const busy = portsOf(service).find((port) => taken.has(port))
      if (busy === undefined) {
        for (const port of portsOf(service)) taken.set(port, keyOf(service))
        this.#give(service)
      } else this.#refuse(service, busy, taken.get(busy) as string)
    }
  }

  #give(service: Service): void {
    const local = service.spec.externalTrafficPolicy === 'Local'
    const serving = nodesWithEndpoints(this.#store, service)
    const nodes = this.#nodes().filter((node) => !local || serving.has(node.metadata.name))
    const ips = nodes.flatMap((node) => node.status.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? [])
    const first = ingressOf(service).length === 0
    this.#said.delete(service.metadata.uid as string)
    if (first && ips.length > 0) this.#events.normal(service, 'EnsuringLoadBalancer', 'Ensuring load balancer')
    const ingress = ips.map((ip) => ({ ip, ipMode: 'VIP' as const }))
    setIngress(this.#store, service, ingress)
    if (first && ingress.length > 0) this.#events.normal(service, 'EnsuredLoadBalancer', 'Ensured load balancer')
  }

  #refuse(service: Service, port: string, holder: string): void {
    const why = `port ${port} of the nodes is taken by service ${holder}`
    const message = `Error syncing load balancer: failed to ensure load balancer: ${why}`
    const uid = service.metadata.uid as string
    setIngress(this.#store, service, [])
    if (this.#said.get(uid) === message) return
    this.#said.set(uid, message)
    this.#events.normal(service, 'EnsuringLoadBalancer', 'Ensuring load balancer')
    this.#events.warning(service, 'SyncLoadBalancerFailed', message)
  }

  /** All nodes of a cluster that keeps every one of them out. */
  #nodes(): Node[] {
    const usable = usableNodes(this.#store)
    return usable.length > 0 ? usable : this.#store.list<Node>('Node')
  }
}
