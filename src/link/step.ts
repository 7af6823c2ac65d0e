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

/**
 * A step that frames share which cross several machines at once (see journey.ts). What it reads and writes of a frame is known
 * from a frame that went before; the rest of `holds` and `again` is in the following.
 */
export abstract class SharedStep extends Step {
  /** Where in the frame that came in there must be a whole and valid header of the flow; negative: nowhere. */
  get header(): number {
    return -1
  }

  /** `holds`, as far as it is the same for all frames of the flow. */
  stands(): boolean {
    return true
  }

  /** What `again` leaves behind in tables, for so many frames in one instant; `bytes`: their lengths as they came in, added up. */
  leave(_packets: number, _bytes: number): void {}
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
