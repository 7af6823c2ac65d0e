/**
 * The StatefulSet controller: pods with names that stay, NAME-0, NAME-1, …, made one after the other and taken away
 * from the end, each only when all before it are running and ready (podManagementPolicy OrderedReady).
 */

import type { Scheduler } from '../../sim/scheduler.ts'
import { EventRecorder } from '../events.ts'
import { clone } from '../json.ts'
import type { KubeObject, Pod, PodTemplate } from '../objects.ts'
import type { StatefulSet } from '../objects-stateful.ts'
import { claim, controllerOf, controllerReference, isReady } from '../ownership.ts'
import type { Store } from '../store.ts'
import { keyOf, splitKey, WorkQueue } from './queue.ts'
import { templateHash } from './template-hash.ts'

const REVISION = 'controller-revision-hash'
const POD_NAME = 'statefulset.kubernetes.io/pod-name'
const POD_INDEX = 'apps.kubernetes.io/pod-index'

export class StatefulSetController {
  readonly #store: Store
  readonly #events: EventRecorder
  readonly #queue: WorkQueue
  /** Templates by revision: what ControllerRevisions hold. */
  readonly #templates = new Map<string, PodTemplate>()

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    this.#events = new EventRecorder(store, 'statefulset-controller')
    this.#queue = new WorkQueue(scheduler, (key) => this.#sync(key))
    store.listen('StatefulSet', ({ object }) => this.#queue.add(keyOf(object)))
    store.listen('Pod', ({ object, old }) => {
      for (const pod of [object, old]) {
        const controller = pod === null ? null : controllerOf(pod)
        if (controller?.kind === 'StatefulSet') this.#queue.add(`${object.metadata.namespace}/${controller.name}`)
      }
    })
  }

  #sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const set = this.#store.get<StatefulSet>('StatefulSet', namespace, name)
    if (set === null || set.metadata.deletionTimestamp !== undefined) return
    const update = `${name}-${templateHash(set.spec.template)}`
    const revision = (label: string) => `${set.metadata.uid}/${label}`
    this.#templates.set(revision(update), set.spec.template)
    const current = set.status.currentRevision ?? update
    const pods = claim<Pod>(this.#store, set, set.spec.selector, 'Pod').filter((pod) => ordinalOf(set, pod) >= 0)
    const template = (ordinal: number) => {
      const wanted = this.#revisionFor(set, ordinal, current, update, pods)
      return { label: wanted, template: this.#templates.get(revision(wanted)) ?? set.spec.template }
    }
    this.#step(set, pods, update, template)
    this.#report(set, current, update)
  }

  /** Pods below the partition, and those that an update has not come to, are made as they were. */
  #revisionFor(set: StatefulSet, ordinal: number, current: string, update: string, pods: readonly Pod[]): string {
    if (current === update) return update
    const { type, rollingUpdate } = set.spec.updateStrategy
    if (type === 'OnDelete' || ordinal >= (rollingUpdate?.partition ?? 0)) {
      const behind = pods.filter((pod) => labelOf(pod) === current).map((pod) => ordinalOf(set, pod))
      // The update goes from the end: what is before all that is old already would be old too.
      if (type === 'OnDelete' || behind.length === 0 || ordinal > Math.min(...behind)) return update
    }
    return current
  }

  /** One thing at a time, unless the policy is Parallel. */
  #step(
    set: StatefulSet,
    pods: readonly Pod[],
    update: string,
    template: (ordinal: number) => { label: string; template: PodTemplate },
  ): void {
    const { replicas, podManagementPolicy, updateStrategy } = set.spec
    const start = set.spec.ordinals?.start ?? 0
    const ordered = podManagementPolicy !== 'Parallel'
    const at = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]))
    for (let ordinal = start; ordinal < start + replicas; ordinal++) {
      const pod = at.get(ordinal)
      const finished = pod?.status.phase === 'Failed' || pod?.status.phase === 'Succeeded'
      if (pod === undefined) this.#create(set, ordinal, template(ordinal))
      else if (finished && pod.metadata.deletionTimestamp === undefined) this.#delete(set, pod)
      if (ordered && (pod === undefined || finished || !isHealthy(pod))) return
    }
    const beyond = pods.filter((pod) => outside(ordinalOf(set, pod), start, replicas))
    for (const pod of beyond.sort((a, b) => ordinalOf(set, b) - ordinalOf(set, a))) {
      if (pod.metadata.deletionTimestamp === undefined) this.#delete(set, pod)
      if (ordered) return
    }
    if (updateStrategy.type === 'OnDelete') return
    const from = Math.max(start, updateStrategy.rollingUpdate?.partition ?? 0)
    for (let ordinal = start + replicas - 1; ordinal >= from; ordinal--) {
      const pod = at.get(ordinal)
      if (pod === undefined) return
      if (labelOf(pod) !== update && pod.metadata.deletionTimestamp === undefined) return this.#delete(set, pod)
      if (!isHealthy(pod)) return
    }
  }

  #create(set: StatefulSet, ordinal: number, made: { label: string; template: PodTemplate }): void {
    const { metadata, spec } = clone(made.template)
    const name = `${set.metadata.name}-${ordinal}`
    const labels = {
      ...metadata?.labels,
      [POD_INDEX]: `${ordinal}`,
      [REVISION]: made.label,
      [POD_NAME]: name,
    }
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata,
        labels,
        name,
        generateName: `${set.metadata.name}-`,
        namespace: set.metadata.namespace as string,
        ownerReferences: [controllerReference(set)],
      },
      spec: { ...spec, hostname: name, ...(set.spec.serviceName === '' ? {} : { subdomain: set.spec.serviceName }) },
    }
    this.#store.create(pod as KubeObject)
    const { name: own } = set.metadata
    this.#events.normal(set, 'SuccessfulCreate', `create Pod ${name} in StatefulSet ${own} successful`)
  }

  #delete(set: StatefulSet, pod: Pod): void {
    this.#store.delete('Pod', pod.metadata.namespace as string, pod.metadata.name)
    const sentence = `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`
    this.#events.normal(set, 'SuccessfulDelete', sentence)
  }

  #report(set: StatefulSet, current: string, update: string): void {
    const { namespace, name, uid, generation } = set.metadata
    const pods = this.#store.list<Pod>('Pod', namespace as string, (pod) => controllerOf(pod)?.uid === uid)
    const alive = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined)
    const ready = alive.filter(isHealthy)
    const updated = alive.filter((pod) => labelOf(pod) === update).length
    const { replicas } = set.spec
    // An update is complete when all pods are of it and ready.
    const complete =
      current === update || (updated === replicas && ready.length === replicas && pods.length === replicas)
    const now = complete ? update : current
    const old = alive.filter((pod) => labelOf(pod) === now).length
    this.#store.updateStatus('StatefulSet', namespace as string, name, {
      observedGeneration: generation,
      replicas: pods.length,
      ...(ready.length > 0 ? { readyReplicas: ready.length } : {}),
      availableReplicas: ready.length,
      ...(old > 0 ? { currentReplicas: old } : {}),
      ...(updated > 0 ? { updatedReplicas: updated } : {}),
      currentRevision: now,
      updateRevision: update,
      collisionCount: 0,
    })
  }
}

function labelOf(pod: Pod): string {
  return pod.metadata.labels?.[REVISION] ?? ''
}

function isHealthy(pod: Pod): boolean {
  return pod.status.phase === 'Running' && isReady(pod) && pod.metadata.deletionTimestamp === undefined
}

function outside(ordinal: number, start: number, replicas: number): boolean {
  return ordinal < start || ordinal >= start + replicas
}

/** -1 for a pod whose name is none of the set's. */
function ordinalOf(set: StatefulSet, pod: Pod): number {
  const { name } = pod.metadata
  const front = `${set.metadata.name}-`
  const ordinal = name.startsWith(front) ? name.slice(front.length) : ''
  return /^(0|[1-9][0-9]*)$/.test(ordinal) ? Number(ordinal) : -1
}
