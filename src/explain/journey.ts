/** The way of one packet: where it was seen, what was decided in between, and what it met at its end. */
import { type Partners, partnersOf } from './answers.ts'
import { type Change, changesBetween } from './changes.ts'
import { depth, type Headers, headersOf } from './headers.ts'
import type { Reason, Recording, SeenFrame } from './recording.ts'

/** One frame of the packet. Each decision is told once: before the frame that it led to, or after the one it is about. */
export interface Stop {
  readonly frame: SeenFrame
  readonly headers: Headers | null
  readonly before: readonly Reason[]
  /** What is other than where the packet was last. */
  readonly changes: readonly Change[]
  readonly after: readonly Reason[]
}

export interface Journey {
  /** Null: the frame has no number that others could share. */
  readonly packetId: number | null
  /** The frame that was asked for. */
  readonly asked: SeenFrame
  readonly stops: readonly Stop[]
  /** The sockets that took it, and the drops. */
  readonly ends: readonly Reason[]
  readonly partners: Partners
}

export function journeyOf(recording: Recording, asked: SeenFrame): Journey {
  const { packetId } = asked
  const frames = packetId === null ? [asked] : recording.frames.filter((frame) => frame.packetId === packetId)
  const stops = stopsOf(recording, frames)
  return { packetId, asked, stops, ends: endsOf(stops), partners: partnersOf(recording, frames) }
}

/** Drops, and what the last place's sockets did: those of the sender and of tunnels are on the way. */
export function endsOf(stops: readonly Stop[]): Reason[] {
  const last = stops.at(-1)
  return stops.flatMap((stop) => {
    const drops = stop.before.filter(({ kind }) => kind === 'drop')
    const after = stop.after.filter(({ kind }) => kind === 'drop' || (kind === 'socket' && stop === last))
    return [...drops, ...after]
  })
}

/** Of one packet, whose frames these are. */
export function stopsOf(recording: Recording, frames: readonly SeenFrame[]): Stop[] {
  const told = new Set<object>()
  const fresh = (reason: Reason) => {
    if (told.has(reason.told)) return false
    told.add(reason.told)
    return true
  }
  const stops: Stop[] = []
  for (const frame of frames) {
    const headers = headersOf(frame.bytes)
    const { because, became } = frame.reasons()
    const before = because.filter(fresh)
    const after = became.filter(fresh)
    const last = headers === null ? null : lastBefore(recording, stops, frame, headers)
    const changes = last === null || headers === null ? [] : changesBetween(last, headers)
    stops.push({ frame, headers, before, changes, after })
  }
  return stops
}

/**
 * The packet as it was before: a frame that comes in is the one that went out at the cable's other end; within a machine it
 * is the latest, of copies that are flooded the one that is in as many tunnels.
 */
function lastBefore(recording: Recording, stops: readonly Stop[], frame: SeenFrame, headers: Headers): Headers | null {
  const earlier = stops.filter((stop) => stop.headers !== null)
  const same = earlier.findLast((stop) => equal(stop.frame.bytes, frame.bytes))
  if (frame.direction === 'in' && same !== undefined) return same.headers
  const place = (seen: SeenFrame) => recording.interfaces[seen.interface].place
  const here = earlier.filter((stop) => place(stop.frame) === place(frame))
  const outward = frame.direction === 'out'
  const level = here.findLast((stop) => stop.headers !== null && (!outward || depth(stop.headers) <= depth(headers)))
  return (level ?? earlier.at(-1))?.headers ?? null
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
