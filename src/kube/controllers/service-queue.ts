/** Wakes a controller for every Service that a change of Services or pods concerns. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { equal } from '../json.ts'
import { hasLabels } from '../label-selector.ts'
import type { KubeObject, Pod, Service } from '../objects.ts'
import type { Store } from '../store.ts'
import { keyOf, WorkQueue } from './queue.ts'

export function serviceQueue(store: Store, scheduler: Scheduler, sync: (key: string) => void): WorkQueue {
  const queue = new WorkQueue(scheduler, sync)
  store.listen('Service', ({ object }) => queue.add(keyOf(object)))
  store.listen('Pod', ({ type, object, old }) => {
    if (type === 'MODIFIED' && !matters(object as Pod, old as Pod)) return
    const concerned = new Map<string, Service>()
    for (const pod of [object, old])
      if (pod !== null) for (const each of behind(store, pod)) concerned.set(each.metadata.name, each)
    for (const name of [...concerned.keys()].sort()) queue.add(keyOf(concerned.get(name) as Service))
  })
  return queue
}

/** The Services that select the pod. */
function* behind(store: Store, { metadata }: KubeObject): Generator<Service> {
  const { namespace = '', labels = {} } = metadata
  yield* store.tables.selectors.under(namespace, null)
  for (const [key, value] of Object.entries(labels)) {
    for (const service of store.tables.selectors.under(namespace, key, value)) {
      if (hasLabels(labels, service.spec.selector ?? {})) yield service
    }
  }
}

/** Has something changed that an endpoint shows? */
function matters(pod: Pod, old: Pod): boolean {
  return !(
    equal(pod.metadata.labels, old.metadata.labels) &&
    pod.metadata.deletionTimestamp === old.metadata.deletionTimestamp &&
    pod.spec.nodeName === old.spec.nodeName &&
    pod.status.podIP === old.status.podIP &&
    pod.status.phase === old.status.phase &&
    equal(
      pod.status.conditions?.find((condition) => condition.type === 'Ready')?.status,
      old.status.conditions?.find((condition) => condition.type === 'Ready')?.status,
    )
  )
}
