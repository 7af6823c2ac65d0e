/** Who owns what: controller references, adoption and release of pods by their labels. */
import { controllerOf } from './control.ts'
import { selects } from './label-selector.ts'
import type { KubeObject, LabelSelector, OwnerReference, Pod } from './objects.ts'
import type { Store } from './store.ts'

export { controllerOf, isActive, isFinished } from './control.ts'

/** The reference that makes `owner` the controller of an object. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  }
}

export function isReady(pod: Pod): boolean {
  return pod.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
}

/** When it became ready, as a timestamp; null when it is not. */
export function readySince(pod: Pod): string | null {
  const ready = pod.status.conditions?.find((condition) => condition.type === 'Ready' && condition.status === 'True')
  return ready?.lastTransitionTime ?? null
}

/**
 * The objects of a kind that the owner controls after claiming: orphans that the selector matches are adopted, own
 * ones that it no longer matches are released.
 */
export function claim<T extends KubeObject>(
  store: Store,
  owner: KubeObject,
  selector: LabelSelector,
  kind: string,
): T[] {
  const claimed: T[] = []
  for (const object of candidates<T>(store, owner, kind)) {
    const controller = controllerOf(object)
    const matches = selects(selector, object.metadata.labels)
    if (controller !== null && matches) claimed.push(object)
    else if (controller !== null) release(store, object, owner)
    else if (
      matches &&
      object.metadata.deletionTimestamp === undefined &&
      owner.metadata.deletionTimestamp === undefined
    ) {
      const adopted = store.modify<T>(object, ({ metadata }) => {
        metadata.ownerReferences = [...(metadata.ownerReferences ?? []), controllerReference(owner)]
      })
      claimed.push(adopted)
    }
  }
  return claimed
}

/** What it controls, and what nobody does, in its namespace: by name. */
function candidates<T extends KubeObject>(store: Store, owner: KubeObject, kind: string): T[] {
  const orphans: readonly KubeObject[] = store.tables.owners.orphans(kind, owner.metadata.namespace as string)
  return [...controlled<T>(store, owner, kind), ...(orphans as T[])].sort(byName)
}

/** What it controls in its namespace: by name. */
export function controlled<T extends KubeObject>(store: Store, { metadata }: KubeObject, kind: string): T[] {
  const { uid, namespace } = metadata
  const own = store
    .ownedBy(uid as string)
    .filter((each) => each.kind === kind && each.metadata.namespace === namespace && controllerOf(each)?.uid === uid)
  return (own as T[]).sort(byName)
}

function byName(a: KubeObject, b: KubeObject): number {
  return a.metadata.name < b.metadata.name ? -1 : 1
}

function release(store: Store, object: KubeObject, owner: KubeObject): void {
  if (object.metadata.deletionTimestamp !== undefined) return
  store.modify(object, ({ metadata }) => {
    const rest = (metadata.ownerReferences ?? []).filter((reference) => reference.uid !== owner.metadata.uid)
    if (rest.length === 0) delete metadata.ownerReferences
    else metadata.ownerReferences = rest
  })
}
