/**
 * What ICMP taught about single destinations (struct fib_nh_exception of net/ipv4/route.c): a path narrower than
 * its devices, and a better gateway. Each is forgotten after a time.
 */
import type { NetDevice } from '../link/device.ts'
import { configurationChanged } from '../link/flow-cache.ts'
import type { Scheduler } from '../sim/scheduler.ts'
import { SECOND } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { Route } from './route.ts'
import type { Sysctl } from './sysctl.ts'

export interface RouteException {
  readonly destination: Ipv4
  /** 0: nothing is known of the path. */
  mtu: number
  /** The path is narrower than min_pmtu: packets are no longer probed with DF. */
  mtuLocked: boolean
  /** The gateway of an accepted redirect, as the whole route by it. */
  redirect: Route | null
  /** Virtual time at which it is forgotten. */
  expires: number
}

/** How long a redirect is believed: ip_rt_gc_timeout. */
const REDIRECT_LIFETIME = 300 * SECOND

export class RouteExceptions {
  /** How many hold a gateway; 0 spares every packet the look-up. */
  redirects = 0
  #scheduler: Scheduler
  #sysctl: Sysctl
  #known: Map<number, RouteException> | null = null

  constructor(scheduler: Scheduler, sysctl: Sysctl) {
    this.#scheduler = scheduler
    this.#sysctl = sysctl
  }

  get empty(): boolean {
    return this.#known === null || this.#known.size === 0
  }

  /** What is known of the destination, while it holds. */
  get(destination: Ipv4): RouteException | null {
    const found = this.#known?.get(destination)
    if (found === undefined) return null
    if (found.expires > this.#scheduler.now) return found
    this.#known?.delete(destination)
    if (found.redirect !== null) this.redirects--
    return null
  }

  /** A message said that packets of `mtu` bytes get through; `current` is what we believe now (ip_rt_update_pmtu). */
  learn(destination: Ipv4, mtu: number, current: number): void {
    const least = this.#sysctl.number('net.ipv4.route.min_pmtu')
    const known = this.get(destination)
    if (known?.mtuLocked === true || current < mtu) return
    const locked = mtu < least
    const learnt = locked ? Math.min(current, least) : mtu
    // The same again, with more than half of its life left, changes nothing.
    const lifetime = this.#sysctl.number('net.ipv4.route.mtu_expires') * SECOND
    const now = this.#scheduler.now
    if (!locked && known !== null && known.mtu === learnt && known.expires - now > lifetime / 2) return
    configurationChanged()
    const exception = known ?? this.#fresh(destination)
    exception.mtu = learnt
    exception.mtuLocked = locked
    exception.expires = now + lifetime
  }

  /** A router told of a better first hop (__ip_do_redirect). */
  redirect(destination: Ipv4, by: Route): void {
    const exception = this.get(destination) ?? this.#fresh(destination)
    if (exception.redirect === null) this.redirects++
    exception.redirect = by
    exception.expires = this.#scheduler.now + REDIRECT_LIFETIME
  }

  /** The route by the gateway that a redirect named, if this route is the one it was about. */
  redirected(found: Route, destination: Ipv4): Route {
    const known = this.get(destination)
    if (known === null || known.redirect === null || found.type !== 'unicast') return found
    return known.redirect.device === found.device ? known.redirect : found
  }

  /** The largest packet on the way by a route. */
  mtuBy(found: Route, destination: Ipv4, loopback: NetDevice): number {
    const device = found.type === 'local' ? loopback : (found.device ?? loopback)
    const mtu = found.mtu > 0 ? Math.min(found.mtu, device.mtu) : device.mtu
    // No IPv4 packet is longer than its 16-bit length field can say, whatever lo would take.
    const longest = Math.min(mtu, 65_535)
    if (this.empty) return longest
    const learnt = this.get(destination)?.mtu ?? 0
    return learnt > 0 && learnt < longest ? learnt : longest
  }

  /** `ip route flush cache`: all is forgotten. */
  clear(): void {
    this.#known = null
    this.redirects = 0
  }

  #fresh(destination: Ipv4): RouteException {
    const made: RouteException = { destination, mtu: 0, mtuLocked: false, redirect: null, expires: 0 }
    this.#known ??= new Map()
    this.#known.set(destination, made)
    return made
  }
}
