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
import { PUSHED, RECORD, WriteQueue } from './write-queue.ts'

/** More than is ever unsent, in an integer that needs no box. */
const UNLIMITED = 0x7fffffff
/** What a buffer is charged beside its bytes: the sk_buff, its shared info, the head with the headers (skb->truesize). */
const OVERHEAD = 832
const SKB = 256
const HEADERS_AND_SHARED_INFO = 576

export class SendQueue {
  /** SND.UNA and SND.NXT. */
  una = 0
  next = 0
  /** When the SYN first left. */
  began = 0
  /** MSG_OOB: urgent data end before this number (snd_up), as long as it is not acknowledged. */
  #urgentEnd = 0
  #urging = false
  /** TCP_NOTSENT_LOWAT: no more is taken while so much is unsent. */
  notSentLow = UNLIMITED
  /** SO_SNDBUF was set: the kernel does not tune it any more. */
  #locked = false
  /** One past the last byte written (write_seq); the FIN, once queued, comes here. */
  end = 0
  finQueued = false
  readonly sent: SentSegments
  readonly queue = new WriteQueue()
  /** How far what was written was pushed (pushed_seq). */
  #pushed = 0
  readonly ring = new ByteRing()
  /** First byte that is still kept. */
  #first = 0
  /** SO_SNDBUF (sk_sndbuf), which is memory, not bytes of payload. */
  capacity = 16_384
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
    this.#pushed = this.end
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

  /** The memory of what was written and is not acknowledged (sk_wmem_queued). */
  get memory(): number {
    return this.queued + OVERHEAD * (this.queue.size + this.sent.buffers)
  }

  /** Is there memory for one more buffer, however large? (sk_stream_memory_free) */
  get memoryFree(): boolean {
    return this.memory < this.capacity && this.unsent < this.notSentLow
  }

  /** A third of the buffer is free (__sk_stream_is_writeable): a program that polls may write. */
  get writable(): boolean {
    const { memory } = this
    return this.capacity - memory >= memory >> 1 && 2 * this.unsent < this.notSentLow
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

  /** How many more bytes the last buffer takes, of `goal`; 0: there is none that takes any. */
  tailRoom(goal: number): number {
    const { queue } = this
    if (queue.size === 0 || (queue.tailMarks & RECORD) !== 0) return 0
    return Math.max(goal - ((this.end - queue.tailBegin(this.next)) | 0), 0)
  }

  /** Adds to the last buffer. */
  append(bytes: Uint8Array, at: number, length: number): void {
    const { queued } = this
    this.ring.reserve(this.#first, queued, queued + length)
    this.ring.write(this.end, bytes, at, length)
    this.end = (this.end + length) | 0
    this.queue.extend(this.end)
  }

  /** So much was written since the last push that the receiver's program should not be kept waiting (forced_push). */
  get forced(): boolean {
    return after(this.end, (this.#pushed + (this.largestWindow >> 1)) | 0)
  }

  /** The last buffer is to be given to the program at once (tcp_mark_push). */
  markPush(): void {
    this.queue.mark(PUSHED)
    this.#pushed = this.end
  }

  /** MSG_EOR: the next byte to be written begins a segment of its own. */
  endRecord(): void {
    this.queue.mark(RECORD)
  }

  /** Bytes of the first buffer, to which so much of the next is added that it has `wanted`, if there is as much. */
  head(wanted: number): number {
    const { queue, next } = this
    if (queue.size === 0) return 0
    const missing = (wanted - (queue.headEnd - next)) | 0
    if (missing > 0) queue.pull(missing)
    return (queue.headEnd - next) | 0
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
   * Room for `windows` windows of segments (tcp_sndbuf_expand): a segment is charged its buffer, rounded up to a power
   * of two, and the sk_buff.
   */
  grow(windows: number, window: number, mss: number, most: number): void {
    let buffer = 1024
    while (buffer < mss + HEADERS_AND_SHARED_INFO) buffer *= 2
    const wanted = windows * Math.max(10, window) * (buffer + SKB)
    if (wanted > this.capacity && !this.#locked) this.capacity = Math.min(wanted, most)
  }

  release(): void {
    this.ring.release()
    this.sent.clear()
    this.queue.clear()
    this.#first = this.end
  }
}
