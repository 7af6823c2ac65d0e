/**
 * What a namespace remembers of a host that it told something (net/ipv4/inetpeer.c): one token bucket limits the
 * errors it is sent, and the redirects it is sent empty that bucket.
 */
import { HZ, jiffies } from '../sim/jiffies.ts'
import type { Scheduler } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'

/** Redirects that a host ignored before we give up (ip_rt_redirect_number). */
const NUMBER = 9
/** Between the first two, in jiffies; doubled with each further one (ip_rt_redirect_load). */
const LOAD = HZ / 50
/** After so long without a word to this host, all begins again (ip_rt_redirect_silence). */
const SILENCE = LOAD * 2 ** (NUMBER + 1)

export class InetPeer {
  /** Of the bucket, in jiffies. */
  #tokens = 0
  #last: number
  #redirects = 0

  constructor(now: number) {
    this.#last = now - 60 * HZ
  }

  /** inet_peer_xrlim_allow: refills to at most `burst`; true when `cost` could be paid. */
  pay(now: number, cost: number, burst: number): boolean {
    this.#tokens = Math.min(this.#tokens + now - this.#last, burst)
    this.#last = now
    if (this.#tokens < cost) return false
    this.#tokens -= cost
    return true
  }

  /** Is it time for another redirect? (ip_rt_send_redirect) */
  redirect(now: number): boolean {
    if (now > this.#last + SILENCE) {
      this.#tokens = 0
      this.#redirects = 0
    }
    if (this.#redirects >= NUMBER) {
      this.#last = now
      return false
    }
    if (this.#redirects > 0 && now <= this.#last + LOAD * 2 ** this.#redirects) return false
    this.#last = now
    this.#redirects++
    return true
  }
}

export class InetPeers {
  readonly #scheduler: Scheduler
  #peers: Map<number, InetPeer> | null = null

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  of(address: Ipv4): InetPeer {
    this.#peers ??= new Map()
    let found = this.#peers.get(address)
    if (found === undefined) {
      found = new InetPeer(jiffies(this.#scheduler.now))
      this.#peers.set(address, found)
    }
    return found
  }
}
