import type { Frame } from './frame.ts'

/** Stations that have their ports and have not been made, and those who would do nothing with what they hear. */
export interface Sleepers<Port> {
  /** How many have not been made; their ports have carrier. */
  readonly asleep: number
  /**
   * The frame is about to go to every port, but for the one that it came in by (null: it is the host's own): who is meant
   * wakes up first. The ports that it must go to; the others are as if it had been there.
   */
  flooded(frame: Frame, from: Port | null): readonly Port[]
}
