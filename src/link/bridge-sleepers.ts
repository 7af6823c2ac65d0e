import type { Frame } from './frame.ts'

/** Stations that have their ports and have not been made. */
export interface Sleepers {
  /** How many; their ports have carrier. */
  readonly asleep: number
  /** The frame is about to go to every port: who is meant wakes up first. */
  flooded(frame: Frame): void
}
