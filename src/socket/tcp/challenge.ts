/** How many challenge ACKs a host sends in a second (tcp_send_challenge_ack of net/ipv4/tcp_input.c, RFC 5961 section 7). */
import type { Random } from '../../sim/random.ts'

/** tcp_challenge_ack_limit of its initial value: no limit. */
export const NO_LIMIT = 0x7fffffff

export class Challenges {
  #second = -1
  #left = 0

  /** May one leave in this second? How many may is drawn, so that nobody can count them to learn of others. */
  allows(second: number, limit: number, random: Random): boolean {
    if (limit === NO_LIMIT) return true
    if (second !== this.#second) {
      const half = (limit + 1) >> 1
      this.#second = second
      // Drawn from half of the limit to one and a half; of 0 the upper end wraps, and there is as good as none.
      this.#left = limit === 0 ? NO_LIMIT : half + random.below(limit)
    }
    if (this.#left === 0) return false
    this.#left--
    return true
  }
}
