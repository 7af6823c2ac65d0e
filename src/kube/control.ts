/** Whose an object is, and whether a pod counts: what can be said without looking at others. */
import type { KubeObject, OwnerReference, Pod } from './objects.ts'

/** The controller of an object; null when nobody controls it. */
export function controllerOf(object: KubeObject): OwnerReference | null {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true) ?? null
}

/** Its containers will not run again: it takes nothing of its node any more. */
export function isFinished({ status }: Pod): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed'
}

/** Failed and succeeded pods, and those on their way out, do not count as replicas. */
export function isActive(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined && !isFinished(pod)
}
