/**
 * The next hops of a route with more than one, and how flows are shared among them (fib_semantics.c: fib_rebalance,
 * fib_select_multipath). Each hop owns a piece of the range of hashes, as large as its weight; a hop whose device went
 * down is dead and owns nothing until the device is up again.
 */
import type { NetDevice } from '../link/device.ts'
import type { Ipv4 } from '../wire/address.ts'
import { type HopJudge, type Multipath, type Route, sameHop } from './route.ts'

/** A hop's bound while it owns nothing. */
const NOTHING = -1

export class NextHops implements Multipath {
  readonly hops: readonly Route[]
  readonly weights: readonly number[]
  readonly dead: boolean[]
  /** The last hash that each hop owns (fib_nh_upper_bound). */
  readonly #bounds: Int32Array
  /** The address that each hop's device gives to what we send by it (nh_saddr). */
  readonly #sources: Int32Array

  constructor(hops: readonly Route[], weights: readonly number[]) {
    this.hops = hops
    this.weights = weights
    this.dead = hops.map(() => false)
    this.#bounds = new Int32Array(hops.length)
    this.#sources = new Int32Array(hops.length)
  }

  balance(judge: HopJudge, sourceBy: (hop: Route) => Ipv4): void {
    const owns = this.hops.map((hop, i) => !this.dead[i] && !judge.unusable(hop.device as NetDevice))
    const total = this.weights.reduce((sum, weight, i) => sum + (owns[i] ? weight : 0), 0)
    let upTo = 0
    this.hops.forEach((hop, i) => {
      if (owns[i]) upTo += this.weights[i]
      this.#bounds[i] = owns[i] ? Math.floor((upTo * 2 ** 31 + Math.floor(total / 2)) / total) - 1 : NOTHING
      this.#sources[i] = sourceBy(hop)
    })
  }

  kill(device: NetDevice): boolean {
    this.hops.forEach((hop, i) => {
      if (hop.device === device) this.dead[i] = true
    })
    return this.dead.every((each) => each)
  }

  revive(device: NetDevice): void {
    this.hops.forEach((hop, i) => {
      if (hop.device === device) this.dead[i] = false
    })
  }

  uses(device: NetDevice): boolean {
    return this.hops.some((hop) => hop.device === device)
  }

  first(output: NetDevice | null, judge: HopJudge): Route | null {
    for (let i = 0; i < this.hops.length; i++) {
      const device = this.hops[i].device as NetDevice
      if (!this.dead[i] && (output === null || device === output) && !judge.unusable(device)) return this.hops[i]
    }
    return null
  }

  select(hash: number, source: number, avoids: ((hop: Route) => boolean) | null): Route | null {
    let best = -1
    let chosen: Route | null = null
    for (let i = 0; i < this.hops.length; i++) {
      const bound = this.#bounds[i]
      if (bound === NOTHING || avoids?.(this.hops[i]) === true) continue
      const ours = source !== 0 && this.#sources[i] === source
      const score = (ours ? 2 : 0) + (hash <= bound ? 1 : 0)
      if (score > best) {
        best = score
        chosen = this.hops[i]
      }
    }
    return chosen
  }

  equals(other: Multipath): boolean {
    return (
      this.hops.length === other.hops.length &&
      this.hops.every((hop, i) => sameHop(hop, other.hops[i]) && this.weights[i] === other.weights[i])
    )
  }
}
