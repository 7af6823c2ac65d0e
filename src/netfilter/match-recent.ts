/**
 * `-m recent`: named lists of addresses and of when each was seen (xt_recent). kube-proxy's session affinity: the
 * rule of an endpoint notes the client, and a later packet of that client looks there first.
 */
import { HZ, jiffies } from '../sim/jiffies.ts'
import { formatIpv4, type Ipv4 } from '../wire/address.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { NetfilterError } from './error.ts'
import { bang, Match } from './match.ts'
import type { Packet } from './packet.ts'
import { parseNetwork, parseNumber, refuseNot, type Words } from './words.ts'

/** ip_list_tot and ip_pkt_list_tot, the module's defaults. */
const MAX_ADDRESSES = 100
const MAX_STAMPS = 20

/** When one address was seen: the last times, in jiffies, as a ring. */
class Sightings {
  readonly stamps = new Float64Array(MAX_STAMPS)
  count = 0
  next = 0
  ttl = 0

  add(now: number, ttl: number): void {
    this.ttl = ttl
    this.stamps[this.next] = now
    this.next = (this.next + 1) % MAX_STAMPS
    if (this.count < MAX_STAMPS) this.count++
  }

  get last(): number {
    return this.stamps[(this.next + MAX_STAMPS - 1) % MAX_STAMPS]
  }
}

/** One named list: /proc/net/xt_recent/NAME. Its Map is kept in the order of last use. */
export class RecentList {
  readonly entries = new Map<Ipv4, Sightings>()

  touch(address: Ipv4, now: number, ttl: number): void {
    let entry = this.entries.get(address)
    if (entry === undefined) {
      entry = new Sightings()
      if (this.entries.size >= MAX_ADDRESSES) this.#dropEldest()
    } else this.entries.delete(address)
    this.entries.set(address, entry)
    entry.add(now, ttl)
  }

  /** Drops the entry that was not used for longest, if it is older than `since`. */
  reap(since: number): void {
    for (const [address, entry] of this.entries) {
      if (entry.last < since) this.entries.delete(address)
      return
    }
  }

  #dropEldest(): void {
    for (const address of this.entries.keys()) {
      this.entries.delete(address)
      return
    }
  }
}

/** The lists of one namespace, by name; a list lives as long as the namespace. */
export class RecentLists {
  readonly #lists = new Map<string, RecentList>()

  named(name: string): RecentList {
    let list = this.#lists.get(name)
    if (list === undefined) {
      list = new RecentList()
      this.#lists.set(name, list)
    }
    return list
  }
}

function ttlOf(packet: Packet): number {
  const ttl = ipv4.ttl(packet.bytes, packet.network)
  return packet.output === null ? ttl : ttl + 1
}

type Action = '--set' | '--rcheck' | '--update' | '--remove'

export class RecentMatch extends Match {
  readonly name = 'recent'
  #lists: RecentLists
  #list: RecentList
  #action: Action | null = null
  #not = false
  #seconds = 0
  #hits = 0
  #reap = false
  /** --rttl: only a packet with the TTL that the entry was last seen with. */
  #rttl = false
  #listName = 'DEFAULT'
  #mask = -1 as Ipv4
  #ofDestination = false
  /** The last packet's. */
  #asked = 0 as Ipv4

  constructor(lists: RecentLists) {
    super()
    this.#lists = lists
    this.#list = new RecentList()
  }

  override option(name: string, words: Words, not: boolean): boolean {
    switch (name) {
      case '--set':
      case '--rcheck':
      case '--update':
      case '--remove':
        if (this.#action !== null) {
          throw new NetfilterError(`recent: option "${this.#action}" cannot be used together with "${name}".\n`)
        }
        this.#action = name
        this.#not = not
        return true
      case '--seconds':
        this.#seconds = parseNumber(words.value(name), name, 1)
        break
      case '--hitcount':
        this.#hits = parseNumber(words.value(name), name, 1, MAX_STAMPS)
        break
      case '--reap':
        this.#reap = true
        break
      case '--name':
        this.#listName = words.value(name)
        break
      case '--mask':
        this.#mask = parseNetwork(words.value(name))[0]
        break
      case '--rsource':
        this.#ofDestination = false
        break
      case '--rdest':
        this.#ofDestination = true
        break
      case '--rttl':
        this.#rttl = true
        break
      default:
        return false
    }
    refuseNot(not, name)
    return true
  }

  override check(): void {
    if (this.#action === null) {
      throw new NetfilterError("recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'")
    }
    if (this.#reap && this.#seconds === 0) {
      throw new NetfilterError('recent: option "--reap" also requires "--seconds".\n')
    }
    this.#list = this.#lists.named(this.#listName)
  }

  override test(packet: Packet): boolean {
    const now = jiffies(packet.world.scheduler.now)
    const address = ((this.#ofDestination ? packet.destination : packet.source) & this.#mask) as Ipv4
    this.#asked = address
    const list = this.#list
    // What is on its way out already lost or will lose one (recent_mt).
    const ttl = ttlOf(packet)
    if (this.#action === '--set') {
      list.touch(address, now, ttl)
      return !this.#not
    }
    const entry = list.entries.get(address)
    if (entry === undefined || (this.#rttl && entry.ttl !== ttl)) return this.#not
    if (this.#action === '--remove') {
      list.entries.delete(address)
      return !this.#not
    }
    const since = now - this.#seconds * HZ
    const found = this.#seen(entry, since) !== this.#not
    if (this.#reap) list.reap(since)
    if (this.#action === '--update' && found) list.touch(address, now, ttl)
    return found
  }

  override get fickle(): boolean {
    return true
  }

  override reason(): string {
    if (this.#action === '--set') return `${formatIpv4(this.#asked)} is noted in the list ${this.#listName}`
    const entry = this.#list.entries.get(this.#asked)
    const seen = entry === undefined ? 'not in' : `seen ${entry.count} ${entry.count === 1 ? 'time' : 'times'} by`
    return `${formatIpv4(this.#asked)} is ${seen} the list ${this.#listName}`
  }

  #seen(entry: Sightings, since: number): boolean {
    let hits = 0
    for (let i = 0; i < entry.count; i++) {
      if (this.#seconds !== 0 && entry.stamps[i] < since) continue
      hits++
      if (hits >= this.#hits) return true
    }
    return false
  }

  override save(): string {
    let text = bang(this.#not) + this.#action
    if (this.#seconds !== 0) text += ` --seconds ${this.#seconds}`
    if (this.#reap) text += ' --reap'
    if (this.#hits !== 0) text += ` --hitcount ${this.#hits}`
    if (this.#rttl) text += ' --rttl'
    return `${text} --name ${this.#listName} --mask ${formatIpv4(this.#mask)} ${this.#ofDestination ? '--rdest' : '--rsource'}`
  }

  override list(): string {
    const words = { '--set': 'SET', '--rcheck': 'CHECK', '--update': 'UPDATE', '--remove': 'REMOVE' }
    let text = `${bang(this.#not)}recent: ${words[this.#action ?? '--set']}`
    if (this.#seconds !== 0) text += ` seconds: ${this.#seconds}`
    if (this.#reap) text += ' reap'
    if (this.#hits !== 0) text += ` hit_count: ${this.#hits}`
    if (this.#rttl) text += ' TTL-Match'
    return `${text} name: ${this.#listName} side: ${this.#ofDestination ? 'dest' : 'source'} mask: ${formatIpv4(this.#mask)}`
  }
}
