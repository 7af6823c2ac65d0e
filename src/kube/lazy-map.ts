/** A map some of whose values are made when somebody asks for them; to walk over the values makes them all. */
export class LazyMap<K, V> extends Map<K, V> {
  readonly #makers = new Map<K, () => V>()

  /** The value is what `make` gives, once, when it is needed. */
  promise(key: K, make: () => V): void {
    this.#makers.set(key, make)
    super.set(key, undefined as V)
  }

  override get(key: K): V | undefined {
    const maker = this.#makers.get(key)
    if (maker === undefined) return super.get(key)
    this.#makers.delete(key)
    const made = maker()
    super.set(key, made)
    return made
  }

  override set(key: K, value: V): this {
    // The base class's constructor sets before there are fields.
    if (#makers in this) this.#makers.delete(key)
    return super.set(key, value)
  }

  override delete(key: K): boolean {
    this.#makers.delete(key)
    return super.delete(key)
  }

  /** Is its value there already? */
  isMade(key: K): boolean {
    return this.has(key) && !this.#makers.has(key)
  }

  /** The values that are there already. */
  *made(): Generator<V> {
    for (const key of this.keys()) if (!this.#makers.has(key)) yield super.get(key) as V
  }

  override *values(): MapIterator<V> {
    for (const key of this.keys()) yield this.get(key) as V
  }

  override *entries(): MapIterator<[K, V]> {
    for (const key of this.keys()) yield [key, this.get(key) as V]
  }

  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries()
  }

  override forEach(action: (value: V, key: K, map: Map<K, V>) => void): void {
    for (const [key, value] of this.entries()) action(value, key, this)
  }
}
