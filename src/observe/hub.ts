/**
 * Several listeners at a place that has room for one: a field that is null while nobody listens, and a function
 * otherwise. The field is filled for the first listener and cleared after the last; who stood there before goes on
 * hearing, first.
 */
export class Hub<Args extends unknown[]> {
  readonly #get: () => ((...args: Args) => void) | null
  readonly #set: (call: ((...args: Args) => void) | null) => void
  #earlier: ((...args: Args) => void) | null = null
  // Never changed, only replaced: listeners may come and go while they are told something.
  #listeners: readonly ((...args: Args) => void)[] = []
  #filled = false

  constructor(get: () => ((...args: Args) => void) | null, set: (call: ((...args: Args) => void) | null) => void) {
    this.#get = get
    this.#set = set
  }

  readonly #call = (...args: Args): void => {
    this.#earlier?.(...args)
    if (this.#listeners.length === 0) return this.#clear()
    for (const listener of this.#listeners) listener(...args)
  }

  /** What is returned ends the listening. */
  add(listener: (...args: Args) => void): () => void {
    if (!this.#filled) {
      this.#earlier = this.#get()
      this.#filled = true
      this.#set(this.#call)
    }
    // One function may listen twice.
    const own = (...args: Args) => listener(...args)
    this.#listeners = [...this.#listeners, own]
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== own)
      if (this.#listeners.length === 0) this.#clear()
    }
  }

  /** Unless somebody has put a function in front: then ours stays behind it until it is called and first again. */
  #clear(): void {
    if (!this.#filled || this.#get() !== this.#call) return
    this.#filled = false
    this.#set(this.#earlier)
    this.#earlier = null
  }
}

/** One hub for each place, made when it is asked for first. */
export class Hubs<Place extends object, Args extends unknown[]> {
  readonly #make: (place: Place) => Hub<Args>
  readonly #hubs = new WeakMap<Place, Hub<Args>>()

  constructor(make: (place: Place) => Hub<Args>) {
    this.#make = make
  }

  at(place: Place): Hub<Args> {
    const known = this.#hubs.get(place)
    if (known !== undefined) return known
    const hub = this.#make(place)
    this.#hubs.set(place, hub)
    return hub
  }
}
