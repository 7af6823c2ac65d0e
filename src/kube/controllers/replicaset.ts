/** The ReplicaSet controller: as many pods as asked for, claimed by label. */

import type { Scheduler } from '../../sim/scheduler.ts'
import { EventRecorder } from '../events.ts'
import { clone } from '../json.ts'
import { selects } from '../label-selector.ts'
import type { KubeObject, Pod, ReplicaSet } from '../objects.ts'
import { claim, controllerOf, controllerReference, isActive, isReady, readySince } from '../ownership.ts'
import type { Change, Store } from '../store.ts'
import { keyOf, splitKey, WorkQueue } from './queue.ts'

export class ReplicaSetController {
  readonly #store: Store
  readonly #events: EventRecorder
  readonly #queue: WorkQueue

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    this.#events = new EventRecorder(store, 'replicaset-controller')
    this.#queue = new WorkQueue(scheduler, (key) => this.sync(key))
    store.listen('ReplicaSet', (change) => this.#queue.add(keyOf(change.object)))
    store.listen('Pod', (change) => this.#podChanged(change))
  }

  /** Wakes whoever controlled the pod, controls it, or would like to. */
  #podChanged({ object, old }: Change): void {
    const namespace = object.metadata.namespace as string
    for (const pod of [object, old]) {
      const controller = pod === null ? null : controllerOf(pod)
      if (controller?.kind === 'ReplicaSet') this.#queue.add(`${namespace}/${controller.name}`)
    }
    if (controllerOf(object) !== null) return
    const matches = (set: ReplicaSet) => selects(set.spec.selector, object.metadata.labels)
    for (const set of this.#store.list<ReplicaSet>('ReplicaSet', namespace, matches)) this.#queue.add(keyOf(set))
  }

  /** Looks at the object: makes what is missing, and reports. */
  sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const set = this.#store.get<ReplicaSet>('ReplicaSet', namespace, name)
    if (set === null) return
    const active = claim<Pod>(this.#store, set, set.spec.selector, 'Pod').filter(isActive)
    if (set.metadata.deletionTimestamp === undefined) {
      const missing = set.spec.replicas - active.length
      for (let i = 0; i < missing; i++) this.#createPod(set)
      if (missing < 0) for (const pod of victims(active).slice(0, -missing)) this.#deletePod(set, pod)
    }
    this.#report(set)
  }

  #createPod(set: ReplicaSet): void {
    const pod = podOf(set)
    try {
      const created = this.#store.create(pod)
      this.#events.normal(set, 'SuccessfulCreate', `Created pod: ${created.metadata.name}`)
    } catch (error) {
      this.#events.warning(set, 'FailedCreate', `Error creating: ${(error as Error).message}`)
    }
  }

  #deletePod(set: ReplicaSet, pod: Pod): void {
    this.#store.delete('Pod', pod.metadata.namespace as string, pod.metadata.name)
    this.#events.normal(set, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
  }

  #report(set: ReplicaSet): void {
    const owned = this.#store.ownedBy(set.metadata.uid as string)
    const pods = owned.filter(
      (object): object is Pod => object.kind === 'Pod' && controllerOf(object)?.uid === set.metadata.uid,
    )
    const active = pods.filter(isActive)
    const labels = set.spec.template.metadata?.labels ?? {}
    const labelled = active.filter((pod) => Object.entries(labels).every(([k, v]) => pod.metadata.labels?.[k] === v))
    const ready = active.filter(isReady)
    const available = ready.filter((pod) => this.#isAvailable(set, pod))
    this.#store.updateStatus('ReplicaSet', set.metadata.namespace as string, set.metadata.name, {
      replicas: active.length,
      ...(labelled.length > 0 ? { fullyLabeledReplicas: labelled.length } : {}),
      ...(ready.length > 0 ? { readyReplicas: ready.length } : {}),
      ...(available.length > 0 ? { availableReplicas: available.length } : {}),
      observedGeneration: set.metadata.generation,
    })
  }

  /** Ready for at least minReadySeconds; looks again when that will be. */
  #isAvailable(set: ReplicaSet, pod: Pod): boolean {
    const seconds = set.spec.minReadySeconds ?? 0
    const since = readySince(pod)
    if (seconds === 0 || since === null) return true
    const { clock } = this.#store
    const rest = clock.parse(since) + seconds * 1e9 - clock.now
    if (rest > 0) this.#queue.add(keyOf(set), rest)
    return rest <= 0
  }
}

/** Pods in the order in which a ReplicaSet gives them up: unscheduled, pending, not ready, crowded, youngest. */
function victims(pods: readonly Pod[]): Pod[] {
  const onNode = (pod: Pod) => pods.filter((other) => other.spec.nodeName === pod.spec.nodeName).length
  const restarts = (pod: Pod) => (pod.status.containerStatuses ?? []).reduce((sum, c) => sum + c.restartCount, 0)
  const rank = (pod: Pod): number[] => [
    pod.spec.nodeName === undefined ? 0 : 1,
    pod.status.phase === 'Pending' ? 0 : 1,
    isReady(pod) ? 1 : 0,
    -onNode(pod),
  ]
  return [...pods].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)]
    for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return left[i] - right[i]
    return (
      compare(readySince(b) ?? '', readySince(a) ?? '') ||
      restarts(b) - restarts(a) ||
      compare(b.metadata.creationTimestamp ?? '', a.metadata.creationTimestamp ?? '') ||
      Number(b.metadata.resourceVersion) - Number(a.metadata.resourceVersion)
    )
  })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** A new pod of the set. */
export function podOf(set: ReplicaSet): KubeObject {
  const { metadata, spec } = clone(set.spec.template)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: '',
      namespace: set.metadata.namespace as string,
      generateName: `${set.metadata.name}-`,
      ownerReferences: [controllerReference(set)],
    },
    spec,
  } as KubeObject
}
