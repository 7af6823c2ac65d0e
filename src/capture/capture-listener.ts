/** Between a capture and those who write down what it sees. */
import type { Nanos } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { CapturedInterface } from './captured-interface.ts'
import type { Sighting } from './explainer.ts'
import type { Section } from './pcapng-writer.ts'

/** Hears of everything that a capture sees, in the order in which it happens. */
export interface CaptureListener {
  /** An interface is watched from now on. Told of those that are watched already, too. */
  appears(seen: CapturedInterface): void
  /**
   * A frame passed. `number`: its place among all that the capture saw, from 0; `flags`: as epb_flags has them; the bytes are
   * lent. With an explainer, `sighting` tells why it is there, and frames are told when their event is over.
   */
  frame(
    seen: CapturedInterface,
    number: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    sighting: Sighting | null,
  ): void
  /** An interface is watched no longer. */
  vanishes(seen: CapturedInterface): void
  /** An address has a name now, or another one. */
  named(address: Ipv4, name: string): void
}

/** What can be listened to. */
export interface Listened extends Watched {
  /** Tells the listener of everything from now on, until what is returned is called. */
  listen(listener: CaptureListener): () => void
}

/** What a listener may ask the capture. */
export interface Watched {
  readonly section: Section
  readonly names: ReadonlyMap<Ipv4, string>
  /** Virtual time. */
  readonly now: Nanos
  /** Seconds since 1970. */
  secondsOf(time: Nanos): number
  /** Nanoseconds within the second. */
  nanosOf(time: Nanos): number
  /** Tells listeners now of the frames that wait for the end of their event. */
  settle(): void
}
