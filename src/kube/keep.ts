import type { Scheduler } from '../sim/scheduler.ts'
import { clone } from './json.ts'
import { CONTROLLER } from './latency.ts'
import type { KubeObject } from './objects.ts'
import type { Store } from './store.ts'

/** The API server's own Service: whoever deletes it gets it back. */
export function keep(store: Store, scheduler: Scheduler, objects: readonly KubeObject[]): void {
  const restore = () => {
    for (const object of objects) {
      const { namespace, name } = object.metadata
      if (store.get(object.kind, namespace ?? null, name) === null) store.create(clone(object))
    }
  }
  restore()
  store.listen('Service', ({ type, object: { metadata } }) => {
    const { namespace, name } = objects[0].metadata
    if (type !== 'DELETED' || metadata.namespace !== namespace || metadata.name !== name) return
    scheduler.call(10 * CONTROLLER, restore)
  })
}
