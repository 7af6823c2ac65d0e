/**
 * Which threads need a frame. The switch is in each thread, and forwards there to the thread's own machines: a frame to one
 * known station concerns its thread only, and not even the sender's. The others would but learn from it that the sender lives, which they are told
 * often enough: what they know of a station is never so old that they could take it for gone while it is not.
 */
import type { BridgePort } from '../link/bridge.ts'
import { type Fdb, UPDATED } from '../link/fdb.ts'
import type { Frame } from '../link/frame.ts'
import { type Nanos, type Scheduler, SECOND, Timer } from '../sim/scheduler.ts'
import { type Mac, sameMac } from '../wire/address.ts'
import { i32 } from '../wire/bytes.ts'
import * as ethernet from '../wire/ethernet.ts'

/** All other threads. */
export const ALL = -1

/** Of the 300 s after which a station is forgotten: heard within these, it is known everywhere. */
const SURE = 200 * SECOND
/** So often all threads hear of a station that speaks. */
const REFRESH = 100 * SECOND

/** A machine as the switch knows it. */
interface Station {
  readonly mac: Mac
  readonly thread: number
  /** When all threads last heard of it, and when it last spoke. */
  told: Nanos
  spoke: Nanos
  readonly timer: Timer
}

export class Stations {
  readonly #fdb: Fdb<BridgePort | null>
  readonly #scheduler: Scheduler
  readonly #stations: Station[] = []
  /** By the lower half of their MAC. */
  readonly #byMac = new Map<number, Station>()

  /** `tell` lets all threads know when a machine spoke. */
  constructor(
    fdb: Fdb<BridgePort | null>,
    scheduler: Scheduler,
    machines: readonly { readonly mac: Mac; readonly thread: number }[],
    tell: (machine: number, spoke: Nanos) => void,
  ) {
    this.#fdb = fdb
    this.#scheduler = scheduler
    for (const [i, { mac, thread }] of machines.entries()) {
      const timer = new Timer({ run: () => this.#refresh(station, i, tell) })
      const station = { mac, thread, told: Number.NEGATIVE_INFINITY, spoke: 0, timer }
      this.#stations.push(station)
      this.#byMac.set(i32(mac, 2), station)
    }
  }

  /** The thread that needs what a machine sends, or ALL. @throws RangeError when it speaks for another machine. */
  needs(machine: number, { bytes, start }: Frame, due: Nanos): number {
    const { now } = this.#scheduler
    const from = this.#stations[machine]
    if (!sameMac(bytes, start + ethernet.SOURCE, from.mac, 0)) {
      if (this.#stationAt(bytes, start + ethernet.SOURCE) !== null) {
        throw new RangeError('podwire: a machine that sends with the MAC of another is not modelled with --threads')
      }
      return ALL
    }
    const to = this.#stationAt(bytes, start + ethernet.DESTINATION)
    const known = to === null ? null : this.#fdb.peek(bytes, start + ethernet.DESTINATION)
    const sure = known !== null && !known.local && now - known.times[UPDATED] < SURE && now - from.told < REFRESH
    if (to === null || !sure) {
      from.told = now
      return ALL
    }
    from.spoke = due
    if (!from.timer.armed) this.#scheduler.at(from.timer, from.told + REFRESH)
    return to.thread
  }

  /** A machine spoke then, and this thread's switch may not have seen it. */
  heard(machine: number, spoke: Nanos): void {
    const entry = this.#fdb.peek(this.#stations[machine].mac, 0)
    if (entry !== null && entry.times[UPDATED] < spoke) entry.times[UPDATED] = spoke
  }

  #refresh(station: Station, machine: number, tell: (machine: number, spoke: Nanos) => void): void {
    if (station.spoke <= station.told) return
    station.told = this.#scheduler.now
    this.heard(machine, station.spoke)
    tell(machine, station.spoke)
  }

  #stationAt(bytes: Uint8Array, at: number): Station | null {
    const found = this.#byMac.get(i32(bytes, at + 2)) ?? null
    return found !== null && sameMac(bytes, at, found.mac, 0) ? found : null
  }
}
