/** Who is who, and who owns whom: what would otherwise be looked for among all objects. */
import type { KubeObject } from './objects.ts'

export class OwnerTable {
  readonly #byUid = new Map<string, KubeObject>()
  readonly #owned = new Map<string, Map<string, KubeObject>>()

  find(uid: string): KubeObject | null {
    return this.#byUid.get(uid) ?? null
  }

  ownedBy(uid: string): KubeObject[] {
    return [...(this.#owned.get(uid)?.values() ?? [])]
  }

  add(object: KubeObject): void {
    const uid = object.metadata.uid as string
    this.#byUid.set(uid, object)
    for (const owner of object.metadata.ownerReferences ?? []) {
      const owned = this.#owned.get(owner.uid) ?? new Map<string, KubeObject>()
      this.#owned.set(owner.uid, owned.set(uid, object))
    }
  }

  remove(object: KubeObject): void {
    const uid = object.metadata.uid as string
    this.#byUid.delete(uid)
    for (const owner of object.metadata.ownerReferences ?? []) {
      const owned = this.#owned.get(owner.uid)
      owned?.delete(uid)
      if (owned?.size === 0) this.#owned.delete(owner.uid)
    }
  }
}
