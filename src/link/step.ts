/** What passes of known flows consist of (see flow-cache.ts). */
import type { Frame } from './frame.ts'

/** What one layer did, to be done once more. */
export abstract class Step {
  /**
   * Would the layer do the very same with this frame, now? Looks, and changes nothing. `frame.start` is where the frame
   * begins as it came in.
   */
  holds(_frame: Frame): boolean {
    return true
  }

  /** Does it. */
  again(_frame: Frame): void {}
}

/** A step that can decide against the frame only by doing its work. At most one is in a pass, and it is asked first. */
export interface Judge {
  /** False: the long way must be gone; it will use this judgment. */
  judge(frame: Frame): boolean
  /** The frame has gone its long way. */
  settled(): void
}

/** A counter of packets and bytes that a pass moves. */
export interface Tally {
  /** So many packets more went by, with so many bytes together. */
  add(packets: number, bytes: number): void
}
