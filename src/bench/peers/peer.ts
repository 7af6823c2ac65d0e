/** Somebody else who forwards frames, measured in the same run as podwire. */
import type { Measurement } from '../measure.ts'
import type { Counterpart, Point } from '../points.ts'

/** What a peer's program prints: one line. */
export interface Line {
  readonly peer: string
  readonly workload: string
  readonly variant: string
  /** Bytes. */
  readonly frame: number
  readonly sent: number
  /** That arrived. */
  readonly frames: number
  /** Of the wall's clock. */
  readonly seconds: number
  readonly cpuSeconds: number
  readonly gbps: number | null
}

/** A point that is ready to be measured. */
export interface Opened {
  /** Milliseconds until it was. */
  readonly buildMs: number
  measure(seconds: number): Promise<Line>
  close(): void
}

export interface Peer {
  /** As it is typed, and the name of its column. */
  readonly name: string
  /** What was measured, in one line under the table; known once it is ready. */
  readonly description: string
  /** Can it do the like of this point? */
  has(point: Point): boolean
  /** Once, before anything is measured. @throws RangeError when it cannot be measured on this machine. */
  ready(points: readonly Point[]): Promise<void>
  /** @throws RangeError when the machine does not let it. */
  open(point: Point, counterpart: Counterpart): Promise<Opened>
  /** At once: what is open ends, and nothing stays behind. */
  close(): void
}

/** One of a hundred frames may be lost; more is no forwarding. */
const LOST = 0.01

/** @throws RangeError when frames did not arrive. */
export async function measurePeer(peer: Peer, point: Point, opened: Opened, seconds: number): Promise<Measurement> {
  const line = await opened.measure(seconds)
  const { sent, frames, cpuSeconds, gbps } = line
  if (!(frames > 0 && frames >= sent * (1 - LOST) && cpuSeconds > 0)) {
    throw new RangeError(`podwire: --against ${peer.name}: ${point.id}: of ${sent} frames ${frames} arrived`)
  }
  const { buildMs } = opened
  return {
    point: point.id,
    variant: line.variant,
    frames,
    seconds: line.seconds,
    cpuSeconds,
    buildMs,
    gbps,
    ...UNKNOWN,
  }
}

/** What is podwire's own. */
const UNKNOWN = { gcShare: null, bytesPerFrame: null }
