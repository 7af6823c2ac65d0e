/** Several files one after the other, as dumpcap's `-b` has them: when one is full the next begins, and the oldest may go. */
import { type Nanos, SECOND } from '../sim/scheduler.ts'
import type { Ipv4 } from '../wire/address.ts'
import type { Watched } from './capture-listener.ts'
import type { CaptureStream } from './capture-stream.ts'
import type { CapturedInterface } from './captured-interface.ts'
import type { Sighting } from './explainer.ts'

/** When the next file begins, and how many stay; what is infinite is no limit. */
export interface RingSettings {
  /** The number of files that stay. */
  readonly files: number
  /** Bytes in a file. */
  readonly size: number
  /** A file's time. */
  readonly duration: Nanos
  /** The next file begins at each multiple of so many seconds since 1970. */
  readonly interval: number
  /** Packets in a file. */
  readonly packets: number
}

/** Begins the file of this number, counted from 1. */
export type NextFile = (number: number) => CaptureStream

export class RotatingStream implements CaptureStream {
  readonly #capture: Watched
  readonly #settings: RingSettings
  readonly #next: NextFile
  #stream: CaptureStream
  #number = 1
  /** When this file ends, whatever it holds. */
  #deadline: Nanos
  #packets = 0
  #length = 0

  constructor(capture: Watched, settings: RingSettings, next: NextFile) {
    this.#capture = capture
    this.#settings = settings
    this.#next = next
    this.#stream = next(1)
    this.#deadline = this.#deadlineFrom(capture.now)
  }

  get length(): number {
    return this.#length + this.#stream.length
  }

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
  ): void {
    if (this.#capture.now >= this.#deadline) this.#rotate()
    this.#stream.frame(seen, number, flags, time, packetId, bytes, at, length, sighting)
    this.#packets++
    if (this.#packets >= this.#settings.packets || this.#stream.length >= this.#settings.size) this.#rotate()
  }

  appears(seen: CapturedInterface): void {
    this.#stream.appears(seen)
  }

  vanishes(seen: CapturedInterface): void {
    this.#stream.vanishes(seen)
  }

  named(address: Ipv4, name: string): void {
    this.#stream.named(address, name)
  }

  flush(): void {
    this.#stream.flush()
  }

  finish(): void {
    this.#stream.finish()
  }

  #rotate(): void {
    this.#stream.finish()
    this.#length += this.#stream.length
    this.#packets = 0
    this.#deadline = this.#deadlineFrom(this.#capture.now)
    this.#stream = this.#next(++this.#number)
  }

  #deadlineFrom(now: Nanos): Nanos {
    const { duration, interval } = this.#settings
    const byDuration = now + duration
    if (interval === Number.POSITIVE_INFINITY) return byDuration
    const seconds = this.#capture.secondsOf(now)
    const wait = (interval - (seconds % interval)) * SECOND - this.#capture.nanosOf(now)
    return Math.min(byDuration, now + wait)
  }
}
