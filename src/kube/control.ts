/** Whose an object is, and whether a pod counts: what can be said without looking at others. */
import type { KubeObject, OwnerReference, Pod } from './objects.ts'

/** The controller of an object; null when nobody controls it. */
export function controllerOf(object: KubeObject): OwnerReference | null {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true) ?? null
}

/** Failed and succeeded pods, and those on their way out, do not count as replicas. */
export function isActive(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed'
  )
}
