/** Who is who, and who owns whom: what would otherwise be looked for among all objects. */
import { controllerOf } from './control.ts'
import type { KubeEvent, KubeObject } from './objects.ts'

/** Kinds that controllers adopt. */
const ADOPTED = new Set(['Pod', 'ReplicaSet'])

export class OwnerTable {
  readonly #byUid = new Map<string, KubeObject>()
  readonly #owned = new Map<string, Map<string, KubeObject>>()
  /** What could be adopted and has no controller, by kind and namespace. */
  readonly #orphans = new Map<string, Map<string, KubeObject>>()
  /** Events by whom they are about and what they say, and by their own uid. */
  readonly #told = new Map<string, Map<string, KubeEvent>>()

  find(uid: string): KubeObject | null {
    return this.#byUid.get(uid) ?? null
  }

  ownedBy(uid: string): KubeObject[] {
    return [...(this.#owned.get(uid)?.values() ?? [])]
  }

  /** Objects of a kind that controllers adopt, and that have none, in no order. */
  orphans(kind: string, namespace: string): KubeObject[] {
    return [...(this.#orphans.get(`${kind} ${namespace}`)?.values() ?? [])]
  }

  eventsAbout(uid: string, message: string): KubeEvent[] {
    return [...(this.#told.get(`${uid} ${message}`)?.values() ?? [])]
  }

  add(object: KubeObject): void {
    const uid = object.metadata.uid as string
    this.#byUid.set(uid, object)
    const about = aboutWhat(object)
    if (about !== null) {
      const told = this.#told.get(about) ?? new Map<string, KubeEvent>()
      this.#told.set(about, told.set(uid, object as KubeEvent))
    }
    const orphanage = orphanageOf(object)
    if (orphanage !== null) {
      const orphans = this.#orphans.get(orphanage) ?? new Map<string, KubeObject>()
      this.#orphans.set(orphanage, orphans.set(uid, object))
    }
    for (const owner of object.metadata.ownerReferences ?? []) {
      const owned = this.#owned.get(owner.uid) ?? new Map<string, KubeObject>()
      this.#owned.set(owner.uid, owned.set(uid, object))
    }
  }

  remove(object: KubeObject): void {
    const uid = object.metadata.uid as string
    this.#byUid.delete(uid)
    const about = aboutWhat(object)
    if (about !== null) {
      const told = this.#told.get(about)
      told?.delete(uid)
      if (told?.size === 0) this.#told.delete(about)
    }
    const orphanage = orphanageOf(object)
    if (orphanage !== null) this.#orphans.get(orphanage)?.delete(uid)
    for (const owner of object.metadata.ownerReferences ?? []) {
      const owned = this.#owned.get(owner.uid)
      owned?.delete(uid)
      if (owned?.size === 0) this.#owned.delete(owner.uid)
    }
  }
}

function aboutWhat(object: KubeObject): string | null {
  if (object.kind !== 'Event') return null
  const { involvedObject, message } = object as KubeEvent
  return involvedObject.uid === undefined ? null : `${involvedObject.uid} ${message}`
}

function orphanageOf(object: KubeObject): string | null {
  if (!ADOPTED.has(object.kind) || controllerOf(object) !== null) return null
  return `${object.kind} ${object.metadata.namespace}`
}
