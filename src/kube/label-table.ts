/** Objects of one kind by labels: pods by those that they carry, Services by those that they ask for. */
import { hasLabels } from './label-selector.ts'
import type { KubeObject, Labels } from './objects.ts'

export class LabelTable<T extends KubeObject> {
  /** By namespace and label, then by uid. */
  readonly #places = new Map<string, Map<string, T>>()

  /** Files it under each of these labels; without any under none. */
  add(object: T, labels: Labels): void {
    for (const place of placesOf(object, labels)) {
      let filed = this.#places.get(place)
      if (filed === undefined) {
        filed = new Map()
        this.#places.set(place, filed)
      }
      filed.set(object.metadata.uid as string, object)
    }
  }

  remove(object: T, labels: Labels): void {
    for (const place of placesOf(object, labels)) {
      const filed = this.#places.get(place)
      filed?.delete(object.metadata.uid as string)
      if (filed?.size === 0) this.#places.delete(place)
    }
  }

  /** Those that are filed under this label; null: under none. */
  under(namespace: string, key: string | null, value = ''): Iterable<T> {
    return this.#places.get(placeOf(namespace, key, value))?.values() ?? []
  }
}

/** The pods that carry all of these labels, in no order. */
export function selected<T extends KubeObject>(table: LabelTable<T>, namespace: string, wanted: Labels): T[] {
  const [first] = Object.entries(wanted)
  const candidates = first === undefined ? [] : [...table.under(namespace, first[0], first[1])]
  return candidates.filter(({ metadata }) => hasLabels(metadata.labels, wanted))
}

function placeOf(namespace: string, key: string | null, value: string): string {
  return key === null ? namespace : `${namespace}\u0000${key}\u0000${value}`
}

function placesOf({ metadata }: KubeObject, labels: Labels): string[] {
  const namespace = metadata.namespace ?? ''
  const pairs = Object.entries(labels)
  if (pairs.length === 0) return [namespace]
  return pairs.map(([key, value]) => placeOf(namespace, key, value))
}
