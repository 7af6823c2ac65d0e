/**
 * `observe.events`: what changes in a lab besides the frames, as one union told apart by `type`: neighbours, links, routes
 * and addresses of all namespaces (`ip monitor`), the API server's objects, and what becomes of pods.
 */
import { Observable, type Subscriber } from 'rxjs'
import type { KubeObject, Pod } from '../kube/objects.ts'
import type { Change, Store } from '../kube/store.ts'
import type { NetDevice } from '../link/device.ts'
import type { World } from '../link/world.ts'
import type { NeighbourState } from '../net/neighbour-entry.ts'
import type { Netns } from '../net/netns.ts'
import type { Listener } from '../net/notices.ts'
import type { Nanos } from '../sim/scheduler.ts'
import { formatCidr, formatIpv4, formatMac } from '../wire/address.ts'
import { isLab, type LabLike, waker, watchNamespaces, worldOf } from './source.ts'

interface Happening {
  /** Virtual nanoseconds since the world began. */
  readonly time: Nanos
  /** The namespace's name; of objects and pods `namespace/name`, or the name of what has no namespace. */
  readonly where: string
}

export interface NeighbourEvent extends Happening {
  readonly type: 'neighbour'
  readonly gone: boolean
  readonly device: string
  readonly address: string
  readonly mac: string
  readonly state: NeighbourState
}

export interface LinkEvent extends Happening {
  readonly type: 'link'
  /** It left the namespace. */
  readonly gone: boolean
  readonly device: string
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
  /** LOWER_UP. */
  readonly carrier: boolean
}

export interface AddressEvent extends Happening {
  readonly type: 'address'
  readonly gone: boolean
  readonly device: string
  /** With its prefix: `10.244.1.1/24`. */
  readonly address: string
}

export interface RouteEvent extends Happening {
  readonly type: 'route'
  readonly gone: boolean
  /** `main`, `local`, or a number. */
  readonly table: string
  /** `unicast`, `local`, `broadcast`, `blackhole`, … */
  readonly kind: string
  readonly destination: string
  readonly gateway: string | null
  readonly device: string | null
}

export interface ObjectEvent extends Happening {
  readonly type: 'object'
  readonly change: Change['type']
  readonly kind: string
  readonly object: KubeObject
  /** What it was before; null when it is new. */
  readonly old: KubeObject | null
}

/** In the order in which they usually come. */
export type PodStage =
  | 'Created'
  | 'Scheduled'
  | 'Running'
  | 'Ready'
  | 'NotReady'
  | 'Terminating'
  | 'Succeeded'
  | 'Failed'
  | 'Deleted'

export interface PodEvent extends Happening {
  readonly type: 'pod'
  readonly stage: PodStage
  readonly node: string | null
  readonly ip: string | null
  readonly pod: Pod
}

export type ObservedEvent = NeighbourEvent | LinkEvent | AddressEvent | RouteEvent | ObjectEvent | PodEvent

export function events(source: LabLike | World | Netns): Observable<ObservedEvent> {
  const world = worldOf(source)
  return new Observable((subscriber) => {
    const ends = new Map<Netns, () => void>()
    const detach = (netns: Netns) => {
      ends.get(netns)?.()
      ends.delete(netns)
    }
    const attach = (netns: Netns) => void ends.set(netns, netns.listen(new NamespaceEvents(netns, subscriber)))
    const one = 'netfilter' in source ? source : null
    if (one !== null) attach(one)
    const stop = watchNamespaces(
      world,
      (netns) => {
        if (one === null) attach(netns)
      },
      (netns) => {
        if (netns === one) subscriber.complete()
        else detach(netns)
      },
    )
    const store = isLab(source) ? (source.cluster?.store ?? null) : null
    const quiet = store === null ? null : listenTo(store, world, subscriber)
    const wake = waker(source)
    return () => {
      stop()
      quiet?.()
      for (const netns of [...ends.keys()]) detach(netns)
      wake()
    }
  })
}

/** What rtnetlink announces of one namespace. */
class NamespaceEvents implements Listener {
  readonly #netns: Netns
  readonly #subscriber: Subscriber<ObservedEvent>

  constructor(netns: Netns, subscriber: Subscriber<ObservedEvent>) {
    this.#netns = netns
    this.#subscriber = subscriber
  }

  link(device: NetDevice, gone: boolean): void {
    const { name, mtu, up, carrier } = device
    this.#tell({ type: 'link', ...this.#here(), gone, device: name, mac: formatMac(device.mac), mtu, up, carrier })
  }

  address(own: Parameters<Listener['address']>[0], gone: boolean): void {
    const address = `${formatIpv4(own.address)}/${own.prefix}`
    this.#tell({ type: 'address', ...this.#here(), gone, device: own.device.name, address })
  }

  route(route: Parameters<Listener['route']>[0], table: string, gone: boolean): void {
    const gateway = route.gateway === null ? null : formatIpv4(route.gateway)
    const destination = formatCidr(route.destination)
    const device = route.device?.name ?? null
    this.#tell({ type: 'route', ...this.#here(), gone, table, kind: route.type, destination, gateway, device })
  }

  neighbour(neighbour: Parameters<Listener['neighbour']>[0], gone: boolean): void {
    const { device, state } = neighbour
    const address = formatIpv4(neighbour.address)
    const mac = formatMac(neighbour.mac)
    this.#tell({ type: 'neighbour', ...this.#here(), gone, device: device.name, address, mac, state })
  }

  netconf(): void {}

  #here(): Happening {
    return { time: this.#netns.world.scheduler.now, where: this.#netns.name }
  }

  #tell(event: ObservedEvent): void {
    if (!this.#subscriber.closed) this.#subscriber.next(event)
  }
}

function listenTo(store: Store, world: World, subscriber: Subscriber<ObservedEvent>): () => void {
  return store.listen('*', ({ type: change, object, old }) => {
    if (subscriber.closed) return
    const { kind, metadata } = object
    const where = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
    const { now: time } = world.scheduler
    subscriber.next({ type: 'object', time, where, change, kind, object, old })
    if (kind !== 'Pod') return
    const pod = object as Pod
    const node = pod.spec.nodeName ?? null
    const ip = pod.status.podIP ?? null
    for (const stage of stages(change, pod, old as Pod | null)) {
      subscriber.next({ type: 'pod', time, where, stage, node, ip, pod })
    }
  })
}

/** What one change of a pod means for its life. */
function* stages(change: Change['type'], pod: Pod, old: Pod | null): Generator<PodStage> {
  if (change === 'DELETED') return yield 'Deleted'
  if (old === null) yield 'Created'
  if (pod.spec.nodeName !== undefined && old?.spec.nodeName === undefined) yield 'Scheduled'
  const { phase } = pod.status
  const ended = phase === 'Succeeded' || phase === 'Failed'
  if (phase !== old?.status.phase && (phase === 'Running' || ended)) yield phase
  if (pod.metadata.deletionTimestamp !== undefined && old?.metadata.deletionTimestamp === undefined) yield 'Terminating'
  const ready = isReady(pod)
  if (ready !== (old !== null && isReady(old))) yield ready ? 'Ready' : 'NotReady'
}

function isReady(pod: Pod): boolean {
  return pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}
