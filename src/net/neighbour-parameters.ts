/** net.ipv4.neigh.DEVICE.* (struct neigh_parms): how patient neighbour discovery is on one device. */
import { type Nanos, SECOND } from '../sim/scheduler.ts'

const MILLISECOND = SECOND / 1000
/** Times in "jiffies" of sysctl are hundredths of a second, whatever the kernel's HZ (USER_HZ). */
const USER_JIFFY = SECOND / 100
/** What one frame of full size costs a queue: SKB_TRUESIZE(ETH_FRAME_LEN). */
export const FULL_FRAME = 2090

/** The names, their defaults, and the least that each takes. */
const defaults: Readonly<Record<string, number>> = {
  anycast_delay: 100,
  app_solicit: 0,
  base_reachable_time_ms: 30_000,
  delay_first_probe_time: 5,
  gc_stale_time: 60,
  interval_probe_time_ms: 5000,
  locktime: 100,
  mcast_resolicit: 0,
  mcast_solicit: 3,
  proxy_delay: 80,
  proxy_qlen: 64,
  retrans_time_ms: 1000,
  ucast_solicit: 3,
  unres_qlen: 101,
  unres_qlen_bytes: 212_992,
}

/** The table's own, which stand with `default`. */
const tableDefaults: Readonly<Record<string, number>> = {
  gc_interval: 30,
  gc_thresh1: 128,
  gc_thresh2: 512,
  gc_thresh3: 1024,
}

const unsigned = ['app_solicit', 'mcast_resolicit', 'mcast_solicit', 'proxy_qlen', 'ucast_solicit', 'unres_qlen']

/** Old names for the same, in other units: [name, factor]. */
const old = new Map<string, readonly [string, number]>([
  ['base_reachable_time', ['base_reachable_time_ms', 1000]],
  ['retrans_time', ['retrans_time_ms', 10]],
])

/** neigh_periodic_work draws again after this long. */
const REDRAW: Nanos = 300 * SECOND

const builtIn: ReadonlyMap<string, number> = new Map([...Object.entries(defaults), ...Object.entries(tableDefaults)])

export class NeighbourParameters {
  static readonly names: readonly string[] = Object.keys(defaults)
  static readonly defaultNames: readonly string[] = [...Object.keys(defaults), ...Object.keys(tableDefaults)].sort()

  /** What is different here from what a kernel has built in. */
  #changed: Map<string, number> | null = null
  /** What was set here, and does not follow `default` any more. */
  #own: Set<string> | null = null
  #detached = false
  /** From 0 to 1: where in 0.5 to 1.5 times the base the reachable time lies (neigh_rand_reach_time). */
  #chance: number
  baseReachable: Nanos = 0
  reachable: Nanos = 0
  /** When `reachable` was drawn. */
  drawn: Nanos = 0
  delayFirstProbe: Nanos = 0
  retransmit: Nanos = 0
  staleTime: Nanos = 0
  lockTime: Nanos = 0
  proxyDelay: Nanos = 0
  proxyQueue = 0
  broadcasts = 0
  unicasts = 0
  /** How many probes go to a user's daemon, which nobody runs here: they pass in silence. */
  appProbes = 0
  /** Broadcasts of PROBE, when unicasts stay without answer. */
  rebroadcasts = 0
  /** What may wait for one answer, in bytes of memory (unres_qlen_bytes). */
  queueBytes = 0
  gcInterval: Nanos = 0
  gcThreshold1 = 0
  gcThreshold2 = 0
  gcThreshold3 = 0

  constructor(chance: number) {
    this.#chance = chance
    this.#settle()
  }

  /** Null: there is no such name. */
  get(name: string): number | null {
    const alias = old.get(name)
    if (alias !== undefined) return Math.trunc(this.#value(alias[0]) / alias[1])
    return this.#changed?.get(name) ?? builtIn.get(name) ?? null
  }

  #value(name: string): number {
    return this.#changed?.get(name) ?? builtIn.get(name) ?? 0
  }

  #put(name: string, value: number): void {
    this.#changed ??= new Map()
    this.#changed.set(name, value)
  }

  /** False for a number that the name does not take. */
  static takes(name: string, value: number): boolean {
    if (name === 'unres_qlen_bytes' || unsigned.includes(name)) return value >= 0
    return name !== 'interval_probe_time_ms' || value >= 1
  }

  set(given: string, value: number): void {
    const alias = old.get(given)
    const name = alias === undefined ? given : alias[0]
    this.#put(name, alias === undefined ? value : value * alias[1])
    this.#own ??= new Set()
    this.#own.add(name)
    // One number, counted in full frames or in bytes.
    if (name === 'unres_qlen') this.#put('unres_qlen_bytes', value * FULL_FRAME)
    if (name === 'unres_qlen_bytes') this.#put('unres_qlen', Math.floor(value / FULL_FRAME))
    if (name.startsWith('unres_qlen')) this.#own.add('unres_qlen').add('unres_qlen_bytes')
    this.#settle()
  }

  copy(from: NeighbourParameters): void {
    if (from.#changed === null) return
    for (const name of NeighbourParameters.names) {
      const value = from.#changed.get(name)
      if (value !== undefined) this.#put(name, value)
    }
    this.#settle()
  }

  /** `default` changed (neigh_copy_dflt_parms). */
  follow(from: NeighbourParameters, given: string): void {
    const name = old.get(given)?.[0] ?? given
    if (this.#detached || this.#own?.has(name) === true || !NeighbourParameters.names.includes(name)) return
    this.#put(name, from.#value(name))
    if (name.startsWith('unres_qlen')) {
      for (const each of ['unres_qlen', 'unres_qlen_bytes']) this.#put(each, from.#value(each))
    }
    this.#settle()
  }

  detach(): void {
    this.#detached = true
    this.#own = null
  }

  /** After 300 s the reachable time is another one. */
  stale(now: Nanos): boolean {
    return now - this.drawn > REDRAW
  }

  redraw(chance: number, now: Nanos): void {
    this.#chance = chance
    this.drawn = now
    this.#settle()
  }

  #settle(): void {
    const value = (name: string) => this.#value(name)
    this.baseReachable = value('base_reachable_time_ms') * MILLISECOND
    this.reachable = this.baseReachable * (0.5 + this.#chance)
    this.delayFirstProbe = value('delay_first_probe_time') * SECOND
    this.retransmit = value('retrans_time_ms') * MILLISECOND
    this.staleTime = value('gc_stale_time') * SECOND
    this.lockTime = value('locktime') * USER_JIFFY
    this.proxyDelay = value('proxy_delay') * USER_JIFFY
    this.proxyQueue = value('proxy_qlen')
    this.broadcasts = value('mcast_solicit')
    this.unicasts = value('ucast_solicit')
    this.appProbes = value('app_solicit')
    this.rebroadcasts = value('mcast_resolicit')
    this.queueBytes = value('unres_qlen_bytes')
    this.gcInterval = value('gc_interval') * SECOND
    this.gcThreshold1 = value('gc_thresh1')
    this.gcThreshold2 = value('gc_thresh2')
    this.gcThreshold3 = value('gc_thresh3')
  }
}
