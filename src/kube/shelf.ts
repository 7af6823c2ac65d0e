/**
 * The objects of one kind in the order of their keys: a change finds its place by halving. What is new waits beside them,
 * and is sorted in when somebody looks or when there is much of it, so that a crowd that comes at once costs no more
 * than one sort.
 */
import type { KubeObject } from './objects.ts'

export class Shelf {
  #keys: string[] = []
  #objects: KubeObject[] = []
  #fresh = new Map<string, KubeObject>()

  /** Puts the object there, instead of what was. */
  put(key: string, object: KubeObject): void {
    const at = this.#placeOf(key)
    if (this.#keys[at] === key) this.#objects[at] = object
    else this.#fresh.set(key, object)
  }

  take(key: string): void {
    if (this.#fresh.delete(key)) return
    const at = this.#placeOf(key)
    if (this.#keys[at] !== key) return
    this.#keys.splice(at, 1)
    this.#objects.splice(at, 1)
  }

  /** All whose keys lie from one up to, not including, another; of the whole shelf without them. */
  list<T extends KubeObject>(matches: (object: T) => boolean, from?: string, to?: string): T[] {
    if (this.#fresh.size > 0) this.#sort()
    const found: T[] = []
    const objects = this.#objects as T[]
    const end = to === undefined ? objects.length : this.#placeOf(to)
    for (let i = from === undefined ? 0 : this.#placeOf(from); i < end; i++) {
      if (matches(objects[i])) found.push(objects[i])
    }
    return found
  }

  #sort(): void {
    const fresh = [...this.#fresh].sort(([a], [b]) => (a < b ? -1 : 1))
    this.#fresh = new Map()
    if (fresh.length <= FEW) return this.#insert(fresh)
    const keys: string[] = []
    const objects: KubeObject[] = []
    let old = 0
    for (const [key, object] of fresh) {
      while (old < this.#keys.length && this.#keys[old] < key) {
        keys.push(this.#keys[old])
        objects.push(this.#objects[old++])
      }
      keys.push(key)
      objects.push(object)
    }
    for (; old < this.#keys.length; old++) {
      keys.push(this.#keys[old])
      objects.push(this.#objects[old])
    }
    this.#keys = keys
    this.#objects = objects
  }

  #insert(fresh: readonly [string, KubeObject][]): void {
    for (const [key, object] of fresh) {
      const at = this.#placeOf(key)
      this.#keys.splice(at, 0, key)
      this.#objects.splice(at, 0, object)
    }
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

/** So many are put among the others one by one. */
const FEW = 16
