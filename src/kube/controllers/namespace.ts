/** The namespace controller: what is in a namespace that is being deleted goes first, then the namespace. */
import type { Scheduler } from '../../sim/scheduler.ts'
import { KINDS } from '../kinds.ts'
import type { KubeObject } from '../objects.ts'
import type { Store } from '../store.ts'
import { WorkQueue } from './queue.ts'

const KIND_ORDER = [...KINDS.values()].filter((info) => info.namespaced).map((info) => info.kind)

export class NamespaceController {
  readonly #store: Store

  constructor(store: Store, scheduler: Scheduler) {
    this.#store = store
    const queue = new WorkQueue(scheduler, (name) => this.#sync(name))
    store.listen('Namespace', ({ object }) => queue.add(object.metadata.name))
    store.listen('*', ({ type, object }) => {
      const { namespace } = object.metadata
      if (type !== 'DELETED' || namespace === undefined) return
      if (store.get('Namespace', null, namespace)?.metadata.deletionTimestamp !== undefined) queue.add(namespace)
    })
  }

  #sync(name: string): void {
    const namespace = this.#store.get('Namespace', null, name)
    if (namespace?.metadata.deletionTimestamp === undefined) return
    const contents = KIND_ORDER.flatMap((kind) => this.#store.list(kind, name))
    for (const object of contents) this.#delete(object)
    if (KIND_ORDER.every((kind) => this.#store.list(kind, name).length === 0)) this.#store.remove(namespace)
  }

  #delete(object: KubeObject): void {
    const { namespace, name, deletionTimestamp } = object.metadata
    if (deletionTimestamp !== undefined || this.#store.get(object.kind, namespace ?? null, name) === null) return
    this.#store.delete(object.kind, namespace ?? null, name)
  }
}
