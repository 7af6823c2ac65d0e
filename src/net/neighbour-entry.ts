/** One entry of the neighbour table (struct neighbour), and what a frame that waits in it counts. */
import type { NetDevice } from '../link/device.ts'
import { SharedStep } from '../link/flow-cache.ts'
import type { Frame } from '../link/frame.ts'
import type { World } from '../link/world.ts'
import { Ring } from '../sim/ring.ts'
import { type Nanos, type Task, Timer } from '../sim/scheduler.ts'
import { type Ipv4, type Mac, sameMac } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import type { NeighbourParameters } from './neighbour-parameters.ts'

export type NeighbourState =
  | 'INCOMPLETE'
  | 'REACHABLE'
  | 'STALE'
  | 'DELAY'
  | 'PROBE'
  | 'FAILED'
  | 'NONE'
  | 'NOARP'
  | 'PERMANENT'

export interface Neighbour {
  readonly device: NetDevice
  readonly address: Ipv4
  /** Meaningless while INCOMPLETE or FAILED. */
  readonly mac: Mac
  readonly state: NeighbourState
  readonly probes: number
  /** When it was last used, confirmed and changed: virtual time, below zero for never. */
  readonly times: Float64Array
  readonly timer: Timer
}

/** Whom an entry tells that its time has come. */
export interface Expiry {
  expire(entry: Entry): void
}

export const USED = 0
export const CONFIRMED = 1
export const UPDATED = 2

export class Entry implements Neighbour, Task {
  readonly device: NetDevice
  readonly address: Ipv4
  readonly mac: Mac = new Uint8Array(6)
  state: NeighbourState = 'INCOMPLETE'
  readonly waiting = new Ring<Frame>(4)
  readonly timer: Timer
  readonly parameters: NeighbourParameters
  waitingBytes = 0
  readonly times = Float64Array.of(-1e18, -1e18, -1e18)
  probes = 0
  /** A frame was sent with it before: Linux has its hardware header cached. */
  cached = false
  #table: Expiry

  constructor(table: Expiry, device: NetDevice, address: Ipv4, parameters: NeighbourParameters) {
    this.#table = table
    this.parameters = parameters
    this.device = device
    this.address = address
    this.timer = new Timer(this)
    // arp_constructor: without ARP everybody has the device's own address.
    if (!device.noArp) return
    this.state = 'NOARP'
    this.mac.set(device.mac)
  }

  /** Its MAC in one of the states NUD_CONNECTED, else null. */
  get connectedMac(): Mac | null {
    return this.state === 'REACHABLE' || this.state === 'PERMANENT' ? this.mac : null
  }

  /** The oldest frame that waits. */
  dequeue(): Frame | null {
    const frame = this.waiting.shift()
    if (frame !== null) this.waitingBytes -= truesize(frame.end - frame.start)
    return frame
  }

  /** neigh_hh_output: the frame leaves to the MAC that is known. */
  send(frame: Frame): void {
    const start = frame.push(ethernet.HEADER)
    ethernet.write(frame.bytes, start, this.mac, this.device.mac, ethernet.ETH_P_IP)
    this.cached = true
    this.device.send(frame)
  }

  run(): void {
    this.#table.expire(this)
  }
}

/** How often somebody is asked before the entry fails (neigh_max_probes). */
export function maxProbes(entry: Entry): number {
  const { unicasts, appProbes, broadcasts, rebroadcasts } = entry.parameters
  return unicasts + appProbes + (entry.state === 'PROBE' ? rebroadcasts : broadcasts)
}

/** What the table needs of its namespace. */
export interface Solicitor {
  /** Sends an ARP request for the address: to everybody, or to `known` when the entry is only to be confirmed. */
  solicit(device: NetDevice, target: Ipv4, known: Mac | null, waiting: Frame | null): void
  /** Nobody answered: reports and ends a frame that waited. */
  unresolved(frame: Frame, device: NetDevice): void
}

/** RTNLGRP_NEIGH: told of every change that the kernel announces; INCOMPLETE and DELAY are not among them. */
export interface NeighbourListener {
  neighbour(neighbour: Neighbour, gone: boolean): void
}

/** Room for headers that every packet is made with, and what sk_buff and skb_shared_info take (measured). */
const ROOM = 32

/** skb->truesize of a packet of this many bytes: what it counts in unres_qlen_bytes. */
export function truesize(length: number): number {
  const needed = length + ROOM
  if (needed <= 256) return 832
  if (needed <= 704) return 1280
  return needed <= 1728 ? 2304 : 576 + (1 << (32 - Math.clz32(needed + 319)))
}

/** NUD_VALID: is the MAC known? */
export function isValid(state: NeighbourState): boolean {
  return state !== 'INCOMPLETE' && state !== 'FAILED' && state !== 'NONE'
}

/** A frame was sent to the neighbour (see link/flow-cache.ts). */
export class Resolved extends SharedStep {
  readonly #entry: Entry
  readonly #mac: Mac
  readonly #to: Mac
  readonly #clock: { readonly now: number }

  constructor(entry: Entry, clock: { readonly now: number }) {
    super()
    this.#entry = entry
    this.#mac = entry.device.mac
    this.#to = entry.mac.slice()
    this.#clock = clock
  }

  override stands(): boolean {
    return this.holds()
  }

  override leave(): void {
    this.#entry.times[USED] = this.#clock.now
    this.#entry.cached = true
  }

  override holds(): boolean {
    const { state, device } = this.#entry
    if (state === 'STALE' || !isValid(state) || device.mac !== this.#mac) return false
    // Where the device sends it depends on that.
    return sameMac(this.#entry.mac, 0, this.#to, 0)
  }

  override again(frame: Frame): void {
    const entry = this.#entry
    this.leave()
    ethernet.write(frame.bytes, frame.push(ethernet.HEADER), entry.mac, this.#mac, ethernet.ETH_P_IP)
  }
}

/** Makes permanent entries that are there for whoever looks. */
export interface NeighbourSupplier {
  supply(address: Ipv4): void
  all(): void
}

/** The device's reachable time, drawn anew every 300 s (neigh_periodic_work). */
export function reachableTime({ parameters }: Entry, { scheduler, random }: World): Nanos {
  if (parameters.stale(scheduler.now)) parameters.redraw(random.fraction(), scheduler.now)
  return parameters.reachable
}
