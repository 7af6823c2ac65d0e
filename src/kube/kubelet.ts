/** The kubelet of one node: follows the pods bound to it, and has a worker for each. */
import { MILLISECOND, SECOND } from '../sim/scheduler.ts'
import { WorkQueue } from './controllers/queue.ts'
import { EventRecorder } from './events.ts'
import { equal } from './json.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { KUBELET, RELIST, SYNC } from './latency.ts'
import type { ConfigMap, Pod } from './objects.ts'
import type { DnsSettings } from './pod-environment.ts'
import { PodWorker } from './pod-worker.ts'
import type { ContainerRuntime } from './runtime.ts'
import type { Store } from './store.ts'
import { mountsConfigMap } from './volumes.ts'

export interface KubeletOptions {
  readonly node: string
  readonly hostIp: string
  readonly dns: DnsSettings
}

/** Pods that have been running since before the world began, and that nobody has needed yet. */
export interface SleepingPods {
  has(uid: string): boolean
  wake(uid: string): void
  wakeAll(): void
}

export class Kubelet {
  readonly #store: Store
  readonly #context: KubeletContext
  readonly #workers = new Map<string, PodWorker>()
  readonly #queue: WorkQueue
  #alive = true
  /** Null: every pod has its worker. */
  sleepers: SleepingPods | null = null

  constructor(store: Store, runtime: ContainerRuntime, options: KubeletOptions) {
    const { machine } = runtime
    const { scheduler } = machine.world
    this.#store = store
    this.#queue = new WorkQueue(scheduler, (uid) => this.#sync(uid))
    this.#context = {
      ...options,
      store,
      scheduler,
      runtime,
      events: new EventRecorder(store, 'kubelet', options.node),
      probes: machine.addPlace('kubelet', machine.netns, { hostname: machine.name, programs: new Map() }),
      wake: (uid, delay) => this.#queue.add(uid, delay),
    }
    runtime.onChange = (sandbox) => this.#queue.add(sandbox.uid, RELIST)
    hear(store, options.node, (pod, old) => this.#changed(pod, old))
    store.listen('ConfigMap', ({ type, object }) => {
      if (type === 'MODIFIED') this.#configured(object as ConfigMap)
    })
  }

  /** The worker of a pod; null when the pod is not here. */
  worker(uid: string): PodWorker | null {
    if (this.sleepers?.has(uid) === true) this.sleepers.wake(uid)
    return this.#workers.get(uid) ?? null
  }

  /** A worker for a pod that has been running since before. */
  resume(pod: Pod): PodWorker {
    const worker = new PodWorker(this.#context, pod)
    this.#workers.set(pod.metadata.uid as string, worker)
    return worker
  }

  get alive(): boolean {
    return this.#alive
  }

  /** While it is down, nothing is started, restarted or told. */
  setAlive(alive: boolean): void {
    this.#alive = alive
    if (!alive) return
    for (const pod of this.#store.tables.bound.on(this.#context.node)) {
      this.#queue.add(pod.metadata.uid as string, KUBELET)
    }
    for (const uid of this.#workers.keys()) this.#queue.add(uid, KUBELET)
  }

  /** Volumes follow their ConfigMap at the pod's next sync, of which there is one a minute. */
  #configured(map: ConfigMap): void {
    const { scheduler, runtime } = this.#context
    for (const worker of this.#workers.values()) {
      if (!mountsConfigMap(worker.pod, map)) continue
      const wait = runtime.machine.world.random.below(SYNC / MILLISECOND) * MILLISECOND
      scheduler.call(wait, () => worker.refreshVolumes())
    }
  }

  /** What the kubelet itself reported is no news. */
  #changed(pod: Pod, old: Pod | null): void {
    const uid = pod.metadata.uid as string
    const reported = old !== null && this.worker(uid) !== null && equal(old.spec, pod.spec) && !gatesMoved(pod, old)
    const leaving = pod.metadata.deletionTimestamp !== undefined
    if (!reported || leaving || this.#store.get('Pod', pod.metadata.namespace as string, pod.metadata.name) === null) {
      this.#queue.add(uid, KUBELET)
    }
  }

  #sync(uid: string): void {
    if (!this.#alive) return
    const worker = this.worker(uid) ?? undefined
    const found = this.#store.find(uid)
    const pod = found?.kind === 'Pod' ? (found as Pod) : null
    if (worker === undefined) {
      if (pod === null) return
      if (pod.metadata.deletionTimestamp !== undefined) return this.#gone(pod)
      const made = new PodWorker(this.#context, pod)
      this.#workers.set(uid, made)
      return made.sync()
    }
    if (pod !== null && pod.metadata.deletionTimestamp === undefined) {
      worker.pod = pod
      return worker.sync()
    }
    // Without an object nobody waits for it.
    const grace = pod === null ? 0 : (pod.metadata.deletionGracePeriodSeconds ?? 0)
    worker.terminate(grace * SECOND, () => {
      this.#workers.delete(uid)
      const left = this.#store.get<Pod>('Pod', worker.pod.metadata.namespace as string, worker.pod.metadata.name)
      if (left?.metadata.uid === uid) this.#gone(left)
    })
  }

  /** Everything of it has ended: the object may go. */
  #gone(pod: Pod): void {
    this.#store.remove(pod)
  }
}

/** Somebody has said whether the pod may be ready. */
function gatesMoved(pod: Pod, old: Pod): boolean {
  return (pod.spec.readinessGates ?? []).some(({ conditionType }) => {
    const [now, before] = [pod, old].map((each) => each.status.conditions?.find(({ type }) => type === conditionType))
    return now?.status !== before?.status
  })
}

type Hearer = (pod: Pod, old: Pod | null) => void

/** By the name of the node. Who is missing is called for first. */
class Hearers extends Map<string, Hearer> {
  absent: ((node: string) => void) | null = null
}

const hearers = new WeakMap<Store, Hearers>()

/** Calls kubelets that are not there yet, when one of their pods changes. */
export function callKubelets(store: Store, absent: (node: string) => void): void {
  const known = hearers.get(store)
  if (known !== undefined) known.absent = absent
}

/** The kubelets of a store share one listener: each hears of its own node's pods, as their watches select by spec.nodeName. */
function hear(store: Store, node: string, hearer: Hearer): void {
  const known = hearers.get(store)
  if (known !== undefined) return void known.set(node, hearer)
  const made = new Hearers([[node, hearer]])
  hearers.set(store, made)
  store.listen('Pod', ({ object, old }) => {
    const pod = object as Pod
    const { nodeName } = pod.spec
    if (nodeName === undefined) return
    if (!made.has(nodeName)) made.absent?.(nodeName)
    made.get(nodeName)?.(pod, old as Pod | null)
  })
}
