/**
 * What SACK tells the peer (selective_acks of struct tcp_sock, RFC 2018): up to four stretches from beyond the gap, the
 * one that changed latest first. A stretch that fell off the end is told anew only as far as something comes beside it.
 */
import { after, before } from '../../wire/tcp.ts'

/** TCP_NUM_SACKS. */
const MOST = 4
const NONE = new Int32Array(0)

export class SelectiveAcks {
  /** Where each begins, and ends. */
  #bounds = NONE
  count = 0

  begin(i: number): number {
    return this.#bounds[2 * i]
  }

  /** One past its last number; a FIN counts. */
  end(i: number): number {
    return this.#bounds[2 * i + 1]
  }

  /** A segment joins the first stretch that it touches; returns its place, -1 when it touches none (tcp_sack_extend). */
  extend(begin: number, end: number): number {
    for (let i = 0; i < this.count; i++) if (this.#joins(i, begin, end)) return i
    return -1
  }

  /** A new stretch stands before the others, of which the last may have to go. */
  put(begin: number, end: number): void {
    if (this.#bounds === NONE) this.#bounds = new Int32Array(2 * MOST)
    const bounds = this.#bounds
    if (this.count < MOST) this.count++
    bounds.copyWithin(2, 0, 2 * (this.count - 1))
    bounds[0] = begin
    bounds[1] = end
  }

  /** The stretch that was extended becomes the first, and may touch others now (tcp_sack_maybe_coalesce). */
  raise(place: number): void {
    const bounds = this.#bounds
    const begin = bounds[2 * place]
    const end = bounds[2 * place + 1]
    bounds.copyWithin(2, 0, 2 * place)
    bounds[0] = begin
    bounds[1] = end
    for (let i = 1; i < this.count; ) {
      if (this.#joins(0, bounds[2 * i], bounds[2 * i + 1])) this.#drop(i)
      else i++
    }
  }

  /** RCV.NXT has reached so far (tcp_sack_remove). `gap`: something is still beyond. */
  advance(next: number, gap: boolean): void {
    if (!gap) this.count = 0
    for (let i = 0; i < this.count; ) {
      if (before(next, this.#bounds[2 * i])) i++
      else this.#drop(i)
    }
  }

  clear(): void {
    this.count = 0
  }

  #joins(i: number, begin: number, end: number): boolean {
    const bounds = this.#bounds
    if (after(begin, bounds[2 * i + 1]) || after(bounds[2 * i], end)) return false
    if (before(begin, bounds[2 * i])) bounds[2 * i] = begin
    if (after(end, bounds[2 * i + 1])) bounds[2 * i + 1] = end
    return true
  }

  #drop(i: number): void {
    this.#bounds.copyWithin(2 * i, 2 * (i + 1), 2 * this.count)
    this.count--
  }
}
