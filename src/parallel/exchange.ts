/**
 * One thread's side of a world that several threads run together, after Chandy and Misra: a thread may run up to what all
 * others promise, and promises that nothing of its own will be due at the switch before the look-ahead is over. The
 * look-ahead is what the cables to and from the switch take at least.
 *
 * A thread that waits spins for a moment and sleeps then. When all wait and nothing is on the way, time jumps to the
 * earliest thing that any of them has to do.
 */

import { availableParallelism } from 'node:os'
import type { Horizon } from '../host/run.ts'
import { type Frame, type FramePool, HEADROOM } from '../link/frame.ts'
import type { Nanos, Scheduler } from '../sim/scheduler.ts'
import { Ring } from './ring.ts'
import { SharedClocks } from './shared-clocks.ts'

/** Words of 8 bytes in the queue from each thread to each other one. */
const RING = 1 << 18
/** How often a waiting thread looks before it sleeps; with fewer processors than threads another one needs this one's. */
const SPINS = 20_000
const SPINS_CROWDED = 100
/** Milliseconds: who sleeps looks up so often, whether somebody rings or not. */
const NAP = 2

const FRAME = 1
const TEXT = 2

/** Of a frame's record, in words of 8 bytes; the bytes follow. */
const FRAME_HEADER = 8
const SUMMED = 1
const SOURCE_CHOSEN = 2
const TO_HOST = 4
const GROUP = 8

/** Of a text's record. */
const TEXT_HEADER = 5

/** What the other threads' records are handed to. */
export interface Arrivals {
  /** A frame was put into the cable of this port at `sent`, and will be at the switch at `due`. Takes the frame. */
  frame(port: number, frame: Frame, due: Nanos, sent: Nanos): void
  /** `session`, `stream` and `code` are the sender's. Due at `time`. */
  text(time: Nanos, machine: number, session: number, stream: number, code: number, text: string): void
}

/** The memory that the threads of one world share. */
export function sharedMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(SharedClocks.bytes(threads) + threads * threads * Ring.bytes(RING))
}

export interface Place {
  readonly memory: SharedArrayBuffer
  readonly threads: number
  /** This one's number, from 0. */
  readonly thread: number
  /** Other threads of the world run in turns with this one, in the same thread of the platform: it must not sleep. */
  readonly inTurns: boolean
}

export interface LookAhead {
  /** From a machine to the switch, and from the switch to a machine: no frame takes less. */
  readonly toSwitch: Nanos
  readonly fromSwitch: Nanos
}

export class Exchange implements Horizon {
  ended = false
  /** Milliseconds in which this thread waited for others, and how often it did. */
  waited = 0
  waits = 0
  /** Frames that went to the switch from this thread's machines. */
  sent = 0
  readonly #me: number
  readonly #inTurns: boolean
  readonly #spins: number
  readonly #clocks: SharedClocks
  readonly #scheduler: Scheduler
  readonly #ahead: LookAhead
  readonly #out: Ring[] = []
  readonly #in: Ring[] = []
  readonly #all: Ring[] = []
  /** What found no room, by the other thread; nothing is promised until it has. */
  readonly #backlog: { readonly ring: Ring; readonly record: Uint8Array; readonly kind: number }[] = []
  #arrivals: Arrivals | null = null
  /** What the others promise; nothing of theirs is due before. */
  #safe: Nanos
  /** Nothing at all happens before, so nothing of the others' is due before this and the look-ahead. */
  #floor: Nanos = 0
  #promised: Nanos = 0
  #waiting = false

  constructor(place: Place, scheduler: Scheduler, ahead: LookAhead) {
    const { memory, threads, thread } = place
    this.#me = thread
    this.#inTurns = place.inTurns
    this.#spins = place.inTurns ? 0 : threads > availableParallelism() ? SPINS_CROWDED : SPINS
    this.#clocks = new SharedClocks(memory, threads)
    this.#scheduler = scheduler
    this.#ahead = ahead
    this.#safe = threads === 1 ? Number.POSITIVE_INFINITY : 0
    const base = SharedClocks.bytes(threads)
    for (let from = 0; from < threads; from++) {
      for (let to = 0; to < threads; to++) {
        if (from === to) continue
        const ring = new Ring(memory, base + (from * threads + to) * Ring.bytes(RING), RING)
        this.#all.push(ring)
        if (from === thread) this.#out.push(ring)
        if (to === thread) this.#in.push(ring)
      }
    }
  }

  /** How much later than the rest the other threads hear of what is said here. */
  get delay(): Nanos {
    return this.#ahead.toSwitch + this.#ahead.fromSwitch
  }

  set arrivals(arrivals: Arrivals) {
    this.#arrivals = arrivals
  }

  /** Tells a thread, or with -1 all others, of a frame that goes into a port's cable. The frame is lent. */
  sendFrame(port: number, frame: Frame, due: Nanos, to: number): void {
    this.sent++
    if (to === this.#me) return
    const length = frame.end - frame.start
    const size = FRAME_HEADER + ((length + 7) >> 3)
    for (let i = 0; i < this.#out.length; i++) {
      if (to >= 0 && to !== (i < this.#me ? i : i + 1)) continue
      const ring = this.#out[i]
      const at = this.#room(ring, size, FRAME)
      if (at >= 0) {
        this.#writeFrame(ring.doubles, ring.words, ring.bytes, at, port, frame, due)
        ring.push()
        continue
      }
      const record = new Uint8Array(size * 8)
      const { buffer } = record
      this.#writeFrame(new Float64Array(buffer), new Int32Array(buffer), record, 0, port, frame, due)
      this.#backlog.push({ ring, record, kind: FRAME })
    }
  }

  #writeFrame(
    doubles: Float64Array,
    words: Int32Array,
    bytes: Uint8Array,
    at: number,
    port: number,
    frame: Frame,
    due: Nanos,
  ): void {
    const { start, end } = frame
    const word = at * 2
    words[word + 2] = port
    words[word + 3] = end - start
    doubles[at + 2] = due
    doubles[at + 3] = this.#scheduler.now
    doubles[at + 4] = frame.packetId
    words[word + 10] = frame.hash
    words[word + 11] =
      (frame.summed ? SUMMED : 0) |
      (frame.sourceChosen ? SOURCE_CHOSEN : 0) |
      (frame.toHost ? TO_HOST : 0) |
      (frame.group ? GROUP : 0)
    words[word + 12] = frame.network - start
    words[word + 13] = frame.transport - start
    words[word + 14] = frame.segmentSize
    words[word + 15] = frame.cut
    bytes.set(frame.bytes.subarray(start, end), (at + FRAME_HEADER) * 8)
  }

  /** Tells all others what was said; they hear it at `time`. */
  sendText(time: Nanos, machine: number, session: number, stream: number, code: number, text: string): void {
    const encoded = new TextEncoder().encode(text)
    const size = TEXT_HEADER + ((encoded.length + 7) >> 3)
    for (const ring of this.#out) {
      const record = new Uint8Array(size * 8)
      new Float64Array(record.buffer)[1] = time
      new Int32Array(record.buffer).set([machine, session, stream, code, encoded.length], 4)
      record.set(encoded, TEXT_HEADER * 8)
      this.#backlog.push({ ring, record, kind: TEXT })
    }
  }

  /** No room while older records still wait for theirs. */
  #room(ring: Ring, size: number, kind: number): number {
    return this.#backlog.length > 0 ? -1 : ring.room(size, kind)
  }

  reach(until: Nanos): Nanos {
    this.#flush()
    this.#take()
    this.#look()
    this.#promise(until)
    if (this.#safe > until) return until
    if (this.#safe === Number.POSITIVE_INFINITY && this.#scheduler.next === this.#safe) this.ended = true
    return this.#safe - 1
  }

  /** Others may have come further; else this thread waits. */
  reached(until: Nanos): Promise<void> | null {
    this.#flush()
    this.#promise(until)
    if (this.#news()) return null
    this.waits++
    const began = performance.now()
    for (let i = 0; i < this.#spins && !this.#waiting; i++) {
      if (this.#news()) {
        this.waited += performance.now() - began
        return null
      }
    }
    if (this.#backlog.length > 0) return this.#inTurns ? turn() : null
    if (!this.#waiting) {
      this.#waiting = true
      this.#clocks.setNext(this.#me, Math.min(this.#scheduler.next, until))
      this.#clocks.turn(this.#me)
      this.#clocks.ring(this.#me)
    }
    if (this.#jump()) return null
    if (this.#inTurns) return turn()
    this.#clocks.sleep(this.#me, NAP, () => !this.#news())
    this.waited += performance.now() - began
    return null
  }

  /** This thread sends nothing any more. */
  leave(): void {
    this.#clocks.setClock(this.#me, Number.POSITIVE_INFINITY)
    this.#clocks.ring(this.#me)
  }

  /** Takes what others still send; what it says is nobody's any more. */
  drain(): void {
    for (const ring of this.#in) while (ring.peek() >= 0) ring.shift()
  }

  /** Have all others left? */
  get alone(): boolean {
    for (let thread = 0; thread < this.#clocks.count; thread++) {
      if (thread !== this.#me && this.#clocks.clock(thread) !== Number.POSITIVE_INFINITY) return false
    }
    return true
  }

  #news(): boolean {
    for (const ring of this.#in) if (ring.peek() >= 0) return true
    return this.#promisedByOthers() > this.#safe
  }

  #promisedByOthers(): Nanos {
    let least = Number.POSITIVE_INFINITY
    for (let thread = 0; thread < this.#clocks.count; thread++) {
      if (thread === this.#me) continue
      const clock = this.#clocks.clock(thread)
      if (clock < least) least = clock
    }
    const jumped = this.#floor + this.#ahead.toSwitch
    return least < jumped ? jumped : least
  }

  #look(): void {
    const safe = this.#promisedByOthers()
    // What was sent before the promise is in the queues by now.
    if (safe <= this.#safe) return
    this.#safe = safe
    this.#resume()
    this.#take()
  }

  #promise(until: Nanos): void {
    if (this.#out.length === 0 || this.#backlog.length > 0) return
    const own = Math.min(this.#scheduler.next, until)
    const promise = Math.floor(Math.min(own, this.#safe + this.#ahead.fromSwitch)) + this.#ahead.toSwitch
    if (promise <= this.#promised) return
    this.#promised = promise
    this.#clocks.setClock(this.#me, promise)
    this.#clocks.ring(this.#me)
  }

  #resume(): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#clocks.turn(this.#me)
  }

  /** When all wait and nothing is on the way: time may jump. */
  #jump(): boolean {
    const clocks = this.#clocks
    let sum = 0
    let least = Number.POSITIVE_INFINITY
    for (let thread = 0; thread < clocks.count; thread++) {
      const version = clocks.version(thread)
      if ((version & 1) === 0) return false
      sum = (sum + version) | 0
      least = Math.min(least, clocks.next(thread))
    }
    for (const ring of this.#all) if (!ring.empty) return false
    for (let thread = 0; thread < clocks.count; thread++) sum = (sum - clocks.version(thread)) | 0
    if (sum !== 0) return false
    if (least === Number.POSITIVE_INFINITY) {
      this.ended = true
      return true
    }
    if (least <= this.#floor) return false
    this.#floor = least
    return true
  }

  #flush(): void {
    let done = 0
    for (const { ring, record, kind } of this.#backlog) {
      const at = ring.room(record.length / 8, kind)
      if (at < 0) break
      ring.bytes.set(record.subarray(8), (at + 1) * 8)
      ring.push()
      done++
    }
    if (done === 0) return
    this.#backlog.splice(0, done)
    this.#clocks.ring(this.#me)
  }

  #take(): void {
    for (let i = 0; i < this.#in.length; i++) {
      const ring = this.#in[i]
      for (let at = ring.peek(); at >= 0; at = ring.peek()) {
        this.#resume()
        if (ring.words[at * 2 + 1] === FRAME) this.#takeFrame(ring, at)
        else this.#takeText(ring, at)
        ring.shift()
      }
    }
  }

  /** Where frames of other threads live here. */
  pool: FramePool | null = null

  #takeFrame(ring: Ring, at: number): void {
    const { words, doubles, bytes } = ring
    const word = at * 2
    const length = words[word + 3]
    const frame = (this.pool as FramePool).take(length)
    const from = (at + FRAME_HEADER) * 8
    frame.bytes.set(bytes.subarray(from, from + length), HEADROOM)
    frame.end = HEADROOM + length
    frame.packetId = doubles[at + 4]
    frame.hash = words[word + 10]
    const flags = words[word + 11]
    frame.summed = (flags & SUMMED) !== 0
    frame.sourceChosen = (flags & SOURCE_CHOSEN) !== 0
    frame.toHost = (flags & TO_HOST) !== 0
    frame.group = (flags & GROUP) !== 0
    frame.network = HEADROOM + words[word + 12]
    frame.transport = HEADROOM + words[word + 13]
    frame.segmentSize = words[word + 14]
    frame.cut = words[word + 15]
    this.#arrivals?.frame(words[word + 2], frame, doubles[at + 2], doubles[at + 3])
  }

  #takeText(ring: Ring, at: number): void {
    const [machine, session, stream, code, length] = ring.words.subarray(at * 2 + 4, at * 2 + 9)
    const from = (at + TEXT_HEADER) * 8
    const text = new TextDecoder().decode(ring.bytes.slice(from, from + length))
    this.#arrivals?.text(ring.doubles[at + 1], machine, session, stream, code, text)
  }
}

/** Lets the others of this thread of the platform go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
