/** Where passes of known flows begin and end (see flow-cache.ts). */
import type { Nanos } from '../sim/scheduler.ts'
import type { Frame } from './frame.ts'

/** A device that passes begin at. */
export interface Inlet {
  readonly world: { readonly frames: { readonly taken: number }; readonly scheduler: { readonly armings: number } }
  receive(frame: Frame): void
  /** Takes a frame that has come out of the cable: by the flow cache where there is one. */
  arrive(frame: Frame): void
}

/** A device that a pass ends at, whole: its queue, counters, tap and cable are asked each time. */
export interface Outlet {
  send(frame: Frame): void
  /** Where a frame comes out that is sent now, if it meets nothing but the cable's delay. */
  readonly far: Inlet | null
  /** ... and if no other frame is on its way there. */
  readonly clear: Inlet | null
  readonly delay: Nanos
  /** Counts frames that went by `clear`. */
  sent(packets: number, bytes: number): void
}
