/**
 * The neighbour table (net/core/neighbour.c, net/ipv4/arp.c): who has which address on which device, and the
 * frames that wait for the answer.
 *
 *                    reply                 30 s × 0.5..1.5
 *   INCOMPLETE ───────────────▶ REACHABLE ───────────────▶ STALE ◀── somebody asked us
 *      │ 3 broadcasts, 1 s        ▲  confirmed                │ used
 *      ▼                          │                           ▼
 *    FAILED ◀── 3 unicasts ── PROBE ◀──────── 5 s ───────── DELAY
 *
 * All timers are kernel timers: they fire on the timer wheel's ticks (sim/jiffies).
 */
import type { NetDevice } from '../link/device.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { wheel } from '../sim/jiffies.ts'
import { Ring } from '../sim/ring.ts'
import { type Nanos, SECOND, type Task, Timer } from '../sim/scheduler.ts'
import { copyMac, type Ipv4, type Mac, sameMac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'

export type NeighbourState = 'INCOMPLETE' | 'REACHABLE' | 'STALE' | 'DELAY' | 'PROBE' | 'FAILED' | 'PERMANENT'

export interface Neighbour {
  readonly device: NetDevice
  readonly address: Ipv4
  /** Meaningless while INCOMPLETE or FAILED. */
  readonly mac: Mac
  readonly state: NeighbourState
}

const RETRANSMIT: Nanos = SECOND
const DELAY_FIRST_PROBE: Nanos = 5 * SECOND
const BASE_REACHABLE: Nanos = 30 * SECOND
/** A changed address is believed only when the old one has stood for this long (NEIGH_VAR LOCKTIME). */
const LOCK_TIME: Nanos = SECOND
const PROBES = 3
/** unres_qlen: how many frames may wait for one answer; the oldest makes room. */
const QUEUE = 101

/** What the table needs of its namespace. */
export interface Solicitor {
  /** Sends an ARP request for the address: to everybody, or to `known` when the entry is only to be confirmed. */
  solicit(device: NetDevice, target: Ipv4, known: Mac | null, waiting: Frame | null): void
  /** Nobody answered: reports and ends a frame that waited. */
  unresolved(frame: Frame, device: NetDevice): void
}

class Entry implements Neighbour, Task {
  readonly device: NetDevice
  readonly address: Ipv4
  readonly mac: Mac = new Uint8Array(6)
  state: NeighbourState = 'INCOMPLETE'
  readonly waiting = new Ring<Frame>(4)
  readonly timer: Timer
  /** When it was last used, confirmed and changed. */
  readonly times = Float64Array.of(-1e18, -1e18, -1e18)
  probes = 0
  /** A frame was sent with it before: Linux has its hardware header cached. */
  cached = false
  #table: NeighbourTable

  constructor(table: NeighbourTable, device: NetDevice, address: Ipv4) {
    this.#table = table
    this.device = device
    this.address = address
    this.timer = new Timer(this)
  }

  run(): void {
    this.#table.expire(this)
  }
}

const USED = 0
const CONFIRMED = 1
const UPDATED = 2

export class NeighbourTable {
  #world: World
  #solicitor: Solicitor
  #where: string
  #byDevice = new Map<NetDevice, Map<number, Entry>>()
  /** The entries that were used last, by a hash of device and address. */
  #recent: (Entry | null)[] = new Array<Entry | null>(64).fill(null)
  #reachable: Nanos

  constructor(world: World, solicitor: Solicitor, where: string, chance: number) {
    this.#world = world
    this.#solicitor = solicitor
    this.#where = where
    // neigh_rand_reach_time: 0.5 to 1.5 times the base.
    this.#reachable = BASE_REACHABLE * (0.5 + chance)
  }

  list(): Neighbour[] {
    return [...this.#byDevice.values()].flatMap((entries) => [...entries.values()])
  }

  /** `ip neigh replace`. */
  add(device: NetDevice, address: Ipv4, mac: Mac, state: 'PERMANENT' | 'REACHABLE' | 'STALE'): void {
    const entry = this.#find(device, address) ?? this.#create(device, address)
    entry.state = 'STALE'
    this.#update(entry, mac, 0, 'STALE', true)
    entry.state = state
    this.#world.scheduler.cancel(entry.timer)
    if (state === 'REACHABLE') {
      entry.times[CONFIRMED] = this.#world.scheduler.now
      this.#arm(entry, this.#reachable)
    }
  }

  /** `ip neigh del`. */
  delete(device: NetDevice, address: Ipv4): boolean {
    const entry = this.#find(device, address)
    if (entry === null) return false
    this.#end(entry)
    return true
  }

  /** The device went down or away. */
  flush(device: NetDevice): void {
    const entries = this.#byDevice.get(device)
    if (entries === undefined) return
    for (const entry of [...entries.values()]) this.#end(entry)
    this.#byDevice.delete(device)
  }

  /** The device lost its carrier (neigh_carrier_down): only what is permanent stays. */
  unplugged(device: NetDevice): void {
    for (const entry of [...(this.#byDevice.get(device)?.values() ?? [])]) {
      if (entry.state !== 'PERMANENT') this.#end(entry)
    }
  }

  /** Is the address known well enough to send to without asking? */
  resolved(device: NetDevice, address: Ipv4): boolean {
    const entry = this.#find(device, address)
    return entry !== null && entry.state !== 'INCOMPLETE' && entry.state !== 'FAILED'
  }

  /**
   * Writes the Ethernet header and sends, or keeps the frame until ARP answers. The frame begins with its IP
   * header. Takes the frame.
   */
  resolve(device: NetDevice, nextHop: Ipv4, frame: Frame): void {
    const entry = this.#find(device, nextHop)
    if (entry !== null) {
      const { state } = entry
      if (state === 'REACHABLE' || state === 'PERMANENT' || state === 'DELAY' || state === 'PROBE') {
        entry.times[USED] = this.#world.scheduler.now
        return this.#send(entry, frame)
      }
    }
    this.#event(entry ?? this.#create(device, nextHop), frame)
  }

  /**
   * The MAC of a neighbour that is sure and was used before (neigh_hh_bridge's condition), or null: br_netfilter's
   * fast path asks.
   */
  connected(device: NetDevice, address: Ipv4): Mac | null {
    const entry = this.#find(device, address)
    if (entry === null || !entry.cached) return null
    return entry.state === 'REACHABLE' || entry.state === 'PERMANENT' ? entry.mac : null
  }

  /** The MAC of a neighbour in one of the states NUD_CONNECTED, or null: proxies answer from it. */
  connectedMac(device: NetDevice, address: Ipv4): Mac | null {
    const entry = this.#find(device, address)
    if (entry === null) return null
    return entry.state === 'REACHABLE' || entry.state === 'PERMANENT' ? entry.mac : null
  }

  /** A higher layer heard from the neighbour: TCP's progress, for one. */
  confirm(device: NetDevice, address: Ipv4): void {
    const entry = this.#find(device, address)
    if (entry !== null) entry.times[CONFIRMED] = this.#world.scheduler.now
  }

  /** An ARP request from this sender was for us (neigh_event_ns): it is known now, if only by hearsay. */
  heardRequest(device: NetDevice, sender: Ipv4, bytes: Uint8Array, macAt: number): void {
    const entry = this.#find(device, sender)
    if (entry === null) {
      const made = this.#create(device, sender)
      this.#update(made, bytes, macAt, 'STALE', true)
    } else {
      this.#update(entry, bytes, macAt, 'STALE', true)
    }
  }

  /** An ARP reply, or a request for somebody else: believed only about neighbours that we already asked for. */
  heardReply(
    device: NetDevice,
    sender: Ipv4,
    bytes: Uint8Array,
    macAt: number,
    toUs: boolean,
    gratuitous: boolean,
  ): void {
    const entry = this.#find(device, sender)
    if (entry === null) return
    const settled = this.#world.scheduler.now - entry.times[UPDATED] > LOCK_TIME
    this.#update(entry, bytes, macAt, toUs ? 'REACHABLE' : 'STALE', settled || gratuitous)
  }

  /** neigh_timer_handler. */
  expire(entry: Entry): void {
    const now = this.#world.scheduler.now
    if (entry.state === 'REACHABLE') {
      const reachableUntil = entry.times[CONFIRMED] + this.#reachable
      if (now <= reachableUntil) return this.#arm(entry, reachableUntil - now)
      if (now <= entry.times[USED] + DELAY_FIRST_PROBE) {
        entry.state = 'DELAY'
        entry.times[UPDATED] = now
        return this.#arm(entry, DELAY_FIRST_PROBE)
      }
      entry.state = 'STALE'
      entry.times[UPDATED] = now
      return
    }
    if (entry.state === 'DELAY') {
      if (now <= entry.times[CONFIRMED] + DELAY_FIRST_PROBE) {
        entry.state = 'REACHABLE'
        entry.times[UPDATED] = now
        return this.#arm(entry, entry.times[CONFIRMED] + this.#reachable - now)
      }
      entry.state = 'PROBE'
      entry.probes = 0
      entry.times[UPDATED] = now
    }
    if (entry.probes >= PROBES) return this.#fail(entry)
    this.#arm(entry, RETRANSMIT)
    this.#probe(entry)
  }

  /** __neigh_event_send, for the states that do not send at once. */
  #event(entry: Entry, frame: Frame): void {
    entry.times[USED] = this.#world.scheduler.now
    if (entry.state === 'STALE') {
      entry.state = 'DELAY'
      entry.times[UPDATED] = this.#world.scheduler.now
      this.#arm(entry, DELAY_FIRST_PROBE)
      return this.#send(entry, frame)
    }
    entry.waiting.push(frame)
    if (entry.waiting.size > QUEUE) {
      const oldest = entry.waiting.shift()
      if (oldest !== null) this.#world.frames.drop(oldest, DropReason.QueueFull, this.#where)
    }
    if (entry.state === 'INCOMPLETE' && entry.timer.armed) return
    entry.state = 'INCOMPLETE'
    entry.times[UPDATED] = this.#world.scheduler.now
    entry.probes = 0
    this.#arm(entry, RETRANSMIT)
    this.#probe(entry)
  }

  #probe(entry: Entry): void {
    entry.probes++
    const waiting = entry.waiting.peek()
    this.#solicitor.solicit(entry.device, entry.address, entry.state === 'PROBE' ? entry.mac : null, waiting)
  }

  #fail(entry: Entry): void {
    entry.state = 'FAILED'
    entry.times[UPDATED] = this.#world.scheduler.now
    for (let waiting = entry.waiting.size; waiting > 0; waiting--) {
      const frame = entry.waiting.shift()
      if (frame !== null) this.#solicitor.unresolved(frame, entry.device)
    }
  }

  /** neigh_update. `override`: a different MAC replaces the one that is known. */
  #update(entry: Entry, bytes: Uint8Array, macAt: number, wanted: 'REACHABLE' | 'STALE', override: boolean): void {
    if (entry.state === 'PERMANENT') return
    const now = this.#world.scheduler.now
    const wasValid = entry.state !== 'INCOMPLETE' && entry.state !== 'FAILED'
    const same = wasValid && sameMac(entry.mac, 0, bytes, macAt)
    if (wanted === 'REACHABLE') entry.times[CONFIRMED] = now
    if (wasValid && !same && !override) return
    const state = same && wanted === 'STALE' ? entry.state : wanted
    if (state !== entry.state || !same) entry.times[UPDATED] = now
    if (!same) {
      copyMac(entry.mac, 0, bytes, macAt)
      if (state !== 'REACHABLE') entry.times[CONFIRMED] = now - 2 * BASE_REACHABLE
    }
    if (state === entry.state) return
    this.#world.scheduler.cancel(entry.timer)
    entry.state = state
    if (state === 'REACHABLE') this.#arm(entry, this.#reachable)
    for (let waiting = wasValid ? 0 : entry.waiting.size; waiting > 0; waiting--) {
      const frame = entry.waiting.shift()
      if (frame !== null) this.resolve(entry.device, entry.address, frame)
    }
  }

  #send(entry: Entry, frame: Frame): void {
    const start = frame.push(ethernet.HEADER)
    ethernet.write(frame.bytes, start, entry.mac, entry.device.mac, ethernet.ETH_P_IP)
    entry.cached = true
    entry.device.send(frame)
  }

  #arm(entry: Entry, delay: Nanos): void {
    const { scheduler } = this.#world
    scheduler.at(entry.timer, wheel(scheduler.now, delay))
  }

  #find(device: NetDevice, address: Ipv4): Entry | null {
    const slot = (address ^ (address >>> 8) ^ device.index) & 63
    const recent = this.#recent[slot]
    if (recent !== null && recent.address === address && recent.device === device) return recent
    const entry = this.#byDevice.get(device)?.get(address) ?? null
    if (entry !== null) this.#recent[slot] = entry
    return entry
  }

  #create(device: NetDevice, address: Ipv4): Entry {
    let entries = this.#byDevice.get(device)
    if (entries === undefined) {
      entries = new Map()
      this.#byDevice.set(device, entries)
    }
    const entry = new Entry(this, device, address)
    entries.set(address, entry)
    return entry
  }

  #end(entry: Entry): void {
    this.#world.scheduler.cancel(entry.timer)
    this.#byDevice.get(entry.device)?.delete(entry.address)
    this.#recent.fill(null)
    for (let waiting = entry.waiting.size; waiting > 0; waiting--) {
      const frame = entry.waiting.shift()
      if (frame !== null) this.#world.frames.drop(frame, DropReason.NeighbourFailed, this.#where)
    }
  }
}
