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

const NO_RECORD = 0x7fffffff
/** More than is ever unsent, in an integer that needs no box. */
const UNLIMITED = 0x7fffffff

export class SendQueue {
  /** SND.UNA and SND.NXT. */
  una = 0
  next = 0
  /** When the SYN first left. */
  began = 0
  /** MSG_OOB: urgent data end before this number (snd_up), as long as it is not acknowledged. */
  #urgentEnd = 0
  #urging = false
  /** Where records end that are not sent yet; null: nobody wrote any. */
  #records: number[] | null = null
  /** TCP_NOTSENT_LOWAT: no more is taken while so much is unsent. */
  notSentLow = UNLIMITED
  /** SO_SNDBUF was set: the kernel does not tune it any more. */
  #locked = false
  /** One past the last byte written (write_seq); the FIN, once queued, comes here. */
  end = 0
  finQueued = false
  readonly sent: SentSegments
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

  constructor(moments: Float64Array) {
    this.sent = new SentSegments(moments)
  }

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
    return this.capacity - queued >= queued >> 1 && 2 * this.unsent < this.notSentLow
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
    const taken = this.unsent < this.notSentLow ? Math.min(length, this.capacity - queued) : 0
    if (taken <= 0) return 0
    this.ring.reserve(this.#first, queued, queued + taken)
    this.ring.write(this.end, bytes, at, taken)
    this.end = (this.end + taken) | 0
    return taken
  }

  /** MSG_EOR: the next byte to be written begins a segment of its own. */
  endRecord(): void {
    this.#records ??= []
    this.#records.push(this.end)
  }

  /** Bytes from SND.NXT to the end of its record (MSG_EOR); more than any segment has when there is none. */
  get toRecordEnd(): number {
    const records = this.#records
    if (records === null) return NO_RECORD
    while (records.length > 0 && !after(records[0], this.next)) records.shift()
    if (records.length > 0) return (records[0] - this.next) | 0
    this.#records = null
    return NO_RECORD
  }

  /** What was written last ends urgently (tcp_mark_urg). */
  urge(): void {
    this.#urgentEnd = this.end
    this.#urging = true
  }

  /** Are urgent data on their way, or waiting for it? Nagle's algorithm does not hold them. */
  get urging(): boolean {
    return this.#urging
  }

  /** The urgent pointer of a segment that begins here; 0: it has none. */
  urgentPointer(sequence: number): number {
    const pointer = (this.#urgentEnd - sequence) | 0
    return pointer > 0 && pointer < 0x10000 ? pointer : 0
  }

  /** SO_SNDBUF. */
  lock(capacity: number): void {
    this.capacity = capacity
    this.#locked = true
  }

  /** SND.UNA moves on. */
  acknowledged(una: number): void {
    this.una = una
    if (this.#urging && !after(this.#urgentEnd, una)) this.#urging = false
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
    if (wanted > this.capacity && !this.#locked) this.capacity = Math.min(wanted, LARGEST)
  }

  release(): void {
    this.ring.release()
    this.sent.clear()
    this.#first = this.end
  }
}
