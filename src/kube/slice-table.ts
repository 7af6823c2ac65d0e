/** The EndpointSlices of each Service, found by name instead of among all slices of the cluster. */
import type { EndpointSlice } from './objects.ts'

export const SERVICE_NAME = 'kubernetes.io/service-name'

export class SliceTable {
  readonly #byService = new Map<string, Map<string, EndpointSlice>>()

  /** Slices with the label of this Service, by name. */
  of(namespace: string, service: string): EndpointSlice[] {
    const found = this.#byService.get(`${namespace}/${service}`)
    if (found === undefined) return []
    return [...found.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  }

  add(slice: EndpointSlice): void {
    const key = keyOf(slice)
    if (key === null) return
    const slices = this.#byService.get(key) ?? new Map<string, EndpointSlice>()
    this.#byService.set(key, slices.set(slice.metadata.name, slice))
  }

  remove(slice: EndpointSlice): void {
    const key = keyOf(slice)
    if (key === null) return
    const slices = this.#byService.get(key)
    slices?.delete(slice.metadata.name)
    if (slices?.size === 0) this.#byService.delete(key)
  }
}

function keyOf({ metadata }: EndpointSlice): string | null {
  const service = metadata.labels?.[SERVICE_NAME]
  return service === undefined ? null : `${metadata.namespace}/${service}`
}
