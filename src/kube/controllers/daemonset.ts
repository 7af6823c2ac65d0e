/** The DaemonSet controller: one pod on every node that would have it. */

import type { Scheduler } from '../../sim/scheduler.ts'
import { EventRecorder } from '../events.ts'
import { clone } from '../json.ts'
import type { DaemonSet, KubeObject, Node, Pod, Toleration } from '../objects.ts'
import { claim, controllerOf, controllerReference, isActive, isReady } from '../ownership.ts'
import { matchesNode, untolerated } from '../scheduling.ts'
import type { Store } from '../store.ts'
import { keyOf, splitKey, WorkQueue } from './queue.ts'
import { templateHash } from './template-hash.ts'

const HASH = 'controller-revision-hash'

/** Daemons stay on nodes that are in trouble. */
const TOLERATED: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]

export class DaemonSetController {
  readonly #store: Store
  readonly #events: EventRecorder
  readonly #queue: WorkQueue

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    this.#events = new EventRecorder(store, 'daemonset-controller')
    this.#queue = new WorkQueue(scheduler, (key) => this.sync(key))
    store.listen('DaemonSet', ({ object }) => this.#queue.add(keyOf(object)))
    store.listen('Node', () => {
      for (const set of store.list('DaemonSet')) this.#queue.add(keyOf(set))
    })
    store.listen('Pod', ({ object, old }) => {
      for (const pod of [object, old]) {
        const controller = pod === null ? null : controllerOf(pod)
        if (controller?.kind === 'DaemonSet') this.#queue.add(`${object.metadata.namespace}/${controller.name}`)
      }
    })
  }

  /** Looks at the object: makes what is missing, and reports. */
  sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const set = this.#store.get<DaemonSet>('DaemonSet', namespace, name)
    if (set === null || set.metadata.deletionTimestamp !== undefined) return
    const hash = templateHash(set.spec.template)
    const pods = claim<Pod>(this.#store, set, set.spec.selector, 'Pod')
    const nodes = this.#store.list<Node>('Node').filter((node) => wants(set, node))
    const targeted = byTarget(pods)
    for (const node of nodes) {
      const here = targeted.get(node.metadata.name) ?? []
      if (here.length === 0) this.#create(set, node, hash)
      for (const pod of here.filter((p) => p.status.phase === 'Failed' && p.metadata.deletionTimestamp === undefined)) {
        this.#delete(set, pod)
      }
    }
    const names = new Set(nodes.map((node) => node.metadata.name))
    for (const pod of pods) if (isActive(pod) && !names.has(targetOf(pod) ?? '')) this.#delete(set, pod)
    if (set.spec.updateStrategy.type === 'RollingUpdate')
      this.#replaceOutdated(set, pods.filter(isActive), nodes.length, hash)
    this.#report(set, nodes, hash)
  }

  #replaceOutdated(set: DaemonSet, pods: readonly Pod[], wanted: number, hash: string): void {
    const limit = set.spec.updateStrategy.rollingUpdate?.maxUnavailable ?? 1
    const most = typeof limit === 'number' ? limit : Math.max(1, Math.ceil((Number.parseInt(limit, 10) * wanted) / 100))
    let unavailable = wanted - pods.filter(isReady).length
    for (const pod of pods.filter((p) => p.metadata.labels?.[HASH] !== hash)) {
      if (isReady(pod) && unavailable >= most) continue
      if (isReady(pod)) unavailable++
      this.#delete(set, pod)
    }
  }

  #create(set: DaemonSet, node: Node, hash: string): void {
    const created = this.#store.create(daemonOf(set, node.metadata.name, hash))
    this.#events.normal(set, 'SuccessfulCreate', `Created pod: ${created.metadata.name}`)
  }

  #delete(set: DaemonSet, pod: Pod): void {
    this.#store.delete('Pod', pod.metadata.namespace as string, pod.metadata.name)
    this.#events.normal(set, 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
  }

  #report(set: DaemonSet, nodes: readonly Node[], hash: string): void {
    const { namespace, name, uid, generation } = set.metadata
    const owned = this.#store.ownedBy(uid as string) as Pod[]
    const pods = owned
      .filter((pod) => pod.kind === 'Pod' && controllerOf(pod)?.uid === uid && isActive(pod))
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    const targeted = byTarget(pods)
    const on = (node: Node) => targeted.get(node.metadata.name)?.at(0) ?? null
    const scheduled = nodes.map(on).filter((pod): pod is Pod => pod !== null)
    const ready = scheduled.filter(isReady).length
    const updated = scheduled.filter((pod) => pod.metadata.labels?.[HASH] === hash).length
    this.#store.updateStatus('DaemonSet', namespace as string, name, {
      currentNumberScheduled: scheduled.length,
      desiredNumberScheduled: nodes.length,
      numberMisscheduled: pods.length - scheduled.length,
      numberReady: ready,
      observedGeneration: generation,
      ...(updated > 0 ? { updatedNumberScheduled: updated } : {}),
      ...(ready > 0 ? { numberAvailable: ready } : {}),
      ...(nodes.length > ready ? { numberUnavailable: nodes.length - ready } : {}),
    })
  }
}

/** Selector and affinity fit, and no taint keeps daemons away. */
function wants(set: DaemonSet, node: Node): boolean {
  const { spec } = set.spec.template
  const tolerations = [...(spec.tolerations ?? []), ...TOLERATED]
  if (!matchesNode(spec, node)) return false
  const network = spec.hostNetwork === true ? 'node.kubernetes.io/network-unavailable' : ''
  return (node.spec.taints ?? []).every((taint) => taint.key === network || untolerated([taint], tolerations) === null)
}

export function pinnedTo(node: string): NonNullable<NonNullable<Pod['spec']['affinity']>['nodeAffinity']> {
  const field = { key: 'metadata.name', operator: 'In' as const, values: [node] }
  return { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [field] }] } }
}

/** The node that a daemon's pod is for, bound or not. */
function targetOf(pod: Pod): string | null {
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return pod.spec.nodeName ?? terms?.[0]?.matchFields?.[0]?.values?.[0] ?? null
}

function byTarget(pods: readonly Pod[]): Map<string | null, Pod[]> {
  const targeted = new Map<string | null, Pod[]>()
  for (const pod of pods) {
    const target = targetOf(pod)
    const here = targeted.get(target)
    if (here === undefined) targeted.set(target, [pod])
    else here.push(pod)
  }
  return targeted
}

/** A new pod of the set for a node; `hash` is its template's. */
export function daemonOf(set: DaemonSet, node: string, hash = templateHash(set.spec.template)): KubeObject {
  const { metadata, spec } = clone(set.spec.template)
  const host = spec.hostNetwork === true
  const more: Toleration[] = host
    ? [{ key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' }]
    : []
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      labels: { ...metadata?.labels, [HASH]: hash, 'pod-template-generation': String(set.metadata.generation ?? 1) },
      name: '',
      generateName: `${set.metadata.name}-`,
      namespace: set.metadata.namespace as string,
      ownerReferences: [controllerReference(set)],
    },
    spec: {
      ...spec,
      affinity: { ...spec.affinity, nodeAffinity: pinnedTo(node) },
      tolerations: [...(spec.tolerations ?? []), ...TOLERATED, ...more],
    },
  } as KubeObject
}
