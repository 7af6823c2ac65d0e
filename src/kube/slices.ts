/** The EndpointSlices of each Service, found by name instead of among all slices of the cluster. */
import type { EndpointSlice } from './objects.ts'
import type { Store } from './store.ts'

export const SERVICE_NAME = 'kubernetes.io/service-name'

type Index = Map<string, Map<string, EndpointSlice>>

const indices = new WeakMap<Store, Index>()

/** Slices with the label of this Service, by name. */
export function slicesOf(store: Store, namespace: string, service: string): EndpointSlice[] {
  const found = indexOf(store).get(`${namespace}/${service}`)
  if (found === undefined) return []
  return [...found.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
}

function indexOf(store: Store): Index {
  const known = indices.get(store)
  if (known !== undefined) return known
  const index: Index = new Map()
  for (const slice of store.list<EndpointSlice>('EndpointSlice')) add(index, slice)
  store.listen('EndpointSlice', ({ type, object, old }) => {
    if (old !== null) remove(index, old as EndpointSlice)
    if (type !== 'DELETED') add(index, object as EndpointSlice)
  })
  indices.set(store, index)
  return index
}

function keyOf({ metadata }: EndpointSlice): string | null {
  const service = metadata.labels?.[SERVICE_NAME]
  return service === undefined ? null : `${metadata.namespace}/${service}`
}

function add(index: Index, slice: EndpointSlice): void {
  const key = keyOf(slice)
  if (key === null) return
  const slices = index.get(key) ?? new Map<string, EndpointSlice>()
  index.set(key, slices.set(slice.metadata.name, slice))
}

function remove(index: Index, slice: EndpointSlice): void {
  const key = keyOf(slice)
  if (key === null) return
  const slices = index.get(key)
  slices?.delete(slice.metadata.name)
  if (slices?.size === 0) index.delete(key)
}
