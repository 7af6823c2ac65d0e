/**
 * A journey: what becomes of the frames of one flow over all machines, from the cable that they come in by at the first to the
 * one that they come out of at the last. It is found by following one frame through the passes that repeat it (see
 * flow-cache.ts), and joins them: one comparison of the header instead of one for each machine, and one rewriting. What the
 * machines put in front of the frame and take off again on the way (a tunnel's headers) is not even written.
 *
 * What a header turns into is read off the frame that was followed. All of it that distinguishes the flow is the same for
 * every frame; its length and identification stay; and the checksums of IP and UDP change by the same one's-complement sum
 * for every frame, however many fields of it were patched one after the other (RFC 1624; see rewriting.ts).
 */
import * as ethernet from '../wire/ethernet.ts'
import type { Account } from './account.ts'
import { configurationGeneration } from './configuration.ts'
import type { Inlet, Outlet } from './ends.ts'
import type { Frame } from './frame.ts'
import { HEADERS } from './journal.ts'
import { NETWORK, type Rewriting, rewritingOf, UDP_CHECKSUM } from './rewriting.ts'
import { type Judge, SharedStep, type Step } from './step.ts'
import { type Stride, strideOf } from './walk.ts'

/** Machines on the way, at most. */
export const MACHINES = 16
/** A journey is found anew behind so many frames: the last machine may have learnt the flow since. */
const LIFE = 65_536
/** So many times more often than it succeeds may a journey be in vain, for how long. */
const PATIENCE = 64

/** What is done at one machine: a Pass. */
export interface Leg {
  readonly steps: readonly Step[]
  readonly judge: Judge | null
  readonly mask: Int32Array
  readonly length: number
  readonly account: Account
  readonly last: Outlet
  hits: number
  rests(vain: boolean): void
  tryAgain(): void
}

/** A frame that was followed: what it was in the beginning, and where it came by. */
export interface Followed {
  readonly passes: readonly Leg[]
  /** Where it came in: one more than passes. */
  readonly inlets: readonly Inlet[]
  /** Where the frame began and how long it was, at each of these. */
  readonly starts: readonly number[]
  readonly lengths: readonly number[]
  /** Its bytes as it came in first; zeros behind, up to `HEADERS`. */
  readonly before: Uint8Array
  readonly hash: number
  readonly cut: number
  readonly segmentSize: number
}

export class Journey {
  readonly passes: readonly Leg[]
  readonly inlets: readonly Inlet[]
  readonly final: Inlet
  readonly #generation = configurationGeneration()
  readonly #steps: readonly (readonly SharedStep[])[]
  readonly #strides: readonly Stride[]
  readonly #longer: readonly number[]
  readonly #least: number
  readonly #most: number
  readonly #hash: number
  readonly #rewriting: Rewriting
  readonly #sourceChosen: boolean
  #patience = PATIENCE
  #life = LIFE
  /** Those that are aboard (see lane.ts). */
  packets = 0
  bytes = 0

  /** Null when the frame's way is none that others repeat. */
  static of(followed: Followed, frame: Frame): Journey | null {
    const { passes, starts, lengths, before } = followed
    const length = frame.end - frame.start
    const same = frame.start === starts[0] && length === lengths[0] && frame.hash === followed.hash
    const whole = frame.cut === followed.cut && frame.segmentSize === followed.segmentSize
    if (!same || !whole || passes.length === 0 || passes.length > MACHINES) return null
    const steps = passes.map((pass) => pass.steps.filter((step) => step instanceof SharedStep))
    if (passes.some(({ judge, steps: all }, i) => judge !== null || all.length !== steps[i].length)) return null
    const places = steps.flatMap((each, i) =>
      each.flatMap(({ header }) => (header < 0 ? [] : [starts[i] + header - starts[0]])),
    )
    const inside = places.filter((place) => place >= 0)
    if (inside.some((place) => place !== NETWORK)) return null
    const headed = inside.length > 0
    const mask = unionOf(passes, starts)
    if (mask === null || mask.subarray(0, ethernet.HEADER).some((bits) => bits !== 255)) return null
    const after = frame.bytes.subarray(frame.start, frame.end)
    const rewriting = rewritingOf(before, after, mask, headed)
    if (rewriting === null) return null
    const longer = lengths.map((each) => each - length)
    return new Journey(followed, steps, mask, longer, rewriting, frame.sourceChosen)
  }

  private constructor(
    { passes, inlets, hash }: Followed,
    steps: readonly (readonly SharedStep[])[],
    mask: Uint8Array,
    longer: readonly number[],
    rewriting: Rewriting,
    sourceChosen: boolean,
  ) {
    this.passes = passes
    this.inlets = inlets
    this.final = inlets[passes.length]
    this.#steps = steps
    this.#strides = steps.map(strideOf)
    this.#longer = longer
    const words = (mask.findLastIndex((bits) => bits !== 0) + 4) >> 2
    this.#least = Math.max(words * 4, UDP_CHECKSUM + 2)
    this.#most = Math.min(...passes.map((pass, i) => pass.length - longer[i]))
    this.#hash = hash
    this.#rewriting = rewriting
    this.#sourceChosen = sourceChosen
  }

  /** Is it a frame of the flow that nobody on the way would treat in another way? */
  takes(frame: Frame): boolean {
    const length = frame.end - frame.start
    if (length > this.#most || length < this.#least || frame.hash !== this.#hash) return false
    return this.#rewriting.fits(this.#rewriting.values, frame)
  }

  /** Is the configuration the one that it was found in? */
  get current(): boolean {
    return this.#generation === configurationGeneration()
  }

  /** Do both go by the same machines, up to the last cable? Then their frames stay in order. */
  joins(other: Journey): boolean {
    const { passes, inlets } = this
    if (passes.length !== other.passes.length) return false
    for (let i = 0; i < passes.length; i++) if (inlets[i] !== other.inlets[i]) return false
    return true
  }

  /** Are all steps of the machine still sure? */
  stands(machine: number): boolean {
    return this.#strides[machine].stands(this.#steps[machine])
  }

  /** What those aboard leave behind at the machine. */
  leave(machine: number): void {
    const { packets, bytes } = this
    const pass = this.passes[machine]
    const came = bytes + packets * this.#longer[machine]
    pass.account.countAll(packets, came)
    pass.hits += packets
    this.#strides[machine].leave(this.#steps[machine], packets, came)
    pass.last.sent(packets, bytes + packets * this.#longer[machine + 1])
  }

  /** The frame is what the last machine sends; whoever receives it looks for its headers and for whom it is by himself. */
  rewrite(frame: Frame): void {
    this.#rewriting.rewrite(this.#rewriting.values, frame)
    frame.sourceChosen = this.#sourceChosen
  }

  /** Those aboard have arrived. */
  succeeded(): void {
    if (this.#patience < PATIENCE) this.#patience++
    this.#life -= this.packets
    if (this.#life < 0) this.passes[0].tryAgain()
  }

  /** Those aboard went from machine to machine after all. */
  failed(): void {
    this.#patience -= 2
    if (this.#patience < 0) this.passes[0].rests(false)
  }
}

/** All that distinguishes the flow at any machine, in the frame as it came in; null when it is farther inside. */
function unionOf(passes: readonly Leg[], starts: readonly number[]): Uint8Array | null {
  const union = new Uint8Array(HEADERS)
  for (const [i, { mask }] of passes.entries()) {
    for (const [at, bits] of new Uint8Array(mask.buffer).entries()) {
      const place = starts[i] + at - starts[0]
      if (bits === 0 || place < 0) continue
      if (place >= HEADERS) return null
      union[place] = bits
    }
  }
  return union
}
