import { annotated, difference, LAST_APPLIED, threeWay } from './kubectl/merge.ts'
import type { KubeObject } from './objects.ts'
import type { Store } from './store.ts'

export interface Applied {
  readonly object: KubeObject
  readonly result: 'created' | 'configured' | 'unchanged'
}

/** `kubectl apply`. @throws ApiError */
export function applyOne(store: Store, object: KubeObject): Applied {
  const { kind, metadata } = object
  const namespace = metadata.namespace ?? 'default'
  const present = store.get(kind, namespace, metadata.name)
  const wanted = annotated(object)
  if (present === null) return { object: store.create(wanted), result: 'created' }
  const last = JSON.parse(present.metadata.annotations?.[LAST_APPLIED] ?? '{}') as unknown
  const patch = difference(present, threeWay(last, wanted, present))
  if (patch === null) return { object: present, result: 'unchanged' }
  const after = store.patch(kind, namespace, metadata.name, 'merge', patch)
  return { object: after, result: after === present ? 'unchanged' : 'configured' }
}
