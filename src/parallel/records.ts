/** What threads tell each other, as records of their queues: frames that go into a cable, and what commands say. */
import { type Frame, HEADROOM } from '../link/frame.ts'
import type { Nanos } from '../sim/scheduler.ts'

/** Kinds of records. */
export const FRAME = 1
export const TEXT = 2

/** Of a frame's record, in words of 8 bytes; the bytes follow. */
const FRAME_HEADER = 7
const SUMMED = 1
const SOURCE_CHOSEN = 2
const TO_HOST = 4
const GROUP = 8

/** Of a text's record. */
const TEXT_HEADER = 5

/** What the other threads' records are handed to. */
export interface Arrivals {
  /** A frame was put into the cable of this port, and will be at the switch at `due`. Takes the frame. */
  frame(port: number, frame: Frame, due: Nanos): void
  /** `session`, `stream` and `code` are the sender's. Due at `time`. */
  text(time: Nanos, machine: number, session: number, stream: number, code: number, text: string): void
}

/** Where records stand; they begin at words of 8 bytes. The first word of each is the queue's (ring.ts). */
export interface Records {
  readonly doubles: Float64Array
  readonly words: Int32Array
  readonly bytes: Uint8Array
}

/** Room for one, by itself. */
export function recordOf(size: number): Records {
  const bytes = new Uint8Array(size * 8)
  return { doubles: new Float64Array(bytes.buffer), words: new Int32Array(bytes.buffer), bytes }
}

/** In words of 8 bytes. */
export function sizeOfFrame({ start, end }: Frame): number {
  return FRAME_HEADER + ((end - start + 7) >> 3)
}

export function writeFrame(to: Records, at: number, port: number, frame: Frame, due: Nanos): void {
  const { doubles, words, bytes } = to
  const { start, end } = frame
  const word = at * 2
  words[word + 2] = port
  words[word + 3] = end - start
  doubles[at + 2] = due
  doubles[at + 3] = frame.packetId
  words[word + 8] = frame.hash
  words[word + 9] =
    (frame.summed ? SUMMED : 0) |
    (frame.sourceChosen ? SOURCE_CHOSEN : 0) |
    (frame.toHost ? TO_HOST : 0) |
    (frame.group ? GROUP : 0)
  words[word + 10] = frame.network - start
  words[word + 11] = frame.transport - start
  words[word + 12] = frame.segmentSize
  words[word + 13] = frame.cut
  bytes.set(frame.bytes.subarray(start, end), (at + FRAME_HEADER) * 8)
}

export function portOf({ words }: Records, at: number): number {
  return words[at * 2 + 2]
}

export function lengthOfFrame({ words }: Records, at: number): number {
  return words[at * 2 + 3]
}

export function dueOf({ doubles }: Records, at: number): Nanos {
  return doubles[at + 2]
}

/** Into an empty frame. */
export function readFrame({ words, doubles, bytes }: Records, at: number, frame: Frame): void {
  const word = at * 2
  const length = words[word + 3]
  const from = (at + FRAME_HEADER) * 8
  frame.bytes.set(bytes.subarray(from, from + length), HEADROOM)
  frame.end = HEADROOM + length
  frame.packetId = doubles[at + 3]
  frame.hash = words[word + 8]
  const flags = words[word + 9]
  frame.summed = (flags & SUMMED) !== 0
  frame.sourceChosen = (flags & SOURCE_CHOSEN) !== 0
  frame.toHost = (flags & TO_HOST) !== 0
  frame.group = (flags & GROUP) !== 0
  frame.network = HEADROOM + words[word + 10]
  frame.transport = HEADROOM + words[word + 11]
  frame.segmentSize = words[word + 12]
  frame.cut = words[word + 13]
}

export function textRecord(
  time: Nanos,
  machine: number,
  session: number,
  stream: number,
  code: number,
  text: string,
): Records {
  const encoded = new TextEncoder().encode(text)
  const record = recordOf(TEXT_HEADER + ((encoded.length + 7) >> 3))
  record.doubles[1] = time
  record.words.set([machine, session, stream, code, encoded.length], 4)
  record.bytes.set(encoded, TEXT_HEADER * 8)
  return record
}

export function readText({ words, doubles, bytes }: Records, at: number, arrivals: Arrivals): void {
  const [machine, session, stream, code, length] = words.subarray(at * 2 + 4, at * 2 + 9)
  const from = (at + TEXT_HEADER) * 8
  const text = new TextDecoder().decode(bytes.slice(from, from + length))
  arrivals.text(doubles[at + 1], machine, session, stream, code, text)
}
