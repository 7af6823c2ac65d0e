/** The fixed-point numbers of net/ipv4/tcp_bbr.c. */

/** One, as a gain. */
export const UNIT = 256
/** One segment a microsecond, as a bandwidth. */
export const WHOLE = 2 ** 24
/** A hundredth is kept back, so that queues drain. */
const MARGIN_PERCENT = 1

/** What `ss -ti` prints: bytes a second, microseconds, gains (struct tcp_bbr_info). */
export interface BbrInfo {
  readonly bandwidth: number
  readonly leastTrip: number
  readonly pacingGain: number
  readonly windowGain: number
}

/** The pacing rate for a bandwidth times a gain (bbr_rate_bytes_per_sec). */
export function bytesPerSecond(bandwidth: number, mss: number, gain: number): number {
  const rate = Math.floor((bandwidth * mss * gain) / UNIT)
  return Math.floor((rate * (10_000 * (100 - MARGIN_PERCENT))) / WHOLE)
}
