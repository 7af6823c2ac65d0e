/**
 * The node life-cycle controller: taints for nodes that are cordoned, not ready or silent, and the eviction of pods
 * that do not put up with it. kubelets tell of themselves by `heard`; silence is noticed after 40 s.
 */
import type { Scheduler } from '../../sim/scheduler.ts'
import { EventRecorder } from '../events.ts'
import { equal } from '../json.ts'
import type { Condition, Node, Pod, Taint } from '../objects.ts'
import { isActive } from '../ownership.ts'
import { tolerates } from '../scheduling.ts'
import type { Store } from '../store.ts'
import { WorkQueue } from './queue.ts'

const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'
const NOT_READY = 'node.kubernetes.io/not-ready'
const UNREACHABLE = 'node.kubernetes.io/unreachable'
const OWN = [UNSCHEDULABLE, NOT_READY, UNREACHABLE]

export class NodeLifecycleController {
  readonly #store: Store
  readonly #events: EventRecorder
  readonly #evictions: WorkQueue

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    this.#events = new EventRecorder(store, 'node-controller')
    const queue = new WorkQueue(scheduler, (name) => this.#sync(name))
    this.#evictions = new WorkQueue(scheduler, (name) => this.#evict(name))
    store.listen('Node', ({ object }) => queue.add(object.metadata.name))
  }

  /** Nobody has heard of the node's kubelet for too long. */
  lost(name: string): void {
    const node = this.#store.get<Node>('Node', null, name)
    if (node === null) return
    const conditions = (node.status.conditions ?? []).map(
      (condition): Condition => ({
        ...condition,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: this.#store.clock.text(),
      }),
    )
    this.#store.updateStatus('Node', null, name, { ...node.status, conditions })
    this.#events.normal(node, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`)
    for (const pod of this.#podsOf(name)) {
      const after = (pod.status.conditions ?? []).map(
        (condition): Condition =>
          condition.type === 'Ready'
            ? { ...condition, status: 'False', lastTransitionTime: this.#store.clock.text() }
            : condition,
      )
      this.#store.updateStatus('Pod', pod.metadata.namespace as string, pod.metadata.name, {
        ...pod.status,
        conditions: after,
      })
    }
  }

  #sync(name: string): void {
    const node = this.#store.get<Node>('Node', null, name)
    if (node === null) {
      for (const pod of this.#podsOf(name)) this.#store.remove(pod)
      return
    }
    const wanted = this.#taints(node)
    const others = (node.spec.taints ?? []).filter((taint) => !OWN.includes(taint.key))
    const kept = wanted.map((taint) => node.spec.taints?.find((old) => same(old, taint)) ?? taint)
    const taints = [...others, ...kept]
    if (!equal(node.spec.taints ?? [], taints)) {
      this.#store.modify(node, (copy) => {
        if (taints.length === 0) delete copy.spec.taints
        else copy.spec.taints = taints
      })
    }
    if (taints.some((taint) => taint.effect === 'NoExecute')) this.#evictions.add(name)
  }

  #taints(node: Node): Taint[] {
    const ready = node.status.conditions?.find((condition) => condition.type === 'Ready')?.status
    const key = ready === 'False' ? NOT_READY : ready === 'Unknown' ? UNREACHABLE : null
    const now = this.#store.clock.text()
    return [
      ...(node.spec.unschedulable === true
        ? [{ key: UNSCHEDULABLE, effect: 'NoSchedule', timeAdded: now } as Taint]
        : []),
      ...(key === null ? [] : [{ key, effect: 'NoSchedule', timeAdded: now } as Taint]),
      ...(key === null ? [] : [{ key, effect: 'NoExecute', timeAdded: now } as Taint]),
    ]
  }

  /** Deletes pods whose patience is over; looks again when the next one's will be. */
  #evict(name: string): void {
    const node = this.#store.get<Node>('Node', null, name)
    const taints = (node?.spec.taints ?? []).filter((taint) => taint.effect === 'NoExecute')
    const { clock } = this.#store
    for (const pod of taints.length === 0 ? [] : this.#podsOf(name)) {
      const patience = Math.min(...taints.map((taint) => this.#patience(pod, taint)))
      if (patience === Number.POSITIVE_INFINITY) continue
      if (patience > clock.now) this.#evictions.add(name, patience - clock.now)
      else if (pod.metadata.deletionTimestamp === undefined) {
        this.#events.normal(
          pod,
          'TaintManagerEviction',
          `Marking for deletion Pod ${pod.metadata.namespace}/${pod.metadata.name}`,
        )
        this.#store.delete('Pod', pod.metadata.namespace as string, pod.metadata.name)
      }
    }
  }

  /** Until when the pod puts up with the taint. */
  #patience(pod: Pod, taint: Taint): number {
    const matching = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint))
    if (matching.length === 0) return 0
    const seconds = matching.map((toleration) => toleration.tolerationSeconds ?? Number.POSITIVE_INFINITY)
    const since = taint.timeAdded === undefined ? 0 : this.#store.clock.parse(taint.timeAdded)
    return since + Math.min(...seconds) * 1e9
  }

  #podsOf(node: string): Pod[] {
    return this.#store.tables.bound.on(node).filter(isActive)
  }
}

function same(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect
}
