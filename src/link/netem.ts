/**
 * netem (sch_netem): loses, duplicates, damages, delays, reorders and paces frames by seeded chance. Frames that wait
 * stand in the order of their time to send (tfifo), so a delay that varies makes them overtake each other.
 */
import type { Random } from '../sim/random.ts'
import { type Nanos, type Scheduler, type Task, Timer } from '../sim/scheduler.ts'
import { journal } from './flow-cache.ts'
import { DropReason, type Frame } from './frame.ts'
import { type Chance, type NetemOptions, SCALE, tableOf } from './netem-options.ts'
import { Qdisc, type QdiscOutput } from './qdisc.ts'

/** Places in the last draws, one for each correlated chance (struct crndstate). */
const DELAY = 0
const LOSS = 1
const DUPLICATE = 2
const REORDER = 3
const CORRUPT = 4

export class NetemQdisc extends Qdisc implements Task {
  override readonly kind = 'netem'
  options: NetemOptions
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #timer: Timer = new Timer(this)
  readonly #last = new Float64Array(5)
  #table: Int16Array | null = null
  /** Frames since the last one that went first. */
  #counter = 0
  /** Of the loss models with memory. */
  #state = 1
  /** A copy is not copied again. */
  #duplicating = false
  // The waiting frames, soonest first, in a ring.
  #frames: (Frame | null)[] = new Array<Frame | null>(16).fill(null)
  #dues = new Float64Array(16)
  #head = 0

  constructor(
    output: QdiscOutput,
    world: { readonly scheduler: Scheduler; readonly random: Random },
    options: NetemOptions,
  ) {
    super(output)
    this.#scheduler = world.scheduler
    this.#random = world.random
    this.options = options
    this.change(options)
  }

  /** netem_change: for the frames that come from now on. */
  change(options: NetemOptions): void {
    this.options = options
    this.#table = tableOf(options.distribution)
    this.#counter = 0
    this.#state = 1
    for (let i = 0; i < this.#last.length; i++) this.#last[i] = this.#random.fraction()
  }

  override enqueue(frame: Frame): void {
    const { duplicate, corrupt } = this.options
    const { frames } = this.output.world
    const twice = duplicate !== null && !this.#duplicating && this.#happens(duplicate, DUPLICATE)
    const lost = this.#loses()
    if (lost && !twice) return this.lose(frame, DropReason.Impaired)
    // A frame that is both lost and doubled is there once.
    if (twice && !lost) {
      this.#duplicating = true
      const copy = frames.copy(frame)
      if (journal.open) this.tell(copy, 'doubled by chance, this is the copy')
      this.enqueue(copy)
      this.#duplicating = false
    }
    if (corrupt !== null && this.#happens(corrupt, CORRUPT)) this.#damage(frame)
    if (this.waiting >= this.options.limit) return this.lose(frame, DropReason.QueueFull)
    if (this.#goesFirst()) {
      this.#counter = 0
      this.requeues++
      if (journal.open) this.tell(frame, 'goes first by chance (reorder)')
      return this.dispatch(frame)
    }
    this.#counter++
    this.#queue(frame)
  }

  /** netem_dequeue: what is due leaves. */
  run(): void {
    const now = this.#scheduler.now
    while (this.waiting > 0 && this.#dues[this.#head] <= now) {
      const frame = this.#frames[this.#head] as Frame
      this.#frames[this.#head] = null
      this.#head = (this.#head + 1) & (this.#frames.length - 1)
      this.waiting--
      this.backlog -= frame.end - frame.start
      this.dispatch(frame)
    }
    if (this.waiting > 0) this.#scheduler.atEntry(this.#timer, this.#dues, this.#head)
  }

  override reset(): void {
    this.#scheduler.cancel(this.#timer)
    const mask = this.#frames.length - 1
    for (; this.waiting > 0; this.waiting--) {
      this.output.world.frames.drop(this.#frames[this.#head] as Frame, DropReason.QueueReset, this.output.place)
      this.#frames[this.#head] = null
      this.#head = (this.#head + 1) & mask
    }
    this.backlog = 0
  }

  /** get_crandom: a draw from 0 to 1 that leans on the last one of its kind. */
  #draw(correlation: number, kind: number): number {
    const fresh = this.#random.fraction()
    if (correlation === 0) return fresh
    const drawn = fresh * (1 - correlation) + this.#last[kind] * correlation
    this.#last[kind] = drawn
    return drawn
  }

  #happens(chance: Chance, kind: number): boolean {
    return chance.probability > 0 && chance.probability > this.#draw(chance.correlation, kind)
  }

  #loses(): boolean {
    const { loss, stateLoss, gemodel } = this.options
    if (loss !== null) return this.#happens(loss, LOSS)
    if (stateLoss !== null) return this.#losesByState()
    return gemodel !== null && this.#losesByGilbertElliott()
  }

  /** loss_4state: 1 received in a gap, 4 lost alone in a gap, 3 lost in a burst, 2 received in a burst. */
  #losesByState(): boolean {
    const { p13, p31, p32, p23, p14 } = this.options.stateLoss ?? NEVER
    const draw = this.#random.fraction()
    switch (this.#state) {
      case 1:
        if (draw < p14) this.#state = 4
        else if (draw < p13 + p14) this.#state = 3
        return this.#state !== 1
      case 2:
        if (draw < p23) this.#state = 3
        return this.#state === 3
      case 3:
        if (draw < p32) this.#state = 2
        else if (draw < p31 + p32) this.#state = 1
        return this.#state === 3
      default:
        this.#state = 1
        return false
    }
  }

  /** loss_gilb_ell: state 1 is good, state 2 is bad. */
  #losesByGilbertElliott(): boolean {
    const model = this.options.gemodel
    if (model === null) return false
    if (this.#state === 1) {
      if (this.#random.fraction() < model.p) this.#state = 2
      return this.#random.fraction() < model.k1
    }
    if (this.#random.fraction() < model.r) this.#state = 1
    return this.#random.fraction() < model.h
  }

  /** One bit somewhere in the frame, its Ethernet header included, is turned over. */
  #damage(frame: Frame): void {
    const at = frame.start + this.#random.below(frame.end - frame.start)
    frame.bytes[at] ^= 1 << this.#random.below(8)
    frame.summed = false
    if (journal.open) this.tell(frame, 'damaged by chance, one bit of it is turned over')
  }

  /** Is this the one that overtakes those that wait? */
  #goesFirst(): boolean {
    const { gap, reorder } = this.options
    if (gap === 0 || reorder === null || this.#counter < gap - 1) return false
    return reorder.probability >= this.#draw(reorder.correlation, REORDER)
  }

  /** tfifo_enqueue: behind all that leave no later. */
  #queue(frame: Frame): void {
    if (this.waiting === this.#frames.length) this.#grow()
    const mask = this.#frames.length - 1
    const due = this.#dueOf(frame)
    if (journal.open) this.tellDelay(frame, due - this.#scheduler.now, '')
    let place = this.waiting
    for (; place > 0; place--) {
      const before = (this.#head + place - 1) & mask
      if (this.#dues[before] <= due) break
      const slot = (this.#head + place) & mask
      this.#dues[slot] = this.#dues[before]
      this.#frames[slot] = this.#frames[before]
    }
    const slot = (this.#head + place) & mask
    this.#dues[slot] = due
    this.#frames[slot] = frame
    this.waiting++
    this.backlog += frame.end - frame.start
    if (place > 0) return
    if (due <= this.#scheduler.now) this.run()
    else this.#scheduler.atEntry(this.#timer, this.#dues, slot)
  }

  #dueOf(frame: Frame): Nanos {
    const { rate, ordered } = this.options
    const now = this.#scheduler.now
    const last = this.waiting > 0 ? this.#dues[(this.#head + this.waiting - 1) & (this.#frames.length - 1)] : 0
    const delay = this.#delay()
    if (rate === 0) return ordered && last > now + delay ? last : now + delay
    if (last === 0) return now + delay + this.#sendingTime(frame)
    // The last frame's delay covers part of this one's; what is left is the time that its bits take.
    const left = delay - (last - now)
    return last + (left > 0 ? left : 0) + this.#sendingTime(frame)
  }

  /** tabledist: the delay, and chance's part of it. May be negative: at once, then. */
  #delay(): Nanos {
    const { delay, jitter, delayCorrelation } = this.options
    if (jitter === 0) return delay
    const draw = this.#draw(delayCorrelation, DELAY)
    if (this.#table === null) return Math.round(delay + (draw * 2 - 1) * jitter)
    const place = Math.min(this.#table.length - 1, Math.floor(draw * this.#table.length))
    return Math.round(delay + (this.#table[place] / SCALE) * jitter)
  }

  /** packet_time_ns. */
  #sendingTime(frame: Frame): Nanos {
    const { rate, packetOverhead, cellSize, cellOverhead } = this.options
    let length = frame.end - frame.start + packetOverhead
    if (length < 0) length = 0
    if (cellSize > 0) length = Math.ceil(length / cellSize) * (cellSize + cellOverhead)
    return Math.floor((length * 1e9) / rate)
  }

  #grow(): void {
    const size = this.#frames.length
    const frames = new Array<Frame | null>(size * 2).fill(null)
    const dues = new Float64Array(size * 2)
    for (let i = 0; i < size; i++) {
      frames[i] = this.#frames[(this.#head + i) & (size - 1)]
      dues[i] = this.#dues[(this.#head + i) & (size - 1)]
    }
    this.#frames = frames
    this.#dues = dues
    this.#head = 0
  }
}

const NEVER = { p13: 0, p31: 0, p32: 0, p23: 0, p14: 0 }
