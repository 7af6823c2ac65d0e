/**
 * What is needed to find out that a recovery was for nothing: when it began, how many retransmissions nobody has
 * reported as duplicates yet (RFC 3708), and when the first of them left (Eifel, RFC 3522).
 */
import { after } from '../../wire/tcp.ts'

export class Undo {
  /** A reduction may still be taken back (undo_marker is set). */
  possible = false
  #marker = 0
  /** Retransmissions not reported as duplicates; -1: none was sent yet (undo_retrans). */
  #open = 0
  /** Duplicates that the peer ever reported (dsack_dups). */
  duplicates = 0
  /** The timestamp of the first retransmission (retrans_stamp); 0: nothing was sent again. */
  stamp = 0

  /** A recovery begins at SND.UNA, with so many retransmissions out (tcp_init_undo). */
  begin(una: number, out: number): void {
    this.possible = true
    this.#marker = una
    this.#open = out > 0 ? out : -1
  }

  end(): void {
    this.possible = false
  }

  /** A segment was sent again, at this time of the timestamp clock. */
  resent(clock: number): void {
    if (this.stamp === 0) this.stamp = clock === 0 ? 1 : clock
    this.#open = Math.max(this.#open, 0) + 1
  }

  /** The peer got it twice. */
  duplicated(end: number, segments: number): void {
    if (this.possible && this.#open > 0 && after(end, this.#marker)) this.#open = Math.max(0, this.#open - segments)
  }

  /** All retransmissions were duplicates. */
  get allDuplicates(): boolean {
    return this.possible && this.#open === 0
  }
}
