/** The Deployment controller: one ReplicaSet per template, and the rolling change from one to the next. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { EventRecorder } from '../events.ts'
import { clone, equal } from '../json.ts'
import type { Deployment, KubeObject, PodTemplate, ReplicaSet } from '../objects.ts'
import { claim, controlled, controllerOf, controllerReference } from '../ownership.ts'
import type { Store } from '../store.ts'
import { deploymentStatus } from './deployment-status.ts'
import { keyOf, splitKey, WorkQueue } from './queue.ts'
import { templateHash } from './template-hash.ts'

const REVISION = 'deployment.kubernetes.io/revision'
const DESIRED = 'deployment.kubernetes.io/desired-replicas'
const MOST = 'deployment.kubernetes.io/max-replicas'
const HASH = 'pod-template-hash'

export class DeploymentController {
  readonly #store: Store
  readonly #scheduler: Scheduler
  readonly #events: EventRecorder
  readonly #queue: WorkQueue

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    this.#scheduler = scheduler
    this.#events = new EventRecorder(store, 'deployment-controller')
    this.#queue = new WorkQueue(scheduler, (key) => this.sync(key))
    store.listen('Deployment', (change) => this.#queue.add(keyOf(change.object)))
    store.listen('ReplicaSet', ({ object, old }) => {
      for (const set of [object, old]) {
        const controller = set === null ? null : controllerOf(set)
        if (controller?.kind === 'Deployment') this.#queue.add(`${object.metadata.namespace}/${controller.name}`)
      }
    })
  }

  /** Looks at the object: makes what is missing, and reports. */
  sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const deployment = this.#store.get<Deployment>('Deployment', namespace, name)
    if (deployment === null) return
    const sets = claim<ReplicaSet>(this.#store, deployment, deployment.spec.selector, 'ReplicaSet')
    if (deployment.metadata.deletionTimestamp === undefined) this.#roll(deployment, sets)
    this.#report(namespace, name)
  }

  #roll(deployment: Deployment, sets: ReplicaSet[]): void {
    const current =
      sets.find((set) => equal(plainTemplate(set.spec.template), plainTemplate(deployment.spec.template))) ?? null
    const old = sets.filter((set) => set !== current)
    if (deployment.spec.paused === true) {
      if (current !== null) this.#scaleTo(deployment, current, deployment.spec.replicas - sum(old, wanted))
      return
    }
    const fresh = this.#ensure(deployment, current, old)
    if (deployment.spec.strategy.type === 'Recreate') this.#recreate(deployment, fresh, old)
    else this.#rollingUpdate(deployment, fresh, old)
    this.#forget(deployment, old)
  }

  /** The ReplicaSet of the present template, with the revision that belongs to it. */
  #ensure(deployment: Deployment, current: ReplicaSet | null, old: readonly ReplicaSet[]): ReplicaSet {
    const revision = String(Math.max(0, ...old.map(revisionOf)) + 1)
    const { spec, metadata } = deployment
    if (current !== null) {
      const kept = revisionOf(current) >= Number(revision) ? String(revisionOf(current)) : revision
      this.#stampRevision(deployment, kept)
      return this.#store.modify(current, (set) => {
        set.metadata.annotations = { ...set.metadata.annotations, ...replicaNotes(deployment), [REVISION]: kept }
        if (spec.minReadySeconds !== undefined) set.spec.minReadySeconds = spec.minReadySeconds
      })
    }
    this.#stampRevision(deployment, revision)
    const hash = templateHash(spec.template)
    const labels = { ...spec.template.metadata?.labels, [HASH]: hash }
    const set = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${metadata.name}-${hash}`,
        namespace: metadata.namespace as string,
        labels,
        annotations: { ...ownAnnotations(deployment), ...replicaNotes(deployment), [REVISION]: revision },
        ownerReferences: [controllerReference(deployment)],
      },
      spec: {
        replicas: 0,
        selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [HASH]: hash } },
        template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
        ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      },
    }
    return this.#store.create(clone(set) as KubeObject) as ReplicaSet
  }

  #stampRevision(deployment: Deployment, revision: string): void {
    this.#store.modify(deployment, ({ metadata }) => {
      metadata.annotations = { ...metadata.annotations, [REVISION]: revision }
    })
  }

  #recreate(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): void {
    for (const set of old) this.#scaleTo(deployment, set, 0)
    const pods = this.#store.list('Pod', deployment.metadata.namespace as string, (pod) =>
      old.some((set) => controllerOf(pod)?.uid === set.metadata.uid),
    )
    // The last old pod must be gone before the first new one comes.
    if (pods.length === 0) this.#scaleTo(deployment, fresh, deployment.spec.replicas)
  }

  #rollingUpdate(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[]): void {
    const desired = deployment.spec.replicas
    const { maxSurge, maxUnavailable } = limits(deployment)
    const room = desired + maxSurge - (sum(old, wanted) + wanted(fresh))
    if (old.every((set) => wanted(set) === 0) || wanted(fresh) > desired) this.#scaleTo(deployment, fresh, desired)
    else if (wanted(fresh) < desired && room > 0) {
      this.#scaleTo(deployment, fresh, Math.min(desired, wanted(fresh) + room))
      return
    }
    this.#shrinkOld(deployment, fresh, old, desired - maxUnavailable)
  }

  /** Takes from the old ReplicaSets what availability allows: broken pods first, then the oldest sets. */
  #shrinkOld(deployment: Deployment, fresh: ReplicaSet, old: readonly ReplicaSet[], least: number): void {
    const newUnavailable = wanted(fresh) - available(fresh)
    let allowed = sum(old, wanted) + wanted(fresh) - least - newUnavailable
    const left = new Map(old.map((set) => [set, wanted(set)]))
    const oldest = [...old].sort((a, b) => revisionOf(a) - revisionOf(b))
    for (const set of oldest) {
      const broken = Math.min(Math.max(0, allowed), wanted(set) - Math.min(available(set), wanted(set)))
      left.set(set, wanted(set) - broken)
      allowed -= broken
    }
    let spare = sum(old, available) + available(fresh) - least
    for (const set of oldest) {
      const taken = Math.min(Math.max(0, spare), left.get(set) as number)
      left.set(set, (left.get(set) as number) - taken)
      spare -= taken
    }
    for (const set of oldest) this.#scaleTo(deployment, set, left.get(set) as number)
  }

  #scaleTo(deployment: Deployment, set: ReplicaSet, replicas: number): void {
    const target = Math.max(0, replicas)
    const before = wanted(set)
    if (before === target) return
    this.#store.modify(set, (copy) => {
      copy.spec.replicas = target
      copy.metadata.annotations = { ...copy.metadata.annotations, ...replicaNotes(deployment) }
    })
    const way = target > before ? 'up' : 'down'
    const message = `Scaled ${way} replica set ${set.metadata.name} from ${before} to ${target}`
    this.#events.normal(deployment, 'ScalingReplicaSet', message)
  }

  /** Old ReplicaSets beyond the history limit go, oldest first. */
  #forget(deployment: Deployment, old: readonly ReplicaSet[]): void {
    const idle = old.filter((set) => wanted(set) === 0 && set.status.replicas === 0)
    const surplus = idle.length - deployment.spec.revisionHistoryLimit
    const oldest = [...idle].sort((a, b) => revisionOf(a) - revisionOf(b))
    for (const set of oldest.slice(0, Math.max(0, surplus))) {
      this.#store.delete('ReplicaSet', set.metadata.namespace as string, set.metadata.name)
    }
  }

  #report(namespace: string, name: string): void {
    const deployment = this.#store.get<Deployment>('Deployment', namespace, name)
    if (deployment === null) return
    const sets = controlled<ReplicaSet>(this.#store, deployment, 'ReplicaSet')
    const current =
      sets.find((set) => equal(plainTemplate(set.spec.template), plainTemplate(deployment.spec.template))) ?? null
    const { status, deadline } = deploymentStatus(
      deployment,
      sets,
      current,
      limits(deployment).maxUnavailable,
      this.#store.clock,
    )
    this.#store.updateStatus('Deployment', namespace, name, status)
    if (deadline !== null) this.#queue.add(keyOf(deployment), Math.max(0, deadline - this.#scheduler.now))
  }
}

function wanted(set: ReplicaSet): number {
  return set.spec.replicas
}

function available(set: ReplicaSet): number {
  return set.status.availableReplicas ?? 0
}

function sum(sets: readonly ReplicaSet[], value: (set: ReplicaSet) => number): number {
  return sets.reduce((total, set) => total + value(set), 0)
}

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0)
}

/** The template without the hash that the controller adds. */
function plainTemplate(template: PodTemplate): unknown {
  const copy = clone(template)
  if (copy.metadata?.labels !== undefined) delete copy.metadata.labels[HASH]
  return copy
}

function replicaNotes(deployment: Deployment): Record<string, string> {
  const { replicas } = deployment.spec
  return { [DESIRED]: String(replicas), [MOST]: String(replicas + limits(deployment).maxSurge) }
}

/** What a ReplicaSet inherits of the Deployment's annotations. */
function ownAnnotations(deployment: Deployment): Record<string, string> {
  const { 'kubectl.kubernetes.io/last-applied-configuration': _applied, ...rest } =
    deployment.metadata.annotations ?? {}
  return rest
}

/** Percentages as numbers of pods: surge is rounded up, unavailability down; both zero means one may be missing. */
function limits(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const { strategy, replicas } = deployment.spec
  if (strategy.type === 'Recreate') return { maxSurge: 0, maxUnavailable: replicas }
  const share = (value: number | string | undefined, round: (x: number) => number) =>
    typeof value === 'string' && value.endsWith('%')
      ? round((Number.parseInt(value, 10) * replicas) / 100)
      : Number(value ?? 0)
  const maxSurge = share(strategy.rollingUpdate?.maxSurge, Math.ceil)
  const maxUnavailable = share(strategy.rollingUpdate?.maxUnavailable, Math.floor)
  return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : Math.min(maxUnavailable, replicas) }
}
