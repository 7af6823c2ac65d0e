/**
 * The forwarding database: MAC to something (a bridge port, a remote VTEP), with ageing.
 *
 * Open addressing over two integer arrays: 6 ns a look-up, where a Map keyed by 48-bit numbers takes 17 to 64
 * (they are boxed). Entries are never moved; a removed one leaves a tombstone until the next growth.
 */
import type { Nanos } from '../sim/scheduler.ts'
import { formatMac, type Mac } from '../wire/address.ts'
import { i32, u16, viewOf } from '../wire/bytes.ts'

export interface FdbEntry<Port> {
  /** The upper 16 bits of the MAC, and above them the VLAN: 0 where VLANs are not told apart. */
  readonly high: number
  /** The lower 32 bits of the MAC, signed. */
  readonly low: number
  port: Port
  /** The bridge's own address, or a port's: frames to it go up. */
  local: boolean
  /** Set by hand: never aged. */
  permanent: boolean
  /** Learning does not move it to another port. */
  fixed: boolean
  /** Local by somebody's wish: it stays when the bridge's and its ports' addresses change. */
  byHand: boolean
  /** Where it stands in the order in which entries were made. */
  readonly serial: number
  /** It was removed: whoever kept it must look it up again. */
  gone: boolean
  /** NTF_STICKY: it stays at its port (part of `fixed`). */
  sticky: boolean
  /** NTF_EXT_LEARNED: somebody else's station; it is never aged, until it is heard at another port. */
  externLearn: boolean
  /** When a frame from this address was last seen, and when one was last sent to it: UPDATED, USED. */
  readonly times: Float64Array
}

export const UPDATED = 0
export const USED = 1

/** What is said of an entry that is set by hand: NUD_PERMANENT, NUD_NOARP, NTF_STICKY, NTF_EXT_LEARNED. */
export interface FdbState {
  readonly local: boolean
  readonly static: boolean
  readonly sticky: boolean
  readonly externLearn: boolean
}

/** Where the time is read; the scheduler, for one. */
export interface Clock {
  readonly now: Nanos
}

/** Makes what a table should have, when somebody looks. */
export interface Supplier {
  all(): void
}

export class Fdb<Port> {
  /** Learnt entries end when they were silent for this long; Linux: 300 s. */
  ageing: Nanos = 300e9
  /** Fills in entries that are there for everybody who asks, and have not been made; null: there are none. */
  supplier: Supplier | null = null
  #high = new Int32Array(32)
  #low = new Int32Array(32)
  #entries: (FdbEntry<Port> | null | undefined)[] = new Array<FdbEntry<Port> | null | undefined>(32).fill(undefined)
  #used = 0
  #size = 0
  #serial = 0

  /** How many entries, aged ones that nobody has looked at included. */
  get size(): number {
    return this.#size
  }

  /** The entry of the MAC at `at`, or null when there is none or it is too old. */
  lookup(bytes: Uint8Array, at: number, now: Nanos, vlan = 0): FdbEntry<Port> | null {
    return this.#living(this.#find(u16(bytes, at) | (vlan << 16), i32(bytes, at + 2)), { now })
  }

  /** As `lookup`, at the clock's present moment: the path of a frame passes no doubles, which would be boxed. */
  lookupNow(view: DataView, at: number, clock: Clock, vlan = 0): FdbEntry<Port> | null {
    return this.#living(this.#find(view.getUint16(at) | (vlan << 16), view.getInt32(at + 2)), clock)
  }

  /** Null when it is too old: then it goes. */
  #living(entry: FdbEntry<Port> | null, clock: Clock): FdbEntry<Port> | null {
    if (entry === null || entry.permanent) return entry
    if (clock.now - entry.times[UPDATED] < this.ageing) return entry
    this.#remove(entry)
    return null
  }

  /** What it has of the MAC at `at`, too old or not: nothing changes by looking. */
  peek(bytes: Uint8Array, at: number, vlan = 0): FdbEntry<Port> | null {
    return this.#find(u16(bytes, at) | (vlan << 16), i32(bytes, at + 2))
  }

  /**
   * As `learn`, at the clock's present moment. Returns the entry, which the caller may give as `recent` next time: a
   * port hears the same station again and again.
   */
  learnNow(
    view: DataView,
    at: number,
    port: Port,
    clock: Clock,
    recent: FdbEntry<Port> | null,
    vlan = 0,
  ): FdbEntry<Port> {
    const high = view.getUint16(at) | (vlan << 16)
    const low = view.getInt32(at + 2)
    const known = recent !== null && !recent.gone && recent.low === low && recent.high === high
    const entry = known ? recent : this.#find(high, low)
    if (entry === null) return this.#insert(high, low, port, false, false, clock.now)
    if (entry.port !== port && !entry.fixed) move(entry, port)
    if (!entry.permanent) entry.times[UPDATED] = clock.now
    return entry
  }

  /** A frame from the MAC at `at` came in at `port`. */
  learn(bytes: Uint8Array, at: number, port: Port, now: Nanos, vlan = 0): void {
    this.learnNow(viewOf(bytes), at, port, { now }, null, vlan)
  }

  /** Sets an entry by hand, replacing what was there. */
  add(mac: Mac, port: Port, local = false, vlan = 0, now: Nanos = 0): FdbEntry<Port> {
    const high = u16(mac, 0) | (vlan << 16)
    const found = this.#find(high, i32(mac, 2))
    if (found !== null) this.#remove(found)
    return this.#insert(high, i32(mac, 2), port, local, true, now)
  }

  /** An address of the bridge (null) or a port: the first to have it keeps it, but a port has it rather than the bridge. */
  addOwn(mac: Mac, port: Port, vlan: number): void {
    const known = this.#find(u16(mac, 0) | (vlan << 16), i32(mac, 2))
    if (known === null || !known.local || known.port === null) this.add(mac, port, true, vlan)
  }

  /** As `add`, in all its kinds (fdb_add_entry): an entry that is there keeps its place. */
  put(mac: Mac, port: Port, vlan: number, now: Nanos, state: FdbState): FdbEntry<Port> {
    const high = u16(mac, 0) | (vlan << 16)
    const entry = this.#find(high, i32(mac, 2)) ?? this.#insert(high, i32(mac, 2), port, false, false, now)
    entry.port = port
    entry.local = state.local
    entry.permanent = state.local || state.static || state.externLearn
    entry.fixed = state.local || state.sticky
    entry.sticky = state.sticky
    entry.externLearn = state.externLearn
    entry.byHand = true
    entry.times[UPDATED] = now
    entry.times[USED] = now
    return entry
  }

  delete(mac: Mac, vlan = 0): boolean {
    const found = this.#find(u16(mac, 0) | (vlan << 16), i32(mac, 2))
    if (found !== null) this.#remove(found)
    return found !== null
  }

  /** Removes entries that are asked for: `bridge fdb flush`. */
  flush(wanted: (entry: FdbEntry<Port>) => boolean): void {
    for (const entry of this.entries()) if (wanted(entry)) this.#remove(entry)
  }

  /** Removes what leads to a port that is going away. */
  forget(port: Port): void {
    for (const entry of this.entries()) if (entry.port === port) this.#remove(entry)
  }

  /** Forgets the stations that were heard at a port; what was set by hand and its own address stay. */
  unlearn(port: Port): void {
    for (const entry of this.entries()) if (entry.port === port && !entry.permanent && !entry.local) this.#remove(entry)
  }

  /** In the order of insertion within the table's present size: for listings. */
  entries(): FdbEntry<Port>[] {
    this.supplier?.all()
    return this.#present()
  }

  #present(): FdbEntry<Port>[] {
    return this.#entries.filter((entry): entry is FdbEntry<Port> => entry !== null && entry !== undefined)
  }

  #slot(high: number, low: number): number {
    let hash = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1)
    hash ^= hash >>> 15
    return hash & (this.#low.length - 1)
  }

  #find(high: number, low: number): FdbEntry<Port> | null {
    for (let slot = this.#slot(high, low); ; slot = (slot + 1) & (this.#low.length - 1)) {
      const entry = this.#entries[slot]
      if (entry === undefined) return null
      if (entry !== null && this.#low[slot] === low && this.#high[slot] === high) return entry
    }
  }

  #insert(high: number, low: number, port: Port, local: boolean, permanent: boolean, now: Nanos): FdbEntry<Port> {
    if ((this.#used + 1) * 2 > this.#low.length) this.#rebuild()
    const serial = ++this.#serial
    const entry: FdbEntry<Port> = {
      high,
      low,
      port,
      local,
      permanent,
      fixed: permanent,
      byHand: false,
      sticky: false,
      externLearn: false,
      serial,
      gone: false,
      times: Float64Array.of(now, now),
    }
    this.#store(entry)
    return entry
  }

  #store(entry: FdbEntry<Port>): void {
    let slot = this.#slot(entry.high, entry.low)
    while (this.#entries[slot] !== undefined) slot = (slot + 1) & (this.#low.length - 1)
    this.#high[slot] = entry.high
    this.#low[slot] = entry.low
    this.#entries[slot] = entry
    this.#used++
    this.#size++
  }

  #remove(entry: FdbEntry<Port>): void {
    let slot = this.#slot(entry.high, entry.low)
    while (this.#entries[slot] !== entry) slot = (slot + 1) & (this.#low.length - 1)
    this.#entries[slot] = null
    entry.gone = true
    this.#size--
  }

  #rebuild(): void {
    const live = this.#present()
    const length = live.length * 4 > this.#low.length ? this.#low.length * 2 : this.#low.length
    this.#high = new Int32Array(length)
    this.#low = new Int32Array(length)
    this.#entries = new Array<FdbEntry<Port> | null | undefined>(length).fill(undefined)
    this.#used = 0
    this.#size = 0
    for (const entry of live) this.#store(entry)
  }
}

/** The six bytes of an entry's MAC as text. */
export function formatFdbMac(entry: { readonly high: number; readonly low: number }): string {
  const { high, low } = entry
  return formatMac(Uint8Array.of(high >>> 8, high, low >>> 24, low >>> 16, low >>> 8, low))
}

/** The VLAN of an entry; 0: none. */
export function fdbVlan(entry: { readonly high: number }): number {
  return entry.high >>> 16
}

/** It is heard elsewhere (br_fdb_update): nobody else's any more. */
function move<Port>(entry: FdbEntry<Port>, port: Port): void {
  entry.port = port
  if (!entry.externLearn) return
  entry.externLearn = false
  entry.permanent = false
}
