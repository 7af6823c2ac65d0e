/**
 * What the two sides of a TCP connection said, put in order by sequence numbers: what came again is said once, what came
 * early waits, and what never came but was acknowledged is a gap (RFC 9293 section 3.4).
 */
import type { Headers } from '../wire/headers.ts'
import * as tcp from '../wire/tcp.ts'
import type { Speaker } from './conversations.ts'

export interface StreamListener {
  /** The next bytes of one side, of its own to keep. */
  said(speaker: Speaker, bytes: Uint8Array): void
  /** So many bytes of one side are not in the file. */
  missing(speaker: Speaker, bytes: number): void
}

class Side {
  /** The sequence number that is due; null before the first segment. */
  next: number | null = null
  /** What came early, by sequence numbers. */
  early: { sequence: number; bytes: Uint8Array }[] = []
}

/** Modulo 2^32: above 0 when `a` lies behind `b`. */
function after(a: number, b: number): number {
  return (a - b) | 0
}

export class TcpStream {
  readonly #listener: StreamListener
  readonly #sides: readonly [Side, Side] = [new Side(), new Side()]

  constructor(listener: StreamListener) {
    this.#listener = listener
  }

  /** A segment, whose payload is copied. */
  segment(speaker: Speaker, { tcp: fields, payload }: Headers, bytes: Uint8Array): void {
    if (fields === null) return
    const { flags, sequence, acknowledgment } = fields
    const other = speaker === 0 ? 1 : 0
    if (flags & tcp.ACK) this.#acknowledged(other, acknowledgment)
    const side = this.#sides[speaker]
    // A SYN has a number of its own, in front of what it may carry.
    const first = flags & tcp.SYN ? (sequence + 1) >>> 0 : sequence
    side.next ??= first
    if (payload === null || payload.end <= payload.at || flags & tcp.RST) return
    this.#data(speaker, first, bytes.slice(payload.at, payload.end))
  }

  /** No more segments: what waits is said, behind the gaps in front of it. */
  end(): void {
    for (const speaker of [0, 1] as const) {
      const side = this.#sides[speaker]
      while (side.early.length > 0) this.#skip(speaker)
    }
  }

  #data(speaker: Speaker, sequence: number, bytes: Uint8Array): void {
    const side = this.#sides[speaker]
    const due = side.next as number
    const early = after(sequence, due)
    if (early > 0) {
      const place = side.early.findIndex((each) => after(each.sequence, sequence) > 0)
      side.early.splice(place < 0 ? side.early.length : place, 0, { sequence, bytes })
      return
    }
    const news = bytes.length + early
    if (news <= 0) return
    side.next = (due + news) >>> 0
    this.#listener.said(speaker, bytes.subarray(bytes.length - news))
    this.#join(speaker)
  }

  /** Says what waited for the bytes that have come. */
  #join(speaker: Speaker): void {
    const side = this.#sides[speaker]
    while (side.early.length > 0 && after(side.early[0].sequence, side.next as number) <= 0) {
      const { sequence, bytes } = side.early.shift() as Side['early'][number]
      const old = after(side.next as number, sequence)
      if (old >= bytes.length) continue
      side.next = (sequence + bytes.length) >>> 0
      this.#listener.said(speaker, bytes.subarray(old))
    }
  }

  /** The receiver has all up to here: what the file does not have of it will not come. */
  #acknowledged(speaker: Speaker, acknowledgment: number): void {
    const { early } = this.#sides[speaker]
    while (early.length > 0 && after(acknowledgment, early[0].sequence) > 0) this.#skip(speaker)
  }

  #skip(speaker: Speaker): void {
    const side = this.#sides[speaker]
    const { sequence } = side.early[0]
    this.#listener.missing(speaker, after(sequence, side.next as number))
    side.next = sequence
    this.#join(speaker)
  }
}
