/** What can be wrong with a cable, and who hears of what goes into it. */
import type { Nanos } from '../sim/scheduler.ts'
import type { Frame } from './frame.ts'
import type { NetemOptions } from './netem-options.ts'

/** What makes a cable slower than a wire, after tc-netem. */
export interface Netem {
  /** One-way delay in nanoseconds. */
  readonly delay?: Nanos
  /** The delay varies by up to this much either way; order is kept. */
  readonly jitter?: Nanos
  /** Chance of losing a frame, 0 to 1. */
  readonly loss?: number
  /** Bits per second; a frame occupies the cable for its length plus 24 bytes of preamble, FCS and gap. */
  readonly rate?: number
  /** Frames that may wait; more are dropped. Linux's netem default is 1000. */
  readonly limit?: number
  /** What the plain cable does not do. With it, the fields above are nothing: it says all. */
  readonly engine?: Partial<NetemOptions>
}

/** Decides frame by frame, for tests and golden scenarios: true drops it. */
export type Impairment = (frame: Frame) => boolean

/**
 * Told of each frame that goes into a cable, with when it will be at the far end. The frame is lent. True: another thread takes it
 * out there, and nobody here needs it.
 */
export type Departing = (frame: Frame, due: Nanos) => boolean
