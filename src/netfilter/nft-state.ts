/** What rules and elements remember: counters, limits, quotas, turns. They change with packets, and are reused. */
import { LARGE } from '../sim/count.ts'
import type { Nanos } from '../sim/scheduler.ts'

export class NftPlainCounter {
  packets = 0
  bytes = LARGE

  constructor() {
    this.bytes = 0
  }
}

/** `limit rate 10/second burst 5 packets`: a bucket of tokens, in nanoseconds (nft_limit.c). */
export class NftLimit {
  readonly rate: number
  /** Nanoseconds of the unit. */
  readonly unit: Nanos
  readonly burst: number
  /** Bytes instead of packets. */
  readonly inBytes: boolean
  /** `over`: it holds beyond the rate. */
  readonly over: boolean
  /** Tokens left, and when they were last reckoned. */
  readonly #state = new Float64Array(2)
  readonly #most: Nanos

  constructor(rate: number, unit: Nanos, burst: number, inBytes: boolean, over: boolean, now: Nanos) {
    this.rate = rate
    this.unit = unit
    this.burst = burst
    this.inBytes = inBytes
    this.over = over
    this.#most = inBytes ? Math.floor((unit * (rate + burst)) / rate) : Math.floor(unit / rate) * burst
    this.#state[0] = this.#most
    this.#state[1] = now
  }

  fresh(now: Nanos): NftLimit {
    return new NftLimit(this.rate, this.unit, this.burst, this.inBytes, this.over, now)
  }

  holds(now: Nanos, length: number): boolean {
    const state = this.#state
    const cost = this.inBytes ? Math.floor((this.unit * length) / this.rate) : Math.floor(this.unit / this.rate)
    const tokens = Math.min(state[0] + now - state[1], this.#most)
    state[1] = now
    if (tokens >= cost) {
      state[0] = tokens - cost
      return !this.over
    }
    state[0] = tokens
    return this.over
  }
}

/** `quota over 10 mbytes` (nft_quota.c). */
export class NftQuota {
  readonly bytes: number
  readonly over: boolean
  used: number

  constructor(bytes: number, over: boolean, used: number) {
    this.bytes = bytes
    this.over = over
    this.used = used
  }

  holds(length: number): boolean {
    this.used += length
    return this.used > this.bytes === this.over
  }
}

/** `numgen inc mod 3 offset 1` (nft_numgen.c): the next packet's number. */
export class NftTurn {
  readonly modulus: number
  readonly offset: number
  #last: number

  constructor(modulus: number, offset: number) {
    this.modulus = modulus
    this.offset = offset
    this.#last = modulus - 1
  }

  next(): number {
    this.#last = this.#last + 1 < this.modulus ? this.#last + 1 : 0
    return this.#last + this.offset
  }
}

export type NftObject =
  | { readonly kind: 'counter'; readonly state: NftPlainCounter }
  | { readonly kind: 'quota'; readonly state: NftQuota }
  | { readonly kind: 'limit'; readonly state: NftLimit }

export class NamedObject {
  readonly name: string
  handle = 0
  readonly object: NftObject
  comment = ''
  uses = 0

  constructor(name: string, object: NftObject) {
    this.name = name
    this.object = object
  }
}
