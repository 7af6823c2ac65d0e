/** What a bench measures: frames that cross a network, some at a time. */
import type { World } from '../link/world.ts'

export interface Load {
  readonly world: World
  /** Frames that were sent; left out where it is not for the load to say. */
  readonly sent?: number
  /** Frames that have arrived where they should. */
  readonly received: number
  /** Frames that arrived wrong, or at the wrong place. */
  readonly bad: number
  /** Payload bytes that an application has read, where there is one. */
  readonly bytes?: number
  /** Once, before anything is measured: what a network that has worked for a while has learnt. */
  prepare?(): void
  /** Sends some frames, and returns when they have arrived. */
  batch(): void
  /** Is it time for `rest`? */
  readonly tired?: boolean
  /** What must be done between batches and is not what is measured. */
  rest?(): void
}
