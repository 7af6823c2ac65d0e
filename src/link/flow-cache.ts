/**
 * The flow cache: what a machine did with one frame, from the cable it came in by to the cable it left by, it does
 * again with the next frame of the same flow, without asking its tables again.
 *
 * While a pass is recorded, every layer that it goes through writes what it does into the `journal`: a `Step` for the entry
 * that it refreshes and the bytes that it rewrites, a `Tally` for what it counts (see account.ts). A later frame with the
 * same header takes the same steps if each of them still `holds`: entries alive, headers valid, timers not run out.
 * Whatever is not a step cannot be cached: a layer that does something rarer calls `journal.refuse`.
 *
 * The cache changes nothing that can be observed: bytes, counters, tables and moments are those of the long way
 * (test/link/flow-cache.test.ts plays the same traffic both ways). Changes of configuration (routes, rules, sysctls,
 * ports, devices and who watches them) forget all passes of the process at once, by `configurationChanged`.
 */
import * as ethernet from '../wire/ethernet.ts'
import * as ipv4 from '../wire/ipv4.ts'
import { configurationGeneration } from './configuration.ts'
import type { Inlet } from './ends.ts'
import type { Frame } from './frame.ts'
import { HEADERS, journal } from './journal.ts'
import type { Lane } from './lane.ts'
import { Pass } from './pass.ts'

export { configurationChanged, configurationGeneration } from './configuration.ts'
export { journal } from './journal.ts'
export { type Judge, SharedStep, Step, type Tally } from './step.ts'

/** A flow whose passes do not hold is recorded anew once in so many frames, at least; one that has none yet, more seldom. */
const PAUSE = 1024
const LONG_PAUSE = 32_768
const SMALLEST = 16
const LARGEST = 4096
/** A place of the cache that was in vain this often is not tried again before the configuration changes. */
const PATIENCE = 4096

/** What is known of the flows that come in by one device. */
const NO_PASSES: (Pass | null)[] = []
const NO_MISSES = new Int32Array(0)

export class FlowCache {
  #passes = NO_PASSES
  /** How often a frame found no pass at its place: each power of two is another try. */
  #misses = NO_MISSES
  #tries = 0
  #idle = -1

  readonly #lane: Lane

  /** `lane`: the world's. */
  constructor(lane: Lane) {
    this.#lane = lane
  }

  /** Takes the frame and sends it on its way, the short one or the long one. */
  take(frame: Frame, inlet: Inlet): void {
    const lane = this.#lane
    if (lane.waiting && plain(frame) && lane.follows(frame, inlet)) return
    if (this.#idle === configurationGeneration() || journal.open || !plain(frame)) {
      if (lane.waiting) lane.stay()
      if (lane.followed === frame) lane.arrived(frame, inlet)
      return inlet.receive(frame)
    }
    if (this.#passes.length === 0) this.#resize(SMALLEST)
    const slot = this.#slot(frame)
    const pass = this.#passes[slot]
    if (pass !== null && pass.journey?.takes(frame) === true && lane.board(pass.journey, frame, inlet, this)) return
    if (lane.waiting) {
      lane.stay()
      pass?.wanted()
    }
    this.#take(frame, inlet, slot, pass)
  }

  /** A later event may come before what would be awaited. */
  before(dues: Float64Array, entry: number): void {
    if (this.#lane.waiting) this.#lane.before(dues, entry)
  }

  /** As `take`, to the next machine only. */
  takeOne(frame: Frame, inlet: Inlet): void {
    // One that went before may have been the last try.
    if (this.#passes.length === 0) return inlet.receive(frame)
    const slot = this.#slot(frame)
    this.#take(frame, inlet, slot, this.#passes[slot])
  }

  #take(frame: Frame, inlet: Inlet, slot: number, pass: Pass | null): void {
    if (pass === null || pass.generation !== configurationGeneration() || !pass.concerns(frame) || !pass.holds(frame)) {
      return this.#miss(frame, inlet, slot, pass)
    }
    const { judge } = pass
    if (judge !== null && !judge.judge(frame)) {
      inlet.receive(frame)
      return judge.settled()
    }
    pass.hits++
    journal.repeated++
    if (this.#lane.followed === frame) this.#lane.reached(frame, pass, inlet)
    else if (pass.hits === pass.nextTry) this.#lane.follow(frame, pass, inlet)
    pass.again(frame)
  }

  #slot(frame: Frame): number {
    const { view, start } = frame
    // Where an IPv4 packet has its addresses and ports; what lies there in other frames is as good.
    const addresses = view.getInt32(start + 26, true) ^ Math.imul(view.getInt32(start + 30, true), 0x9e3779b1)
    const hash = Math.imul(addresses ^ view.getInt32(start + 34, true), 0x85ebca6b)
    return (hash ^ (hash >>> 15)) & (this.#passes.length - 1)
  }

  #miss(frame: Frame, inlet: Inlet, slot: number, known: Pass | null): void {
    if (this.#lane.followed === frame) this.#lane.arrived(frame, inlet)
    const misses = ++this.#misses[slot]
    // Once is not yet a flow.
    const pause = known === null ? LONG_PAUSE : PAUSE
    const due = misses > 1 && ((misses & (misses - 1)) === 0 || misses % pause === 0)
    if (!due) return inlet.receive(frame)
    this.#record(frame, inlet, slot, known)
  }

  /** A method of its own: it allocates. */
  #record(frame: Frame, inlet: Inlet, slot: number, known: Pass | null): void {
    const { hash, start, end } = frame
    const header = new DataView(frame.bytes.slice(start, start + HEADERS).buffer)
    const generation = configurationGeneration()
    const { frames, scheduler } = inlet.world
    const { taken } = frames
    const { armings } = scheduler
    journal.begin(frame)
    inlet.receive(frame)
    const { last } = journal
    // Of timers the last cable alone may have armed one, for the frame itself; and no other frame was made.
    const alone = frames.taken === taken && scheduler.armings <= armings + 1
    if (!journal.end() || last === null || !alone || generation !== configurationGeneration()) {
      if (++this.#tries === PATIENCE) this.#rest()
      return
    }
    this.#tries = 0
    this.#passes[slot] = new Pass(journal, last, header, hash, end - start)
    // Two flows at one place drive each other out.
    const both = known !== null && known.generation === generation && known.hits > 0 && !known.describes(header, hash)
    if (both && this.#passes.length < LARGEST) this.#resize(this.#passes.length * 2)
  }

  #rest(): void {
    this.#idle = configurationGeneration()
    this.#tries = 0
    this.#passes = []
  }

  #resize(size: number): void {
    this.#passes = new Array<Pass | null>(size).fill(null)
    this.#misses = new Int32Array(size)
  }
}

/** Whole, its checksums known to be right, and nothing noted on it. */
function plain(frame: Frame): boolean {
  return (
    frame.summed &&
    frame.mark === 0 &&
    frame.tracked === null &&
    frame.trackedInfo === 0 &&
    frame.fragmentSize === 0 &&
    frame.options === 0 &&
    frame.stamp === 0 &&
    frame.end - frame.start >= ethernet.HEADER + ipv4.HEADER + 8
  )
}
