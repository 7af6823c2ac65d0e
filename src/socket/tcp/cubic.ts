/**
 * CUBIC (RFC 9438) with HyStart, in the integer arithmetic of net/ipv4/tcp_cubic.c: after a loss the window returns
 * to where it was along a cubic curve, waits there, and goes on to try more.
 */
import { HZ } from '../../sim/jiffies.ts'
import { MICROSECOND } from '../../sim/scheduler.ts'
import { after } from '../../wire/tcp.ts'
import { additiveIncrease, type CongestionControl, type Flow, slowStart } from './congestion.ts'

/** The factor of decrease is 717/1024; C is 410/1024 of a window in the unit of time, 1/1024 s. */
const BETA = 717
const ONE = 1024
const CUBE_RATE = 410
const CUBE_FACTOR = 2 ** 40 / CUBE_RATE
const FRIENDLY_SCALE = Math.floor(Math.floor((8 * (ONE + BETA)) / 3) / (ONE - BETA))
const SLOWEST = 100
/** Until the first loss the window grows at least by a twentieth a round trip. */
const UNTRIED = 20
const FASTEST = 2

/** HyStart: windows below are not judged; an ACK train's gaps, microseconds; samples a round; delay's bounds. */
const LOW_WINDOW = 16
const TRAIN_GAP = 2000
const SAMPLES = 8
const LEAST_DELAY = 4000
const MOST_DELAY = 16_000
/** What a pacing sender may have put between: four of the largest bursts, at most a millisecond. */
const BURSTS = 4 * 65_536
const UNKNOWN = 0x7fffffff

// Places in the array of times, microseconds.
const ROUND_BEGAN = 0
const LAST_ACK = 1

export class Cubic implements CongestionControl {
  readonly name = 'cubic'
  readonly expand = 2
  #count = 0
  #lastMost = 0
  #lastWindow = 0
  #lastTime = 0
  #origin = 0
  /** Time to the origin, in 1/1024 s. */
  #k = 0
  /** The shortest round trip, microseconds. */
  #delay = 0
  /** When the present curve began, in jiffies; 0: none. */
  #epoch = 0
  #acked = 0
  /** What Reno's window would be. */
  #reno = 0
  #found = false
  #roundEnd = 0
  #roundTrip = UNKNOWN
  #samples = 0
  readonly #times = new Float64Array(2)

  begin(flow: Flow): void {
    this.#reset()
    this.#newRound(flow)
  }

  avoid(flow: Flow, acked: number): void {
    const { congestion } = flow
    const left = congestion.inSlowStart ? slowStart(congestion, acked) : acked
    if (left === 0) return
    this.#update(congestion.window, left, flow.jiffies())
    additiveIncrease(congestion, Math.max(1, this.#count), left)
  }

  threshold({ congestion }: Flow): number {
    const { window } = congestion
    this.#epoch = 0
    // Fast convergence: a flow that lost before it was back gives room to new ones.
    this.#lastMost = window < this.#lastMost ? Math.floor((window * (ONE + BETA)) / (2 * ONE)) : window
    return Math.max(Math.floor((window * BETA) / ONE), 2)
  }

  measured(flow: Flow, trip: number): void {
    const { congestion } = flow
    // What is measured right after a recovery is not the path's.
    if (this.#epoch !== 0 && flow.jiffies() - this.#epoch < HZ) return
    const delay = Math.max(trip, 1)
    if (this.#delay === 0 || this.#delay > delay) this.#delay = delay
    if (!this.#found && congestion.inSlowStart) this.#judgeRound(flow, delay)
  }

  timedOut(flow: Flow): void {
    this.#reset()
    this.#newRound(flow)
  }

  resumed(flow: Flow, idle: number): void {
    if (this.#epoch === 0 || idle <= 0) return
    this.#epoch = Math.min(this.#epoch + idle, flow.jiffies())
  }

  /** How many acknowledged segments the next step takes (bictcp_update). */
  #update(window: number, acked: number, now: number): void {
    this.#acked += acked
    if (this.#lastWindow === window && now - this.#lastTime <= HZ >> 5) return
    if (this.#epoch === 0 || now !== this.#lastTime) {
      this.#lastWindow = window
      this.#lastTime = now
      if (this.#epoch === 0) this.#beginCurve(window, acked, now)
      const target = this.#curve(now)
      this.#count = target > window ? Math.floor(window / (target - window)) : SLOWEST * window
      if (this.#lastMost === 0 && this.#count > UNTRIED) this.#count = UNTRIED
    }
    this.#befriend(window)
    this.#count = Math.max(this.#count, FASTEST)
  }

  #beginCurve(window: number, acked: number, now: number): void {
    this.#epoch = now
    this.#acked = acked
    this.#reno = window
    if (this.#lastMost <= window) {
      this.#k = 0
      this.#origin = window
    } else {
      this.#k = cubeRoot(CUBE_FACTOR * (this.#lastMost - window))
      this.#origin = this.#lastMost
    }
  }

  /** The window that the curve wants one round trip from now. */
  #curve(now: number): number {
    const jiffies = now - this.#epoch + Math.ceil((this.#delay * HZ) / 1_000_000)
    const time = Math.floor((jiffies * ONE) / HZ)
    const offset = Math.abs(time - this.#k)
    const delta = Math.floor((CUBE_RATE * offset * offset * offset) / 2 ** 40)
    return time < this.#k ? this.#origin - delta : this.#origin + delta
  }

  /** Never slower than Reno would be. */
  #befriend(window: number): void {
    const step = (window * FRIENDLY_SCALE) >> 3
    while (this.#acked > step) {
      this.#acked -= step
      this.#reno++
    }
    if (this.#reno <= window) return
    const most = Math.floor(window / (this.#reno - window))
    if (this.#count > most) this.#count = most
  }

  /** HyStart: slow start ends when acknowledgments take half a round trip to come, or come later (hystart_update). */
  #judgeRound(flow: Flow, delay: number): void {
    const { congestion, send } = flow
    if (after(send.una, this.#roundEnd)) this.#newRound(flow)
    if (congestion.window < LOW_WINDOW) return
    const times = this.#times
    const now = microseconds(flow)
    if (now - times[LAST_ACK] <= TRAIN_GAP) {
      times[LAST_ACK] = now
      const { pacingRate } = congestion
      const paced = pacingRate === 0 ? 0 : Math.min(1000, Math.floor((BURSTS * 1_000_000) / pacingRate))
      const longest = this.#delay + paced
      // Pacing itself may have spread the window over half a round trip.
      if (now - times[ROUND_BEGAN] > (flow.pacing === null ? longest >> 1 : longest)) return this.#leave(flow)
    }
    if (this.#roundTrip > delay) this.#roundTrip = delay
    if (this.#samples < SAMPLES) {
      this.#samples++
      return
    }
    const tolerated = Math.min(Math.max(this.#delay >> 3, LEAST_DELAY), MOST_DELAY)
    if (this.#roundTrip > this.#delay + tolerated) this.#leave(flow)
  }

  #leave({ congestion }: Flow): void {
    this.#found = true
    congestion.threshold = congestion.window
  }

  #newRound(flow: Flow): void {
    const now = microseconds(flow)
    this.#times[ROUND_BEGAN] = now
    this.#times[LAST_ACK] = now
    this.#roundEnd = flow.send.next
    this.#roundTrip = UNKNOWN
    this.#samples = 0
  }

  #reset(): void {
    this.#count = 0
    this.#lastMost = 0
    this.#lastWindow = 0
    this.#lastTime = 0
    this.#origin = 0
    this.#k = 0
    this.#delay = 0
    this.#epoch = 0
    this.#acked = 0
    this.#reno = 0
    this.#found = false
  }
}

function microseconds(flow: Flow): number {
  return Math.floor(flow.world.scheduler.now / MICROSECOND)
}

/**
 * The cube root as Linux has it: its step of Newton's method takes 341/1024 for a third, so that the result is a
 * thousandth too small.
 */
function cubeRoot(value: number): number {
  return Math.floor((Math.cbrt(value) * (3 * 341)) / ONE)
}

/** CUBIC of a connection that has sent no data: what it has to remember is made when there is something. */
export const untriedCubic: CongestionControl = {
  name: 'cubic',
  expand: 2,
  begin() {},
  avoid: (flow, acked) => cubicOf(flow).avoid(flow, acked),
  threshold: (flow) => cubicOf(flow).threshold(flow),
  measured: (flow, trip) => cubicOf(flow).measured(flow, trip),
  timedOut() {},
  resumed() {},
}

function cubicOf(flow: Flow): Cubic {
  const cubic = new Cubic()
  flow.congestion.control = cubic
  cubic.begin(flow)
  return cubic
}
