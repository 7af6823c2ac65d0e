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
import { configurationChanged, journal } from '../link/flow-cache.ts'
import { DropReason, type Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { wheel } from '../sim/jiffies.ts'
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import { copyMac, type Ipv4, type Mac, sameMac } from '../wire/address.ts'
import type { InetDevices } from './inet-device.ts'
import { GivesWay, NextHop, Unresolved, Waits } from './neighbour-decisions.ts'
import {
  CONFIRMED,
  Entry,
  isValid,
  maxProbes,
  type NeighbourListener,
  type NeighbourState,
  type NeighbourSupplier,
  Resolved,
  reachableTime,
  type Solicitor,
  truesize,
  UPDATED,
  USED,
} from './neighbour-entry.ts'
import { NeighbourCollector } from './neighbour-gc.ts'
import { ProxyAddresses } from './proxy-addresses.ts'

/** Timers of the table are never closer than this (HZ / 100). */
const LEAST: Nanos = SECOND / 100

const SLOTS = 64
/** What a table has that nobody asked yet. */
const NOBODY: (Entry | null)[] = new Array<Entry | null>(SLOTS).fill(null)

export class NeighbourTable {
  /** Null while nobody wants to know. */
  listener: NeighbourListener | null = null
  /** Told of each new entry; null: nobody asks. */
  onCreate: ((device: NetDevice, address: Ipv4) => void) | null = null
  /** A neighbour that found no room. */
  onOverflow: (() => void) | null = null
  #world: World
  #solicitor: Solicitor
  #byDevice = new Map<NetDevice, Map<number, Entry>>()
  /** The entries that were used last, by a hash of device and address. */
  #recent = NOBODY
  #inet: InetDevices
  readonly proxies = new ProxyAddresses()
  /** Entries of all devices. */
  size = 0
  readonly #collector: NeighbourCollector

  constructor(world: World, solicitor: Solicitor, inet: InetDevices) {
    this.#world = world
    this.#solicitor = solicitor
    this.#inet = inet
    this.#collector = new NeighbourCollector(world.scheduler, this, inet.neighbours)
  }

  /** Null: the table is what it holds. */
  supplier: NeighbourSupplier | null = null

  list(): Entry[] {
    this.supplier?.all()
    return [...this.#byDevice.values()].flatMap((entries) => [...entries.values()])
  }

  /** Those of one device that are there now. */
  of(device: NetDevice): Iterable<Entry> {
    return this.#byDevice.get(device)?.values() ?? []
  }

  /** `ip neigh replace`. False: the table is full. */
  add(device: NetDevice, address: Ipv4, mac: Mac, state: NeighbourState): boolean {
    const entry = this.find(device, address) ?? this.#create(device, address)
    if (entry === null) return false
    if (state === 'INCOMPLETE' || state === 'FAILED' || state === 'NONE') {
      this.#world.scheduler.cancel(entry.timer)
      entry.state = state
      return true
    }
    const { listener } = this
    this.listener = null
    entry.state = 'STALE'
    this.#update(entry, mac, 0, 'STALE', true)
    entry.state = state
    this.listener = listener
    this.#world.scheduler.cancel(entry.timer)
    if (state === 'REACHABLE') {
      entry.times[CONFIRMED] = this.#world.scheduler.now
      this.#arm(entry, reachableTime(entry, this.#world))
    } else if (state === 'DELAY') this.#arm(entry, entry.parameters.delayFirstProbe)
    else if (state === 'PROBE') {
      entry.probes = 0
      this.#arm(entry, 0)
    }
    listener?.neighbour(entry, false)
    return true
  }

  /** The device goes down or away: nothing of it is kept (neigh_ifdown). */
  forget(device: NetDevice): void {
    this.flush(device)
    this.proxies.forget(device)
  }

  /** `ip neigh del`. */
  delete(device: NetDevice, address: Ipv4): boolean {
    const entry = this.find(device, address)
    if (entry === null) return false
    // neigh_delete fails the entry first, which is announced on its own, and told to whoever sent what waits.
    this.#fail(entry)
    this.end(entry)
    return true
  }

  /** Every entry of the device goes, permanent ones too (neigh_flush_dev). */
  flush(device: NetDevice): void {
    this.supplier?.all()
    for (const entry of [...(this.#byDevice.get(device)?.values() ?? [])]) this.end(entry)
    this.#byDevice.delete(device)
  }

  /** The device lost its carrier (neigh_carrier_down): only what is permanent stays. */
  unplugged(device: NetDevice): void {
    for (const entry of [...(this.#byDevice.get(device)?.values() ?? [])]) {
      if (entry.state !== 'PERMANENT') this.end(entry)
    }
  }

  /** Is the address known well enough to send to without asking? */
  resolved(device: NetDevice, address: Ipv4): boolean {
    const entry = this.find(device, address)
    return entry !== null && isValid(entry.state)
  }

  /**
   * Writes the Ethernet header and sends, or keeps the frame until ARP answers. The frame begins with its IP
   * header. Takes the frame.
   */
  resolve(device: NetDevice, nextHop: Ipv4, frame: Frame): void {
    const entry = this.find(device, nextHop)
    if (entry !== null) {
      const { state } = entry
      if (state !== 'STALE' && isValid(state)) {
        entry.times[USED] = this.#world.scheduler.now
        if (journal.open) {
          journal.add(frame, new Resolved(entry, this.#world.scheduler))
          this.#world.frames.tell(frame, entry.device.place, new NextHop(entry))
        }
        return entry.send(frame)
      }
    }
    if (journal.open) journal.refuse()
    const asked = entry ?? this.#create(device, nextHop)
    if (asked === null) return this.#world.frames.drop(frame, DropReason.NeighbourTableFull, device.place)
    if (asked.state !== 'NOARP') return this.#event(asked, frame)
    if (journal.open) this.#world.frames.tell(frame, device.place, new NextHop(asked))
    asked.send(frame)
  }

  /** Looks for an unknown neighbour although nothing waits to be sent to it (neigh_event_send without a packet). */
  ask(device: NetDevice, address: Ipv4): void {
    const entry = this.find(device, address) ?? this.#create(device, address)
    if (entry === null || this.resolved(device, address)) return
    if (entry.state === 'INCOMPLETE' && entry.timer.armed) return
    if (entry.parameters.broadcasts + entry.parameters.appProbes > 0) this.#begin(entry)
  }

  /**
   * A neighbour whose MAC is sure and was used before (neigh_hh_bridge's condition), or null: br_netfilter's fast path
   * asks.
   */
  connected(device: NetDevice, address: Ipv4): Entry | null {
    const entry = this.find(device, address)
    return entry === null || !entry.cached || entry.connectedMac === null ? null : entry
  }

  /** A higher layer heard from the neighbour: TCP's progress, for one. */
  confirm(device: NetDevice, address: Ipv4): void {
    const entry = this.find(device, address)
    if (entry !== null) entry.times[CONFIRMED] = this.#world.scheduler.now
  }

  /**
   * An ARP request from this sender was for us (neigh_event_ns): it is known now, if only by hearsay. False: the
   * table is full.
   */
  heardRequest(device: NetDevice, sender: Ipv4, bytes: Uint8Array, macAt: number): boolean {
    const entry = this.find(device, sender) ?? this.#create(device, sender)
    if (entry === null) return false
    this.#update(entry, bytes, macAt, 'STALE', true)
    return true
  }

  /** arp_accept: the sender gets an entry, which the next `heardReply` fills. */
  expect(device: NetDevice, sender: Ipv4): void {
    if (this.find(device, sender) === null) this.#create(device, sender)
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
    const entry = this.find(device, sender)
    if (entry === null) return
    const settled = this.#world.scheduler.now - entry.times[UPDATED] > entry.parameters.lockTime
    this.#update(entry, bytes, macAt, toUs ? 'REACHABLE' : 'STALE', settled || gratuitous)
  }

  /** neigh_timer_handler. */
  expire(entry: Entry): void {
    const now = this.#world.scheduler.now
    const { delayFirstProbe } = entry.parameters
    if (entry.state === 'REACHABLE') {
      const reachableUntil = entry.times[CONFIRMED] + reachableTime(entry, this.#world)
      if (now <= reachableUntil) return this.#arm(entry, reachableUntil - now)
      if (now <= entry.times[USED] + delayFirstProbe) {
        entry.state = 'DELAY'
        entry.times[UPDATED] = now
        return this.#arm(entry, delayFirstProbe)
      }
      return this.#become(entry, 'STALE')
    }
    if (entry.state === 'DELAY') {
      if (now <= entry.times[CONFIRMED] + delayFirstProbe) {
        this.#become(entry, 'REACHABLE')
        return this.#arm(entry, entry.times[CONFIRMED] + reachableTime(entry, this.#world) - now)
      }
      entry.probes = 0
      this.#become(entry, 'PROBE')
    }
    if (entry.probes >= maxProbes(entry)) return this.#fail(entry)
    this.#arm(entry, Math.max(entry.parameters.retransmit, LEAST))
    this.#probe(entry)
  }

  /** A change that is announced. */
  #become(entry: Entry, state: NeighbourState): void {
    entry.state = state
    entry.times[UPDATED] = this.#world.scheduler.now
    this.listener?.neighbour(entry, false)
  }

  /** __neigh_event_send, for the states that do not send at once. */
  #event(entry: Entry, frame: Frame): void {
    entry.times[USED] = this.#world.scheduler.now
    if (entry.state === 'STALE') {
      entry.state = 'DELAY'
      entry.times[UPDATED] = this.#world.scheduler.now
      this.#arm(entry, entry.parameters.delayFirstProbe)
      if (journal.open) this.#world.frames.tell(frame, entry.device.place, new NextHop(entry))
      return entry.send(frame)
    }
    const { parameters } = entry
    const asking = entry.state === 'INCOMPLETE' && entry.timer.armed
    if (!asking && parameters.broadcasts + parameters.appProbes === 0) {
      // Nobody may be asked at all.
      entry.state = 'FAILED'
      entry.times[UPDATED] = this.#world.scheduler.now
      if (journal.open) this.#world.frames.tell(frame, entry.device.place, new Unresolved(entry, 0))
      return this.#world.frames.drop(frame, DropReason.NeighbourFailed, entry.device.place)
    }
    this.#enqueue(entry, frame)
    if (!asking) this.#begin(entry)
    if (journal.open) this.#world.frames.tell(frame, entry.device.place, new Waits(entry, entry.waiting.size - 1))
  }

  /** Asks who has the address, from the first question on. */
  #begin(entry: Entry): void {
    const { parameters } = entry
    entry.state = 'INCOMPLETE'
    entry.times[UPDATED] = this.#world.scheduler.now
    // Unicast probes make no sense yet, and count as done.
    entry.probes = parameters.unicasts
    this.#arm(entry, Math.max(parameters.retransmit, LEAST))
    this.#probe(entry)
  }

  /** The oldest make room (unres_qlen_bytes). */
  #enqueue(entry: Entry, frame: Frame): void {
    const size = truesize(frame.end - frame.start)
    while (entry.waitingBytes + size > entry.parameters.queueBytes) {
      const oldest = entry.dequeue()
      if (oldest === null) break
      if (journal.open) this.#world.frames.tell(oldest, entry.device.place, new GivesWay(entry))
      this.#world.frames.drop(oldest, DropReason.NeighbourQueueFull, entry.device.place)
    }
    entry.waiting.push(frame)
    entry.waitingBytes += size
  }

  /** neigh_probe, arp_solicit: first the MAC that was known, then the user's daemon, then everybody. */
  #probe(entry: Entry): void {
    const { parameters, probes } = entry
    entry.probes++
    const waiting = entry.waiting.peek()
    if (probes < parameters.unicasts) this.#solicitor.solicit(entry.device, entry.address, entry.mac, waiting)
    else if (probes >= parameters.unicasts + parameters.appProbes) {
      this.#solicitor.solicit(entry.device, entry.address, null, waiting)
    }
  }

  #fail(entry: Entry): void {
    this.#become(entry, 'FAILED')
    for (let waiting = entry.waiting.size; waiting > 0; waiting--) {
      const frame = entry.dequeue()
      if (frame === null) continue
      if (journal.open) this.#world.frames.tell(frame, entry.device.place, new Unresolved(entry, entry.probes))
      this.#solicitor.unresolved(frame, entry.device)
    }
  }

  /** neigh_update. `override`: a different MAC replaces the one that is known. */
  #update(entry: Entry, bytes: Uint8Array, macAt: number, wanted: 'REACHABLE' | 'STALE', override: boolean): void {
    if (entry.state === 'PERMANENT' || entry.state === 'NOARP') return
    const now = this.#world.scheduler.now
    const wasValid = isValid(entry.state)
    const same = wasValid && sameMac(entry.mac, 0, bytes, macAt)
    if (wanted === 'REACHABLE') entry.times[CONFIRMED] = now
    if (wasValid && !same && !override) return
    const state = same && wanted === 'STALE' ? entry.state : wanted
    if (state !== entry.state || !same) entry.times[UPDATED] = now
    if (!same) {
      copyMac(entry.mac, 0, bytes, macAt)
      if (state !== 'REACHABLE') entry.times[CONFIRMED] = now - 2 * entry.parameters.baseReachable
    }
    if (state === entry.state) {
      if (!same) this.listener?.neighbour(entry, false)
      return
    }
    this.#world.scheduler.cancel(entry.timer)
    entry.state = state
    this.listener?.neighbour(entry, false)
    if (state === 'REACHABLE') this.#arm(entry, reachableTime(entry, this.#world))
    for (let waiting = wasValid ? 0 : entry.waiting.size; waiting > 0; waiting--) {
      const frame = entry.dequeue()
      if (frame !== null) this.resolve(entry.device, entry.address, frame)
    }
  }

  #arm(entry: Entry, delay: Nanos): void {
    const { scheduler } = this.#world
    scheduler.at(entry.timer, wheel(scheduler.now, delay))
  }

  /** Null: nobody asked for it yet. */
  find(device: NetDevice, address: Ipv4): Entry | null {
    const slot = (address ^ (address >>> 8) ^ device.index) & (SLOTS - 1)
    const recent = this.#recent[slot]
    if (recent !== null && recent.address === address && recent.device === device) return recent
    if (this.supplier !== null) this.supplier.supply(address)
    const entry = this.#byDevice.get(device)?.get(address) ?? null
    if (entry !== null) this.#remember(entry, slot)
    return entry
  }

  #remember(entry: Entry, slot: number): void {
    if (this.#recent === NOBODY) this.#recent = new Array<Entry | null>(SLOTS).fill(null)
    this.#recent[slot] = entry
  }

  /** Null: neighbour table overflow. */
  #create(device: NetDevice, address: Ipv4): Entry | null {
    if (!this.#collector.roomForOne()) {
      this.onOverflow?.()
      return null
    }
    let entries = this.#byDevice.get(device)
    if (entries === undefined) {
      entries = new Map()
      this.#byDevice.set(device, entries)
    }
    const parameters = this.#inet.byIndex[device.index]?.neighbours ?? this.#inet.neighbours
    const entry = new Entry(this, device, address, parameters)
    entry.times[UPDATED] = this.#world.scheduler.now
    entry.times[USED] = this.#world.scheduler.now
    entry.times[CONFIRMED] = this.#world.scheduler.now - 2 * parameters.baseReachable
    entries.set(address, entry)
    this.size++
    this.#collector.grown()
    this.onCreate?.(device, address)
    return entry
  }

  /** The entry is gone, and with it the frames that waited (neigh_cleanup_and_release). */
  end(entry: Entry): void {
    configurationChanged()
    this.#world.scheduler.cancel(entry.timer)
    if (this.#byDevice.get(entry.device)?.delete(entry.address)) this.size--
    this.listener?.neighbour(entry, true)
    if (this.#recent !== NOBODY) this.#recent.fill(null)
    for (let waiting = entry.waiting.size; waiting > 0; waiting--) {
      const frame = entry.dequeue()
      if (frame !== null) this.#world.frames.drop(frame, DropReason.NeighbourGone, entry.device.place)
    }
  }
}
