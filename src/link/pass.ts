/** What was done with the frames of one flow at one machine (see flow-cache.ts). */
import { Account } from './account.ts'
import { configurationGeneration } from './configuration.ts'
import type { Outlet } from './ends.ts'
import type { Frame } from './frame.ts'
import type { Journey } from './journey.ts'
import type { Judge, Step, Tally } from './step.ts'
import { type Walk, walkOf } from './walk.ts'

/** What a journal has written down. */
export interface Written {
  readonly steps: readonly Step[]
  readonly tallies: readonly Tally[]
  readonly more: readonly number[]
  readonly judge: Judge | null
  readonly covered: number
  readonly mask: Uint8Array
}

/** A journey is tried for a flow of so many frames; and again behind so many, twice as many, and so on, where it was in vain. */
const FIRST_TRY = 16
const PAUSE = 64

export class Pass {
  readonly generation = configurationGeneration()
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
  /** What becomes of the flow's frames from here on, over all machines, where that is known. */
  journey: Journey | null = null
  /** A frame is followed when there were so many hits. */
  nextTry = FIRST_TRY
  #pause = PAUSE
  #vain = false

  constructor(written: Written, last: Outlet, header: DataView, hash: number, length: number) {
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

  /** It is another's turn. */
  tryLater(): void {
    this.nextTry = this.hits + FIRST_TRY
  }

  /** Its journey may have become longer. */
  tryAgain(): void {
    this.#vain = false
    this.journey = null
    this.nextTry = this.hits + 1
    this.#pause = PAUSE
  }

  /** Frames of another flow could not go on their journey because of one of these. */
  wanted(): void {
    if (this.journey === null && !this.#vain) this.nextTry = this.hits + 1
  }

  /** No journey begins here, for a while. `vain`: none was found. */
  rests(vain: boolean): void {
    this.#vain = vain
    this.journey = null
    this.nextTry = this.hits + this.#pause
    this.#pause *= 2
  }
}
