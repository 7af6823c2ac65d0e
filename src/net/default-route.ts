/**
 * Which of several default routes of one metric is taken for what this host sends (fib_select_default and
 * fib_detect_death of net/ipv4/fib_semantics.c): a gateway whose neighbour failed gives way to the next, and the one in
 * use is kept as long as nothing better is known.
 */
import type { NeighbourTable } from './neighbour.ts'
import { isValid } from './neighbour-entry.ts'
import type { Route } from './route.ts'

const NONE = -1

export class DefaultRoutes {
  readonly #neighbours: NeighbourTable
  /** The first of the routes that the choice was made among, and the chosen one's place (fa_default). */
  #first: Route | null = null
  #chosen = NONE
  #fresh = false
  /** The best of those that may be dead. */
  #lastResort: Route | null = null
  #lastPlace = NONE

  constructor(neighbours: NeighbourTable) {
    this.#neighbours = neighbours
  }

  /**
   * The table's routes to 0/0 in their order; `found` is the one that a look-up finds. The choice is remembered if it is
   * `fresh`; a connection, which asks for each of its packets here and once in the kernel, must not take turns.
   */
  select(found: Route, all: readonly Route[], fresh: boolean): Route {
    if (found !== this.#first) {
      this.#first = found
      this.#chosen = NONE
    }
    this.#fresh = fresh
    this.#lastResort = null
    this.#lastPlace = NONE
    let candidate: Route | null = null
    let place = NONE
    for (let i = all.indexOf(found); i < all.length; i++) {
      const next = all[i]
      if (next.metric !== found.metric || next.tos !== found.tos) break
      if (next.scope !== found.scope || next.type !== 'unicast' || next.gateway === null) continue
      if (candidate === null && next !== found) break
      if (candidate !== null && !this.#mayBeDead(candidate, place)) return this.#choose(candidate, place)
      candidate = next
      place++
    }
    if (place <= 0 || candidate === null) return this.#choose(found, NONE)
    if (!this.#mayBeDead(candidate, place)) return this.#choose(candidate, place)
    return this.#choose(this.#lastResort ?? found, this.#lastPlace)
  }

  #choose(route: Route, place: number): Route {
    if (this.#fresh) this.#chosen = place
    return route
  }

  /** A neighbour that failed; or one that is only valid, if its route is the one in use: others have their turn. */
  #mayBeDead(route: Route, place: number): boolean {
    const { device, gateway } = route
    const neighbour = device === null || gateway === null ? null : this.#neighbours.find(device, gateway)
    if (neighbour === null || neighbour.state === 'REACHABLE') return false
    const valid = isValid(neighbour.state)
    if (valid && place !== this.#chosen) return false
    if (valid || (this.#lastPlace < 0 && place > this.#chosen && neighbour.state !== 'INCOMPLETE')) {
      this.#lastResort = route
      this.#lastPlace = place
    }
    return true
  }
}
