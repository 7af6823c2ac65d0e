/**
 * The sending half of a connection: the program's bytes from the first unacknowledged to the last written, and
 * the peer's window.
 *
 *      una              next              end  (fin)
 *   ────┴─── in flight ───┴─── unsent ─────┴───▶ sequence
 */
import { after } from '../../wire/tcp.ts'
import { ByteRing } from './ring.ts'
import { SentSegments } from './sent.ts'

/** tcp_wmem: what a socket begins with, and the most it may grow to. */
const SMALLEST = 16_384
const LARGEST = 4_194_304

export class SendQueue {
  /** SND.UNA and SND.NXT. */
  una = 0
  next = 0
  /** One past the last byte written (write_seq); the FIN, once queued, comes here. */
  end = 0
  finQueued = false
  readonly sent = new SentSegments()
  readonly ring = new ByteRing()
  /** First byte that is still kept. */
  #first = 0
  /** SO_SNDBUF. */
  capacity = SMALLEST
  /** SND.WND, the largest ever offered, and SND.WL1. */
  window = 0
  largestWindow = 0
  windowSequence = 0
  /** End of the last segment that was not full: Nagle's algorithm lets only one be out (Minshall). */
  smallEnd = 0

  /** Chooses the initial sequence number; the SYN takes it. */
  begin(sequence: number): void {
    this.una = sequence
    this.next = sequence
    this.end = (sequence + 1) | 0
    this.#first = this.end
    this.smallEnd = sequence
  }

  /** Bytes the program wrote that are not acknowledged. */
  get queued(): number {
    return (this.end - this.#first) | 0
  }

  /** Bytes that were never sent; -1 when even the FIN was. */
  get unsent(): number {
    return (this.end - this.next) | 0
  }

  /** Is there something, if only the FIN, that was never sent? */
  get pending(): boolean {
    return this.unsent > 0 || (this.finQueued && this.unsent === 0)
  }

  /** Written and not acknowledged, the FIN counted (SIOCOUTQ). */
  get unfinished(): number {
    return (this.end + (this.finQueued ? 1 : 0) - this.una) | 0
  }

  /** A third of the buffer is free (sk_stream_is_writeable): a program that polls may write. */
  get writable(): boolean {
    const { queued } = this
    return this.capacity - queued >= queued >> 1
  }

  /** What the peer's window still lets us send. */
  get room(): number {
    return (this.una + this.window - this.next) | 0
  }

  /** Everything written, and the FIN, is acknowledged. */
  get finished(): boolean {
    return this.finQueued && after(this.una, this.end)
  }

  /** Is a segment out that was not full? */
  get smallOut(): boolean {
    return after(this.smallEnd, this.una) && !after(this.smallEnd, this.next)
  }

  /** Takes what there is room for; returns how much. */
  write(bytes: Uint8Array, at: number, length: number): number {
    const queued = this.queued
    const taken = Math.min(length, this.capacity - queued)
    if (taken <= 0) return 0
    this.ring.reserve(this.#first, queued, queued + taken)
    this.ring.write(this.end, bytes, at, taken)
    this.end = (this.end + taken) | 0
    return taken
  }

  /** SND.UNA moves on. */
  acknowledged(una: number): void {
    this.una = una
    if (after(una, this.#first)) this.#first = after(una, this.end) ? this.end : una
  }

  /**
   * Room for two windows of segments (tcp_sndbuf_expand): a segment is charged its buffer, rounded up to a power
   * of two, and the sk_buff.
   */
  grow(window: number, mss: number): void {
    let buffer = 1024
    while (buffer < mss + 640) buffer *= 2
    const wanted = 2 * Math.max(10, window) * (buffer + 256)
    if (wanted > this.capacity) this.capacity = Math.min(wanted, LARGEST)
  }

  release(): void {
    this.ring.release()
    this.sent.clear()
    this.#first = this.end
  }
}
