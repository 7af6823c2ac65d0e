/** The garbage collector: objects whose owners are gone go too; owners that wait for them go after them. */
import type { Scheduler } from '../../sim/scheduler.ts'
import type { Store } from '../store.ts'
import { WorkQueue } from './queue.ts'

const WAITS = 'foregroundDeletion'

export class GarbageCollector {
  readonly #store: Store
  readonly #queue: WorkQueue

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    this.#queue = new WorkQueue(scheduler, (uid) => this.#sync(uid))
    store.listen('*', ({ type, object }) => {
      const { uid, finalizers, ownerReferences } = object.metadata
      if (uid === undefined) return
      if (type === 'DELETED' || finalizers?.includes(WAITS)) this.#queue.add(uid)
      if (type === 'DELETED') for (const owner of ownerReferences ?? []) this.#queue.add(owner.uid)
      // Made for an owner that had gone by then.
      if (type === 'ADDED') for (const owner of ownerReferences ?? []) this.#queue.add(owner.uid)
    })
  }

  #sync(uid: string): void {
    const owner = this.#store.find(uid)
    const waiting =
      owner?.metadata.deletionTimestamp !== undefined && (owner.metadata.finalizers?.includes(WAITS) ?? false)
    if (owner !== null && !waiting) return
    const dependants = this.#store.ownedBy(uid)
    for (const dependant of dependants) {
      const others = (dependant.metadata.ownerReferences ?? []).filter(
        (r) => r.uid !== uid && this.#store.find(r.uid) !== null,
      )
      const { namespace, name } = dependant.metadata
      if (others.length > 0) {
        this.#store.modify(dependant, (copy) => {
          copy.metadata.ownerReferences = others
        })
      } else if (dependant.metadata.deletionTimestamp === undefined) {
        this.#store.delete(dependant.kind, namespace ?? null, name, {
          propagationPolicy: waiting ? 'Foreground' : 'Background',
        })
      }
    }
    if (waiting && owner !== null && dependants.length === 0) this.#store.remove(owner)
  }
}
