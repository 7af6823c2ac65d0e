/** The objects of one kind in the order of their keys: a change finds its place by halving, and nothing is sorted anew. */
import type { KubeObject } from './objects.ts'

export class Shelf {
  readonly #keys: string[] = []
  readonly #objects: KubeObject[] = []

  /** Puts the object there, instead of what was. */
  put(key: string, object: KubeObject): void {
    const at = this.#placeOf(key)
    const known = this.#keys[at] === key
    if (known) this.#objects[at] = object
    else {
      this.#keys.splice(at, 0, key)
      this.#objects.splice(at, 0, object)
    }
  }

  take(key: string): void {
    const at = this.#placeOf(key)
    if (this.#keys[at] !== key) return
    this.#keys.splice(at, 1)
    this.#objects.splice(at, 1)
  }

  /** All whose keys lie from one up to, not including, another; of the whole shelf without them. */
  list<T extends KubeObject>(matches: (object: T) => boolean, from?: string, to?: string): T[] {
    const found: T[] = []
    const objects = this.#objects as T[]
    const end = to === undefined ? objects.length : this.#placeOf(to)
    for (let i = from === undefined ? 0 : this.#placeOf(from); i < end; i++) {
      if (matches(objects[i])) found.push(objects[i])
    }
    return found
  }

  /** The first place whose key is not less. */
  #placeOf(key: string): number {
    const keys = this.#keys
    let low = 0
    let high = keys.length
    // What is new is often the last.
    if (high > 0 && keys[high - 1] < key) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (keys[middle] < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
