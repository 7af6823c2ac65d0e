/** What is written down while a pass is recorded (see flow-cache.ts). */
import * as ipv4 from '../wire/ipv4.ts'
import type { Outlet } from './ends.ts'
import type { Frame } from './frame.ts'
import type { Judge, Step, Tally } from './step.ts'

/** How much of a frame's beginning may distinguish flows: the headers of a packet in a tunnel, and ports. */
export const HEADERS = 96

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

  /** By how much this length is greater than the frame's that came in. */
  longer(length: number): number {
    return length - this.#length
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
