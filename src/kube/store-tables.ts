/** What would otherwise be looked for among all objects of a store, kept up to date by every change. */
import { LabelTable } from './label-table.ts'
import type { EndpointSlice, KubeObject, Pod, Service } from './objects.ts'
import { OwnerTable } from './owner-table.ts'
import { PodTable } from './pod-table.ts'
import { SliceTable } from './slice-table.ts'

export class StoreTables {
  readonly owners = new OwnerTable()
  /** The pods that are bound to nodes, whatever they do there. */
  readonly bound = new PodTable()
  /** Pods by the labels that they carry. */
  readonly labelled = new LabelTable<Pod>()
  /** Services by the labels that they ask for. */
  readonly selectors = new LabelTable<Service>()
  readonly slices = new SliceTable()

  add(object: KubeObject): void {
    this.owners.add(object)
    if (object.kind === 'Pod') {
      this.bound.add(object as Pod)
      this.labelled.add(object as Pod, object.metadata.labels ?? {})
    } else if (object.kind === 'Service') {
      const { selector } = (object as Service).spec
      if (selector !== undefined) this.selectors.add(object as Service, selector)
    } else if (object.kind === 'EndpointSlice') this.slices.add(object as EndpointSlice)
  }

  remove(old: KubeObject): void {
    this.owners.remove(old)
    if (old.kind === 'Pod') {
      this.bound.remove(old as Pod)
      this.labelled.remove(old as Pod, old.metadata.labels ?? {})
    } else if (old.kind === 'Service') {
      const { selector } = (old as Service).spec
      if (selector !== undefined) this.selectors.remove(old as Service, selector)
    } else if (old.kind === 'EndpointSlice') this.slices.remove(old as EndpointSlice)
  }
}
