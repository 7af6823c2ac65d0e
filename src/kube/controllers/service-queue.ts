/** Wakes a controller for every Service that a change of Services or pods concerns. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { equal } from '../json.ts'
import { hasLabels } from '../label-selector.ts'
import type { Pod, Service } from '../objects.ts'
import type { Store } from '../store.ts'
import { keyOf, WorkQueue } from './queue.ts'

export function serviceQueue(store: Store, scheduler: Scheduler, sync: (key: string) => void): WorkQueue {
  const queue = new WorkQueue(scheduler, sync)
  store.listen('Service', ({ object }) => queue.add(keyOf(object)))
  store.listen('Pod', ({ type, object, old }) => {
    if (type === 'MODIFIED' && !matters(object as Pod, old as Pod)) return
    for (const service of store.list<Service>('Service', object.metadata.namespace as string)) {
      const { selector } = service.spec
      if (selector === undefined) continue
      if ([object, old].some((pod) => pod !== null && hasLabels(pod.metadata.labels, selector)))
        queue.add(keyOf(service))
    }
  })
  return queue
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
