/**
 * The lane of a world: frames whose whole journey is known (see journey.ts), from the event in which they came in at the first
 * machine to the end of it. If nothing else happens until they would be at the last machine, no machine on the way could
 * notice that they did not come by: the lane does what they leave behind at each, at the moment at which they would be there,
 * and gives them to the last cable's far end. Otherwise they go from machine to machine, as ever.
 *
 * Nothing that is not a frame of the lane happens while any are aboard: whatever does asks them to `stay` first. So what the
 * machines' tables say in the end is what they said all the time.
 */
import type { Express, Nanos } from '../sim/scheduler.ts'
import type { Inlet } from './ends.ts'
import type { Frame } from './frame.ts'
import { HEADERS, journal } from './journal.ts'
import { Journey, MACHINES } from './journey.ts'
import type { Pass } from './pass.ts'

interface Clock {
  readonly now: Nanos
  express: Express | null
  free(times: Float64Array, entry: number): boolean
  moveTo(times: Float64Array, entry: number): void
}

/** Takes a frame to the next machine. */
interface Gate {
  takeOne(frame: Frame, inlet: Inlet): void
}

/** Frames aboard, of one event. */
class Load {
  readonly frames: (Frame | null)[] = []
  readonly ways: (Journey | null)[] = []
  /** The journeys of these, each once, in the order in which their first frames came. */
  readonly journeys: Journey[] = []
  size = 0
  /** How many of `journeys` there are: an array that is cut to nothing gets new memory each time. */
  count = 0

  add(frame: Frame, journey: Journey): void {
    if (this.size === this.frames.length) {
      this.frames.push(frame)
      this.ways.push(journey)
    } else {
      this.frames[this.size] = frame
      this.ways[this.size] = journey
    }
    this.size++
  }

  join(journey: Journey): void {
    if (this.count === this.journeys.length) this.journeys.push(journey)
    else this.journeys[this.count] = journey
    this.count++
  }

  frame(i: number): Frame {
    const frame = this.frames[i] as Frame
    this.frames[i] = null
    return frame
  }

  clear(): void {
    this.size = 0
    for (let i = 0; i < this.count; i++) {
      this.journeys[i].packets = 0
      this.journeys[i].bytes = 0
    }
    this.count = 0
  }
}

export class Lane implements Express {
  /** Are frames aboard? */
  waiting = false
  /** How many frames made their journey at once. */
  carried = 0
  /** The frame that is followed to find a journey. */
  followed: Frame | null = null
  readonly #clock: Clock
  #aboard = new Load()
  #spare = new Load()
  #inlet: Inlet | null = null
  #gate: Gate | null = null
  /** What the last one that came aboard is on. */
  #latest: Journey | null = null
  /** When those aboard are at each machine, and at the end. */
  readonly #times = new Float64Array(MACHINES + 1)
  // Of the frame that is followed.
  #passes: Pass[] = []
  #inlets: Inlet[] = []
  #starts: number[] = []
  #lengths: number[] = []
  /** Where it comes out of the cable that it is in, and when. */
  #next: Inlet | null = null
  readonly #due = new Float64Array(1)
  #before = new Uint8Array(0)
  #hash = 0
  #cut = 0
  #segmentSize = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes another frame of the journey aboard that the last one is on; false when it is none. */
  follows(frame: Frame, inlet: Inlet): boolean {
    const journey = this.#latest as Journey
    if (inlet !== this.#inlet || frame === this.followed || !journey.takes(frame)) return false
    this.#add(frame, journey)
    return true
  }

  #add(frame: Frame, journey: Journey): void {
    journey.packets++
    journey.bytes += frame.end - frame.start
    this.#aboard.add(frame, journey)
  }

  /** Takes the frame aboard; false when it must go from machine to machine. */
  board(journey: Journey, frame: Frame, inlet: Inlet, gate: Gate): boolean {
    const load = this.#aboard
    if (frame === this.followed) return false
    if (journey.packets === 0) {
      if (!journey.current) return false
      if (load.size === 0) {
        if (!this.#arrives(journey)) {
          journey.failed()
          return false
        }
        this.#inlet = inlet
        this.#gate = gate
        this.waiting = true
      } else if (inlet !== this.#inlet || !journey.joins(load.journeys[0])) return false
      load.join(journey)
    }
    this.#latest = journey
    this.#add(frame, journey)
    return true
  }

  /** An event due then will be armed now: before the lane is where it goes to? */
  before(dues: Float64Array, entry: number): void {
    const journey = this.#aboard.journeys[0]
    if (dues[entry] <= this.#times[journey.passes.length]) this.stay()
  }

  /** When would a frame be there that comes in now, and does nothing else happen until then? */
  #arrives(journey: Journey): boolean {
    const times = this.#times
    const { passes, inlets } = journey
    times[0] = this.#clock.now
    for (let i = 0; i < passes.length; i++) {
      const { last } = passes[i]
      if (last.clear !== inlets[i + 1]) return false
      times[i + 1] = times[i] + last.delay
    }
    return this.#clock.free(times, passes.length)
  }

  /** Those aboard go to the next machine only. */
  stay(): void {
    const load = this.#aboard
    const { size } = load
    const inlet = this.#inlet as Inlet
    const gate = this.#gate as Gate
    this.waiting = false
    for (let i = 0; i < load.count; i++) load.journeys[i].failed()
    load.clear()
    for (let i = 0; i < size; i++) gate.takeOne(load.frame(i), inlet)
  }

  leave(): void {
    if (!this.#goes()) return this.stay()
    const load = this.#aboard
    const { journeys, count } = load
    const machines = journeys[0].passes.length
    const times = this.#times
    for (let machine = 0; machine < machines; machine++) {
      this.#clock.moveTo(times, machine)
      for (let i = 0; i < count; i++) journeys[i].leave(machine)
    }
    this.#clock.moveTo(times, machines)
    journal.repeated += load.size * machines
    this.carried += load.size
    // Whoever gets them may send others.
    this.#aboard = this.#spare
    this.#spare = load
    this.waiting = false
    this.#deliver(load)
    for (let i = 0; i < count; i++) journeys[i].succeeded()
    load.clear()
  }

  /** Is all as it was when the journeys were found, at each machine at its moment? */
  #goes(): boolean {
    const { journeys, count } = this.#aboard
    const first = journeys[0]
    const { length } = first.passes
    if (!this.#arrives(first)) return false
    const { delay } = first.passes[length - 1].last
    for (let i = 0; i < count; i++) {
      const { last } = journeys[i].passes[length - 1]
      if (last.delay !== delay || last.clear !== journeys[i].final) return false
    }
    const sure = this.#stand()
    this.#clock.moveTo(this.#times, 0)
    return sure
  }

  #stand(): boolean {
    const { journeys, count } = this.#aboard
    for (let machine = 0; machine < journeys[0].passes.length; machine++) {
      this.#clock.moveTo(this.#times, machine)
      for (let i = 0; i < count; i++) if (!journeys[i].stands(machine)) return false
    }
    return true
  }

  /** Each far end gets its frames in turn, the one first whose first frame came first. */
  #deliver(load: Load): void {
    const { journeys, count, size } = load
    if (count === 1) {
      const journey = journeys[0]
      for (let i = 0; i < size; i++) deliver(journey, load.frame(i))
      return
    }
    for (let i = 0; i < count; i++) {
      const { final } = journeys[i]
      let done = false
      for (let j = 0; j < i; j++) if (journeys[j].final === final) done = true
      if (done) continue
      if (this.waiting) this.stay()
      for (let k = 0; k < size; k++) {
        const journey = load.ways[k]
        if (journey?.final === final) deliver(journey, load.frame(k))
      }
    }
  }

  /** A pass begins a journey, perhaps. One frame is followed at a time. */
  follow(frame: Frame, pass: Pass, inlet: Inlet): void {
    if (this.followed !== null && this.#due[0] >= this.#clock.now) return pass.tryLater()
    this.followed = frame
    this.#passes = []
    this.#inlets = []
    this.#starts = []
    this.#lengths = []
    this.#before = new Uint8Array(Math.max(frame.end - frame.start, HEADERS))
    this.#before.set(frame.bytes.subarray(frame.start, frame.end))
    this.#hash = frame.hash
    this.#cut = frame.cut
    this.#segmentSize = frame.segmentSize
    this.reached(frame, pass, inlet)
  }

  /** The frame that is followed came in at a machine that knows it. */
  reached(frame: Frame, pass: Pass, inlet: Inlet): void {
    if (!this.#note(frame, inlet)) return
    this.#passes.push(pass)
    this.#next = pass.last.far
    this.#due[0] = this.#clock.now + pass.last.delay
  }

  /** ... at one that does not. */
  arrived(frame: Frame, inlet: Inlet): void {
    if (!this.#note(frame, inlet)) return
    this.followed = null
    const [first] = this.#passes
    const journey = Journey.of(
      {
        passes: this.#passes,
        inlets: this.#inlets,
        starts: this.#starts,
        lengths: this.#lengths,
        before: this.#before,
        hash: this.#hash,
        cut: this.#cut,
        segmentSize: this.#segmentSize,
      },
      frame,
    )
    if (journey === null) first.rests(true)
    else first.journey = journey
  }

  /** False: the frame has not come by the cable that it was followed into. Its journey, if it had one, is over. */
  #note(frame: Frame, inlet: Inlet): boolean {
    const [first] = this.#passes
    if (first !== undefined && (inlet !== this.#next || this.#clock.now !== this.#due[0])) {
      this.followed = null
      first.rests(false)
      return false
    }
    this.#inlets.push(inlet)
    this.#starts.push(frame.start)
    this.#lengths.push(frame.end - frame.start)
    return true
  }
}

/** It comes out of the last cable as the last machine has sent it. */
function deliver(journey: Journey, frame: Frame): void {
  journey.rewrite(frame)
  journey.final.arrive(frame)
}

export function laneOf(clock: Clock): Lane {
  if (clock.express instanceof Lane) return clock.express
  const lane = new Lane(clock)
  clock.express = lane
  return lane
}
