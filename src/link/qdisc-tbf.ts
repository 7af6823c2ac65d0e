/**
 * tbf, the token bucket filter (sch_tbf): tokens are nanoseconds of sending at the rate; a frame leaves when there are
 * as many as it takes. The queue behind it is a bfifo of `limit` bytes.
 */
import { Ring } from '../sim/ring.ts'
import { type Scheduler, type Task, Timer } from '../sim/scheduler.ts'
import { journal } from './flow-cache.ts'
import { DropReason, type Frame } from './frame.ts'
import { Qdisc, type QdiscOutput } from './qdisc.ts'

export interface TbfOptions {
  /** Bytes per second. */
  readonly rate: number
  /** The bucket, in bytes. */
  readonly burst: number
  /** Bytes that may wait. */
  readonly limit: number
}

const NOW = 0
const TOKENS = 1
const DUE = 2

export class Tbf extends Qdisc implements Task {
  override readonly kind = 'tbf'
  options: TbfOptions
  readonly #scheduler: Scheduler
  readonly #timer: Timer = new Timer(this)
  readonly #queue = new Ring<Frame>()
  /** The frame at the head, taken out of the ring while it waits for tokens (qdisc_peek_dequeued). */
  #head: Frame | null = null
  /** Time of the last reckoning, tokens then, and when the watchdog fires; all nanoseconds. */
  readonly #times = new Float64Array(3)
  #bucket = 0

  constructor(output: QdiscOutput, scheduler: Scheduler, options: TbfOptions) {
    super(output)
    this.#scheduler = scheduler
    this.options = options
    this.change(options)
  }

  /** As tbf_change: the bucket is full again. */
  change(options: TbfOptions): void {
    this.options = options
    this.#bucket = Math.floor((options.burst * 1e9) / options.rate)
    this.#times[NOW] = this.#scheduler.now
    this.#times[TOKENS] = this.#bucket
  }

  override enqueue(frame: Frame): void {
    const length = frame.end - frame.start
    if (length > this.options.burst || this.backlog + length > this.options.limit) {
      if (length <= this.options.burst) this.overlimits++
      return this.lose(frame, DropReason.QueueFull)
    }
    this.backlog += length
    this.waiting++
    this.#queue.push(frame)
    this.run()
  }

  /** tbf_dequeue, as long as there are tokens. */
  run(): void {
    for (;;) {
      const first = this.#head === null
      const frame = this.#head ?? this.#queue.shift()
      if (frame === null) return
      this.#head = frame
      const times = this.#times
      const now = this.#scheduler.now
      const length = frame.end - frame.start
      let tokens = times[TOKENS] + (now - times[NOW])
      if (tokens > this.#bucket) tokens = this.#bucket
      tokens -= Math.floor((length * 1e9) / this.options.rate)
      if (tokens < 0) {
        times[DUE] = now - tokens
        this.overlimits++
        if (first && journal.open) this.tellDelay(frame, -tokens, ' for the tokens that its length takes')
        this.#scheduler.atEntry(this.#timer, times, DUE)
        return
      }
      times[NOW] = now
      times[TOKENS] = tokens
      this.#head = null
      this.backlog -= length
      this.waiting--
      this.dispatch(frame)
    }
  }

  override reset(): void {
    this.#scheduler.cancel(this.#timer)
    for (let frame = this.#head ?? this.#queue.shift(); frame !== null; frame = this.#queue.shift()) {
      this.output.world.frames.drop(frame, DropReason.QueueReset, this.output.place)
    }
    this.#head = null
    this.backlog = 0
    this.waiting = 0
  }
}
