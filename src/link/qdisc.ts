/**
 * Queueing disciplines (net/sched): what stands between a device's `send` and the wire. A device without one
 * (noqueue) costs its frames one null test; a frame that has left the queue is seen by AF_PACKET and transmitted.
 */
import type { Nanos } from '../sim/scheduler.ts'
import { Queued } from './cable-decisions.ts'
import { durationText } from './duration-text.ts'
import { journal } from './flow-cache.ts'
import type { Frame, FramePool } from './frame.ts'
import { DropReason } from './frame.ts'

/** Where frames go that leave the queue: the device, or for a cable's own impairments its far end. */
export interface QdiscOutput {
  readonly name: string
  readonly place: string
  readonly mtu: number
  /** False: what would leave is lost (a deactivated device). */
  readonly up: boolean
  /** The bridge it is a port of. */
  readonly master?: object | null
  readonly world: { readonly frames: FramePool }
  /** Takes the frame. */
  leave(frame: Frame): void
}

export abstract class Qdisc {
  abstract readonly kind: string
  /** The major number of its handle: `8001:` is 0x8001; 0 for those that nobody asked for. */
  handle = 0
  sentBytes = 0
  sentPackets = 0
  drops = 0
  overlimits = 0
  requeues = 0
  /** Bytes and frames that wait. */
  backlog = 0
  waiting = 0
  protected readonly output: QdiscOutput

  constructor(output: QdiscOutput) {
    this.output = output
  }

  /** Takes the frame; it leaves in this call, later, or never. */
  abstract enqueue(frame: Frame): void

  /** Everything that waits is lost: the device goes down, or the queue is replaced. */
  abstract reset(): void

  /** Counts a frame and gives it to the output. */
  protected dispatch(frame: Frame): void {
    if (!this.output.up) return this.lose(frame, DropReason.QueueReset)
    this.sentPackets++
    this.sentBytes += frame.end - frame.start
    this.output.leave(frame)
  }

  protected lose(frame: Frame, reason: DropReason): void {
    this.drops++
    if (journal.open) {
      const full = `full: ${this.waiting} frames and ${this.backlog} bytes wait`
      this.tell(frame, reason === DropReason.Impaired ? 'lost by chance' : full)
    }
    // A bridge keeps to itself what becomes of a frame at its ports (br_dev_xmit).
    if (reason === DropReason.QueueFull && !this.output.master) this.output.world.frames.refused++
    this.output.world.frames.drop(frame, reason, this.output.place)
  }

  /** What the queue does with the frame, for whoever traces. */
  protected tell(frame: Frame, sentence: string): void {
    const { world, place, name } = this.output
    if (world.frames.tracer !== null)
      world.frames.tell(frame, place, new Queued(this.kind, this.handle, name, sentence))
  }

  protected tellDelay(frame: Frame, nanos: Nanos, why: string): void {
    if (nanos > 0) this.tell(frame, `waits ${durationText(nanos)}${why}`)
  }
}

/**
 * pfifo and bfifo (sch_fifo). A device of podwire takes every frame at once, as veth does, so nothing ever waits
 * here; only a frame that is larger than the whole queue is dropped.
 */
export class Fifo extends Qdisc {
  override readonly kind: 'pfifo' | 'bfifo'
  /** Frames for pfifo, bytes for bfifo. */
  limit: number

  constructor(output: QdiscOutput, kind: 'pfifo' | 'bfifo', limit: number) {
    super(output)
    this.kind = kind
    this.limit = limit
  }

  override enqueue(frame: Frame): void {
    const size = this.kind === 'pfifo' ? 1 : frame.end - frame.start
    if (size > this.limit) return this.lose(frame, DropReason.QueueFull)
    this.dispatch(frame)
  }

  override reset(): void {}
}

/** noqueue by name (`tc qdisc add dev D root noqueue`): a handle and nothing else; Linux counts nothing either. */
export class Noqueue extends Qdisc {
  override readonly kind = 'noqueue'

  override enqueue(frame: Frame): void {
    this.output.leave(frame)
  }

  override reset(): void {}
}
