/**
 * Explicit congestion notification (RFC 3168): a router marks instead of dropping; the receiver echoes with ECE until
 * the sender says CWR.
 */
import * as tcp from '../../wire/tcp.ts'
import type { Segment } from './segment.ts'

/** The two low bits of TOS. */
const ECT_0 = 2
const CE = 3

export class Ecn {
  /** Both sides agreed (TCP_ECN_OK). */
  agreed = false
  /** We saw a mark and echo it; we reduced and have to say so; the peer has marked before. */
  #echoing = false
  #reduced = false
  #seen = false

  /** Has a packet come that could be marked? (TCP_ECN_SEEN) */
  get seen(): boolean {
    return this.#seen
  }

  /** A reduction begins: the next new data says CWR (tcp_ecn_queue_cwr). */
  queueReduced(): void {
    if (this.agreed) this.#reduced = true
  }

  withdrawReduced(): void {
    this.#reduced = false
  }

  /** Does the peer report a mark? */
  echoed(segment: Segment): boolean {
    return this.agreed && segment.has(tcp.ECE) && !segment.has(tcp.SYN)
  }

  /** Data came. True: it was marked, or is a retransmission, which is never marked: the sender must hear soon. */
  arrived(segment: Segment): boolean {
    if (!this.agreed) return false
    if (segment.has(tcp.CWR) && segment.dataLength > 0) this.#echoing = false
    const mark = segment.tos & CE
    if (mark === CE) {
      const fresh = !this.#echoing
      this.#echoing = true
      this.#seen = true
      return fresh
    }
    if (mark === ECT_0) this.#seen = true
    return mark === 0 && this.#seen
  }

  /** The flags of a segment that leaves: ECE while a mark is unanswered, CWR with new data after a reduction. */
  flags(fresh: boolean): number {
    if (!this.agreed) return 0
    let flags = this.#echoing ? tcp.ECE : 0
    if (fresh && this.#reduced) {
      this.#reduced = false
      flags |= tcp.CWR
    }
    return flags
  }

  /** New data may be marked instead of dropped; retransmissions and bare acknowledgments may not. */
  tos(tos: number, fresh: boolean): number {
    return this.agreed && fresh ? (tos & ~CE) | ECT_0 : tos
  }
}
