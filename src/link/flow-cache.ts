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
import { Account } from './account.ts'
import type { Frame } from './frame.ts'
import type { Judge, Step, Tally } from './step.ts'
import { type Walk, walkOf } from './walk.ts'

export { type Judge, Step, type Tally } from './step.ts'

const configuration = { generation: 0 }

/** Changes with every change of configuration in the process. */
export function configurationGeneration(): number {
  return configuration.generation
}

/** Some table, switch or port is another one: no recorded pass is sure any more. */
export function configurationChanged(): void {
  configuration.generation++
}

/** How much of a frame's beginning may distinguish flows: the headers of a packet in a tunnel, and ports. */
const HEADERS = 96

/** What counts packets and bytes: a rule, a chain's policy. */
interface Counter {
  packets: number
  bytes: number
}

class Counted implements Tally {
  readonly #counter: Counter

  constructor(counter: Counter) {
    this.#counter = counter
  }

  add(packets: number, bytes: number): void {
    this.#counter.packets += packets
    this.#counter.bytes += bytes
  }
}

/**
 * The pass that is being recorded; there is one for all worlds, since a pass is never interrupted. While a world is traced,
 * all passes go the long way, and its tracer is told the decisions behind the same question, `journal.open`.
 */
export class Journal {
  /** Does anybody want to know what is done with the frame at hand? The only thing that the path of a frame asks. */
  open = false
  /** How many passes were done again so far. */
  repeated = 0
  steps: Step[] = []
  tallies: Tally[] = []
  /** By how many bytes what each tally counts differs from the frame that came in. */
  more: number[] = []
  judge: Judge | null = null
  /** Where the pass ended: the device that the frame was given to. */
  last: Outlet | null = null
  /** How far the frame's beginning distinguishes flows. */
  covered = 0
  readonly mask = new Uint8Array(HEADERS)
  readonly #traced = new Set<object>()
  #frame: Frame | null = null
  #start = 0
  #length = 0
  #refused = false

  begin(frame: Frame): void {
    this.open = true
    this.steps = []
    this.tallies = []
    this.more = []
    this.judge = null
    this.last = null
    this.covered = 0
    this.mask.fill(0)
    this.#frame = frame
    this.#start = frame.start
    this.#length = frame.end - frame.start
    this.#refused = false
  }

  /** Is this world traced from now on? */
  trace(world: object, traced: boolean): void {
    if (traced) this.#traced.add(world)
    else this.#traced.delete(world)
    this.open = this.#traced.size > 0
  }

  /** No world is traced any more: those that were are done with. */
  forgetWorlds(): void {
    this.#traced.clear()
    this.open = false
  }

  /** True: the frame came to another cable, and all that was done to it is known. */
  end(): boolean {
    this.open = this.#traced.size > 0
    this.#frame = null
    return !this.#refused && this.last !== null
  }

  /** Something was done that is no step. */
  refuse(): void {
    this.#refused = true
  }

  add(frame: Frame, step: Step): void {
    if (this.#frame === null) return
    if (frame !== this.#frame || this.last !== null) this.#refused = true
    this.steps.push(step)
  }

  judged(frame: Frame, step: Step & Judge): void {
    if (this.judge !== null) this.#refused = true
    this.judge = step
    this.add(frame, step)
  }

  /** A counter went up by one packet and this many bytes of it. */
  tally(frame: Frame, tally: Tally, length: number): void {
    if (this.#frame === null) return
    if (frame !== this.#frame || this.last !== null) this.#refused = true
    this.tallies.push(tally)
    this.more.push(length - this.#length)
  }

  /** A rule or a policy counted the packet. */
  count(frame: Frame, counter: Counter): void {
    if (this.#frame !== null) this.tally(frame, new Counted(counter), ipv4.totalLength(frame.bytes, frame.network))
  }

  /** Flows differ in these bytes. Those of headers that the pass itself put in front are no part of what came in. */
  cover(at: number, length: number): void {
    const from = at - this.#start
    if (from < 0) return
    if (from + length > HEADERS) return this.refuse()
    this.mask.fill(255, from, from + length)
    if (from + length > this.covered) this.covered = from + length
  }

  /** From where the frame began as it came in to this place. */
  offset(at: number): number {
    return at - this.#start
  }

  /** The addresses, ports and the like of the IP packet at this place. What is neither TCP nor UDP is not cached. */
  coverPacket(frame: Frame, at: number): void {
    const protocol = ipv4.protocol(frame.bytes, at)
    const ported = protocol === ipv4.IPPROTO_TCP || protocol === ipv4.IPPROTO_UDP
    if (!ported || ipv4.isFragment(frame.bytes, at) || ipv4.headerLength(frame.bytes, at) !== ipv4.HEADER) this.refuse()
    this.cover(at, 2)
    this.cover(at + 6, 4)
    this.cover(at + ipv4.SOURCE, 12)
  }

  finish(frame: Frame, last: Outlet): void {
    if (frame !== this.#frame || this.last !== null) this.#refused = true
    this.last = last
  }
}

export const journal = new Journal()

/** A device that a pass ends at, whole: its queue, counters, tap and cable are asked each time. */
export interface Outlet {
  send(frame: Frame): void
}

/** A device that passes begin at. */
export interface Inlet {
  readonly world: { readonly frames: { readonly taken: number }; readonly scheduler: { readonly armings: number } }
  receive(frame: Frame): void
}

/** What was done with the frames of one flow. */
class Pass {
  readonly generation = configuration.generation
  readonly steps: readonly Step[]
  readonly account: Account
  readonly walk: Walk
  readonly judge: Judge | null
  readonly last: Outlet
  readonly words: Int32Array
  readonly mask: Int32Array
  readonly covered: number
  readonly hash: number
  /** No frame of this length was too long anywhere; a longer one has to show it. */
  readonly length: number
  hits = 0

  constructor(written: Journal, last: Outlet, header: DataView, hash: number, length: number) {
    this.steps = written.steps
    this.account = new Account(written.tallies, written.more)
    this.judge = written.judge
    this.last = last
    this.covered = written.covered
    this.hash = hash
    this.length = length
    const count = (written.covered + 3) >> 2
    const mask = new DataView(written.mask.buffer)
    this.mask = Int32Array.from({ length: count }, (_, i) => mask.getInt32(i * 4, true))
    this.walk = walkOf(this.mask, this.steps)
    this.words = this.mask.map((bits, i) => header.getInt32(i * 4, true) & bits)
  }

  /** Is it the flow of this header? */
  describes(header: DataView, hash: number): boolean {
    return hash === this.hash && this.words.every((word, i) => (header.getInt32(i * 4, true) & this.mask[i]) === word)
  }

  concerns(frame: Frame): boolean {
    const length = frame.end - frame.start
    if (length > this.length || length < this.covered || frame.hash !== this.hash) return false
    return this.walk.fits(this.words, frame)
  }

  holds(frame: Frame): boolean {
    return this.walk.holds(this.steps, frame)
  }

  again(frame: Frame): void {
    this.account.count(frame.end - frame.start)
    this.walk.again(this.steps, frame)
    this.last.send(frame)
  }
}

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

  /** Takes the frame and sends it on its way, the short one or the long one. */
  take(frame: Frame, inlet: Inlet): void {
    if (this.#idle === configuration.generation || journal.open || !plain(frame)) return inlet.receive(frame)
    if (this.#passes.length === 0) this.#resize(SMALLEST)
    const slot = this.#slot(frame)
    const pass = this.#passes[slot]
    if (pass === null || pass.generation !== configuration.generation || !pass.concerns(frame) || !pass.holds(frame)) {
      return this.#miss(frame, inlet, slot, pass)
    }
    const { judge } = pass
    if (judge !== null && !judge.judge(frame)) {
      inlet.receive(frame)
      return judge.settled()
    }
    pass.hits++
    journal.repeated++
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
    const { generation } = configuration
    const { frames, scheduler } = inlet.world
    const { taken } = frames
    const { armings } = scheduler
    journal.begin(frame)
    inlet.receive(frame)
    const { last } = journal
    // Of timers the last cable alone may have armed one, for the frame itself; and no other frame was made.
    const alone = frames.taken === taken && scheduler.armings <= armings + 1
    if (!journal.end() || last === null || !alone || generation !== configuration.generation) {
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
    this.#idle = configuration.generation
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
