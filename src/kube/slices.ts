/** The EndpointSlices of each Service, found by name instead of among all slices of the cluster. */
import type { EndpointSlice } from './objects.ts'
import type { Store } from './store.ts'

export { SERVICE_NAME } from './slice-table.ts'

/** Slices with the label of this Service, by name. */
export function slicesOf(store: Store, namespace: string, service: string): EndpointSlice[] {
  return store.tables.slices.of(namespace, service)
}
