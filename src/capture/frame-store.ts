/** Frames kept in memory, in the order in which they were seen: their bytes one behind the other, and one row a frame. */
import type { Nanos } from '../sim/scheduler.ts'
import type { Sighting } from './explainer.ts'
import { GrowingBytes } from './growing-bytes.ts'

/** epb_flags that are kept: the direction and the reception type. */
const FLAGS = 32

export class FrameStore {
  readonly #bytes = new GrowingBytes(1 << 16)
  /** Rows were forgotten: the number of the first that is there. */
  #first = 0
  #size = 0
  #times = new Float64Array(256)
  #offsets = new Float64Array(256)
  #lengths = new Int32Array(256)
  #packetIds = new Float64Array(256)
  /** The interface's number, and the flags. */
  #origins = new Int32Array(256)
  /** Why each frame is where it was seen; empty while nobody explains. */
  #sightings: Sighting[] = []

  /** How many frames were ever put in: the number that the next one gets. */
  get end(): number {
    return this.#first + this.#size
  }

  /** The number of the oldest frame that is kept. */
  get first(): number {
    return this.#first
  }

  /** The bytes of all frames: they move when a frame is put in. */
  get bytes(): Uint8Array {
    return this.#bytes.raw
  }

  /** Copies a frame. */
  put(
    interfaceNumber: number,
    flags: number,
    time: Nanos,
    packetId: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    sighting: Sighting | null = null,
  ): void {
    if (this.#size === this.#times.length) this.#grow()
    const row = this.#size++
    this.#times[row] = time
    this.#offsets[row] = this.#bytes.length
    this.#lengths[row] = length
    this.#packetIds[row] = packetId
    this.#origins[row] = interfaceNumber * FLAGS + flags
    if (sighting !== null) this.#sightings[row] = sighting
    this.#bytes.put(bytes, at, length)
  }

  /** A frame that is not kept has a number, too. */
  pass(): void {
    this.forget()
    this.#first++
  }

  time(frame: number): Nanos {
    return this.#times[frame - this.#first]
  }

  /** Where the frame begins in `bytes`. */
  offset(frame: number): number {
    return this.#offsets[frame - this.#first]
  }

  length(frame: number): number {
    return this.#lengths[frame - this.#first]
  }

  packetId(frame: number): number {
    return this.#packetIds[frame - this.#first]
  }

  interface(frame: number): number {
    return Math.floor(this.#origins[frame - this.#first] / FLAGS)
  }

  flags(frame: number): number {
    return this.#origins[frame - this.#first] % FLAGS
  }

  sighting(frame: number): Sighting | null {
    return this.#sightings[frame - this.#first] ?? null
  }

  /** Forgets all frames, and keeps the room for others; numbers go on. */
  forget(): void {
    this.#first += this.#size
    this.#size = 0
    if (this.#sightings.length > 0) this.#sightings = []
    this.#bytes.clear()
  }

  #grow(): void {
    const rows = this.#times.length * 2
    this.#times = grown(new Float64Array(rows), this.#times)
    this.#offsets = grown(new Float64Array(rows), this.#offsets)
    this.#lengths = grown(new Int32Array(rows), this.#lengths)
    this.#packetIds = grown(new Float64Array(rows), this.#packetIds)
    this.#origins = grown(new Int32Array(rows), this.#origins)
  }
}

function grown<Rows extends Float64Array | Int32Array>(larger: Rows, rows: Rows): Rows {
  larger.set(rows)
  return larger
}
