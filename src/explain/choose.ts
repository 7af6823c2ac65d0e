/** Finding the frame that somebody means: by number, by interface, by what is in it. */

import { FilterError } from '../capture/filter-words.ts'
import { compileFilter } from '../capture/pcap-filter.ts'
import { globToRegExp } from '../topology/interface-choice.ts'
import { nearest } from '../topology/problem.ts'
import { headersOf, summary } from './headers.ts'
import type { Recording, SeenFrame } from './recording.ts'

export interface Wanted {
  /** From 1: the frame's number in the merged capture, or among those that the rest leaves over. */
  readonly number?: number
  /** Interfaces, as `machine/eth0`; `*` stands for anything. */
  readonly on?: string
  /** In pcap-filter's language. */
  readonly filter?: string
  /** All frames of this packet. */
  readonly packet?: number
}

export interface Choice {
  readonly frame: SeenFrame
  /** The first frames of other packets that would do as well. */
  readonly others: readonly SeenFrame[]
}

/** @throws RangeError that says what there is instead. */
export function choose(recording: Recording, wanted: Wanted): Choice {
  const { number } = wanted
  const chosen = recording.frames.filter(tests(recording, wanted))
  const what = described(wanted)
  if (chosen.length === 0) {
    throw new RangeError(`podwire: ${recording.source} has no frame${what}: it holds ${counted(recording.frames)}`)
  }
  if (number !== undefined) {
    const frame = chosen[number - 1]
    if (frame !== undefined) return { frame, others: [] }
    throw new RangeError(`podwire: ${recording.source} has no frame ${number}${what}: there ${are(chosen.length)}`)
  }
  const frame = chosen[0]
  const packets = new Set<number | null>([frame.packetId])
  const others = chosen.filter((other) => {
    if (other.packetId !== null && packets.has(other.packetId)) return false
    packets.add(other.packetId)
    return other !== frame
  })
  return { frame, others }
}

/** One line for a list: `2031  default/client/eth0  out  TCP SYN 10.244.1.2:38054 → 10.96.45.3:80`. */
export function candidate(recording: Recording, frame: SeenFrame): string {
  const { name } = recording.interfaces[frame.interface]
  return `${frame.number}  ${name}  ${frame.direction ?? '?'}  ${summary(headersOf(frame.bytes))}`
}

function tests(recording: Recording, { on, filter, packet }: Wanted): (frame: SeenFrame) => boolean {
  const matches = filter === undefined ? null : filterOf(filter)
  const interfaces = on === undefined ? null : interfacesLike(recording, on)
  return (frame) =>
    (interfaces === null || interfaces.has(frame.interface)) &&
    (packet === undefined || frame.packetId === packet) &&
    (matches === null || matches(frame.bytes, 0, frame.bytes.length, frame.direction === 'out'))
}

function filterOf(text: string): ReturnType<typeof compileFilter> {
  try {
    return compileFilter(text)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    const why = error.message
    throw new RangeError(`podwire: the filter ${JSON.stringify(text)}: ${why}`)
  }
}

function interfacesLike(recording: Recording, on: string): Set<number> {
  const names = recording.interfaces.map(({ name }) => name)
  const pattern = globToRegExp(on)
  const found = names.flatMap((name, number) => (pattern.test(name) ? [number] : []))
  if (found.length > 0) return new Set(found)
  const meant = nearest(on, names)
  const hint = meant === null ? `there are: ${names.join(', ')}` : `did you mean ${meant}?`
  throw new RangeError(`podwire: ${recording.source} has no interface ${on}: ${hint}`)
}

function described({ on, filter, packet }: Wanted): string {
  const parts = [
    ...(on === undefined ? [] : [`on ${on}`]),
    ...(packet === undefined ? [] : [`of packet ${packet}`]),
    ...(filter === undefined ? [] : [`that matches ${JSON.stringify(filter)}`]),
  ]
  return parts.length === 0 ? '' : ` ${parts.join(' ')}`
}

function counted(frames: readonly SeenFrame[]): string {
  return frames.length === 1 ? '1 frame' : `${frames.length} frames`
}

function are(count: number): string {
  return count === 1 ? 'is 1' : `are ${count}`
}
