/**
 * One thread's side of a world that several threads run together, after Chandy and Misra: a thread may run up to what all
 * others promise, and promises that nothing of its own will be due at the switch before the look-ahead is over. The
 * look-ahead is what the cables to and from the switch take at least.
 *
 * The switch has a clock of its own (its events are between those of machines by the cables' delays, both ways): it may be
 * behind the machines or ahead of them by as much, and so threads may be apart by both delays together. Only where a capture
 * sees the switch there is one clock.
 *
 * A thread that waits spins for a moment and sleeps then. When all wait and nothing is on the way, time jumps to the
 * earliest thing that any of them has to do.
 */

import { availableParallelism } from 'node:os'
import type { Horizon } from '../host/run.ts'
import type { Frame, FramePool } from '../link/frame.ts'
import type { Nanos, Scheduler } from '../sim/scheduler.ts'
import {
  type Arrivals,
  dueOf,
  FRAME,
  lengthOfFrame,
  portOf,
  readFrame,
  readText,
  recordOf,
  sizeOfFrame,
  TEXT,
  textRecord,
  writeFrame,
} from './records.ts'
import { Ring } from './ring.ts'
import { SharedClocks } from './shared-clocks.ts'

/** Words of 8 bytes in the queue from each thread to each other one. */
const RING = 1 << 18
/**
 * How often a waiting thread looks before it sleeps, at most and at least: some 20 ns each. Twice as often after it was worth it, half
 * as often after it was not, as on a machine that has other work; with fewer processors than threads another one needs this one's.
 */
const SPINS = 16_384
const SPINS_CROWDED = 128
/** Milliseconds: who sleeps looks up so often, whether somebody rings or not. */
const NAP = 2

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
  #spins: number
  readonly #mostSpins: number
  readonly #clocks: SharedClocks
  /** Of the machines. */
  readonly #scheduler: Scheduler
  /** Of the switch; the machines' where they are not separate. */
  readonly #switch: Scheduler
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
  /** Nothing comes to the machines from outside before; those have run up to there, or may. */
  #window: Nanos = 0
  /** When the machines' clock has come there, it is time to promise again. */
  #telling: Nanos = 0
  #waiting = false

  constructor(place: Place, scheduler: Scheduler, ofSwitch: Scheduler, ahead: LookAhead) {
    const { memory, threads, thread } = place
    this.#me = thread
    this.#inTurns = place.inTurns
    this.#mostSpins = place.inTurns ? 0 : threads > availableParallelism() ? SPINS_CROWDED : SPINS
    this.#spins = this.#mostSpins
    this.#clocks = new SharedClocks(memory, threads)
    this.#scheduler = scheduler
    this.#switch = ofSwitch
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
    const size = sizeOfFrame(frame)
    for (let i = 0; i < this.#out.length; i++) {
      if (to >= 0 && to !== (i < this.#me ? i : i + 1)) continue
      const ring = this.#out[i]
      const at = this.#room(ring, size, FRAME)
      if (at >= 0) {
        writeFrame(ring, at, port, frame, due)
        ring.push()
        continue
      }
      const record = recordOf(size)
      writeFrame(record, 0, port, frame, due)
      this.#backlog.push({ ring, record: record.bytes, kind: FRAME })
    }
  }

  /** Tells all others what was said; they hear it at `time`. */
  sendText(time: Nanos, machine: number, session: number, stream: number, code: number, text: string): void {
    const { bytes } = textRecord(time, machine, session, stream, code, text)
    for (const ring of this.#out) this.#backlog.push({ ring, record: bytes, kind: TEXT })
  }

  /** No room while older records still wait for theirs. */
  #room(ring: Ring, size: number, kind: number): number {
    return this.#backlog.length > 0 ? -1 : ring.room(size, kind)
  }

  reach(until: Nanos): Nanos {
    const { now } = this.#scheduler
    // A program was woken meanwhile; what it does changes nothing of what may come from outside.
    if (now < this.#window - 1) {
      if (now >= this.#telling) this.#promise(until)
    } else this.#advance(until)
    if (this.#window > until) return until
    if (this.#window === Number.POSITIVE_INFINITY && this.#scheduler.next === this.#window) this.ended = true
    return this.#window - 1
  }

  #advance(until: Nanos): void {
    this.#flush()
    this.#take()
    this.#look()
    if (this.#switch === this.#scheduler) this.#window = this.#safe
    else {
      this.#runSwitch(this.#nextAct(until))
      this.#window =
        Math.min(this.#switch.next, this.#safe, this.#nextAct(until) + this.#ahead.toSwitch) + this.#ahead.fromSwitch
    }
    this.#promise(until)
  }

  /** No machine does anything before. */
  #nextAct(until: Nanos): Nanos {
    const own = Math.min(this.#scheduler.next, until)
    if (this.#switch === this.#scheduler) return Math.min(own, this.#safe + this.#ahead.fromSwitch)
    return Math.min(own, Math.min(this.#switch.next, this.#safe) + this.#ahead.fromSwitch)
  }

  /** As far as it knows all that comes to it: others promise, and machines of this thread do nothing before `act`. */
  #runSwitch(act: Nanos): boolean {
    const before = Math.min(this.#safe, act + this.#ahead.toSwitch)
    if (this.#switch.next >= before) return false
    this.#switch.run(before === Number.POSITIVE_INFINITY ? before : before - 1)
    return true
  }

  /** Lets the switch come to where the machines are. */
  async settle(): Promise<void> {
    if (this.#switch === this.#scheduler) return
    const { now } = this.#scheduler
    for (;;) {
      this.#advance(now)
      if (this.#safe > now) break
      const pause = this.reached(now)
      if (pause !== null) await pause
    }
    this.#switch.run(now)
  }

  /** Others may have come further; else this thread waits. */
  reached(until: Nanos): Promise<void> | null {
    this.#flush()
    if (this.#switch !== this.#scheduler) {
      const window = this.#window
      this.#advance(until)
      if (this.#window > window) return null
    } else this.#promise(until)
    if (this.#news()) return null
    this.waits++
    const began = performance.now()
    for (let i = 0; i < this.#spins && !this.#waiting; i++) {
      if (this.#news()) {
        this.#spins = Math.min(this.#spins * 2, this.#mostSpins)
        this.waited += performance.now() - began
        return null
      }
    }
    if (this.#backlog.length > 0) return this.#inTurns ? turn() : null
    if (!this.#waiting) {
      this.#spins = Math.max(this.#spins >> 1, Math.min(SPINS_CROWDED, this.#mostSpins))
      this.#waiting = true
      this.#clocks.setNext(this.#me, Math.min(this.#scheduler.next, this.#switch.next, until))
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
    this.#telling = this.#scheduler.now + this.#ahead.toSwitch / 4
    const promise = Math.floor(this.#nextAct(until)) + this.#ahead.toSwitch
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
        if (ring.kind(at) === FRAME) this.#takeFrame(ring, at)
        else if (this.#arrivals !== null) readText(ring, at, this.#arrivals)
        ring.shift()
      }
    }
  }

  /** Where frames of other threads live here. */
  pool: FramePool | null = null

  #takeFrame(ring: Ring, at: number): void {
    const frame = (this.pool as FramePool).take(lengthOfFrame(ring, at))
    readFrame(ring, at, frame)
    this.#arrivals?.frame(portOf(ring, at), frame, dueOf(ring, at))
  }
}

/** Lets the others of this thread of the platform go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
