/**
 * The scheduler: binds each pod to a node that may have it. Among those, the one with the fewest pods of the same
 * owner, then with the fewest pods, then the first by name, so that a run can be repeated.
 */
import type { Scheduler as Time } from '../sim/scheduler.ts'
import { keyOf, splitKey, WorkQueue } from './controllers/queue.ts'
import { EventRecorder } from './events.ts'
import { portMappings } from './host-ports.ts'
import type { Condition, Node, Pod } from './objects.ts'
import { controllerOf, isActive, isFinished } from './ownership.ts'
import { refusal, UNRESOLVED } from './scheduling.ts'
import type { Store } from './store.ts'

export class PodScheduler {
  readonly #store: Store
  readonly #events: EventRecorder
  readonly #queue: WorkQueue

  constructor(store: Store, time: Time) {
    this.#store = store
    this.#events = new EventRecorder(store, 'default-scheduler')
    this.#queue = new WorkQueue(time, (key) => this.#sync(key))
    store.listen('Pod', ({ type, object, old }) => {
      if (type === 'ADDED') this.#queue.add(keyOf(object))
      // A pod that goes or ends leaves its place and its ports to those that wait.
      const ended = isFinished(object as Pod) && old !== null && !isFinished(old as Pod)
      if (type === 'DELETED' || ended)
        for (const pod of store.list<Pod>('Pod', null, waits)) this.#queue.add(keyOf(pod))
    })
    // What could not be placed is tried again whenever the nodes have changed.
    store.listen('Node', ({ type }) => {
      if (type === 'DELETED') return
      for (const pod of store.list<Pod>('Pod', null, waits)) this.#queue.add(keyOf(pod))
    })
  }

  #sync(key: string): void {
    const [namespace, name] = splitKey(key)
    const pod = this.#store.get<Pod>('Pod', namespace, name)
    if (pod === null || !waits(pod)) return
    const nodes = this.#store.list<Node>('Node')
    const { bound } = this.#store.tables
    const asksForPorts = portMappings(pod).length > 0
    const on = ({ metadata }: Node) =>
      asksForPorts ? bound.on(metadata.name).filter((other) => !isFinished(other)) : []
    const held = ({ metadata }: Node) => bound.heldOn(metadata.name)
    const refusals = new Map(nodes.map((node) => [node, refusal(pod, node, on(node), held(node))]))
    const fit = nodes.filter((node) => refusals.get(node) === null)
    if (fit.length === 0) this.#fail(pod, [...refusals.values()] as string[])
    else this.#bind(pod, this.#best(pod, fit).metadata.name)
  }

  #best(pod: Pod, nodes: readonly Node[]): Node {
    const owner = controllerOf(pod)?.uid
    const { bound } = this.#store.tables
    const siblings = ({ metadata }: Node) => (owner === undefined ? 0 : bound.siblingsOn(metadata.name, owner))
    const pods = ({ metadata }: Node) => bound.activeOn(metadata.name)
    return nodes.reduce((best, node) => {
      const fewer = siblings(node) - siblings(best)
      return fewer < 0 || (fewer === 0 && pods(node) < pods(best)) ? node : best
    })
  }

  #bind(pod: Pod, node: string): void {
    const { namespace, name } = pod.metadata
    const bound = this.#store.modify(pod, (copy) => {
      copy.spec.nodeName = node
    })
    const scheduled: Condition = {
      type: 'PodScheduled',
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: this.#store.clock.text(),
    }
    this.#store.updateStatus('Pod', namespace as string, name, { ...bound.status, conditions: [scheduled] })
    this.#events.normal(pod, 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`)
  }

  /** `0/3 nodes are available: 1 node(s) had …, 2 node(s) didn't …` */
  #fail(pod: Pod, reasons: readonly string[]): void {
    const counts = new Map<string, number>()
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
    const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
    const total = reasons.length
    const victims = UNRESOLVED.reduce((sum, reason) => sum + (counts.get(reason) ?? 0), 0)
    const hopeless = total - victims
    const why = [
      ...(hopeless > 0 ? [`${hopeless} Preemption is not helpful for scheduling`] : []),
      ...(victims > 0 ? [`${victims} No preemption victims found for incoming pod`] : []),
    ]
    const preemption = `preemption: 0/${total} nodes are available: ${why.sort().join(', ')}.`
    const message =
      total === 0
        ? 'no nodes available to schedule pods'
        : `0/${total} nodes are available: ${parts.join(', ')}. ${preemption}`
    this.#events.warning(pod, 'FailedScheduling', message)
    const before = pod.status.conditions?.find((condition) => condition.type === 'PodScheduled')
    const condition: Condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastProbeTime: null,
      lastTransitionTime: before?.lastTransitionTime ?? this.#store.clock.text(),
    }
    const { namespace, name } = pod.metadata
    this.#store.updateStatus('Pod', namespace as string, name, { ...pod.status, conditions: [condition] })
  }
}

/** Not bound, and not on its way out. */
function waits(pod: Pod): boolean {
  return pod.spec.nodeName === undefined && pod.metadata.deletionTimestamp === undefined && isActive(pod)
}
